"""`serve --reload`: restarts the server when a file changes.

Go's runtime can't be loaded twice in a process, so the server runs in a child. The child
watches the files, because it knows which modules it has imported, and exits with a special
status when one changes; the parent then starts the next child.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from .._shield import shielded
from .problems import CommandError

__all__ = ["supervise", "unblock", "watched"]

_CHANGED = 75  # EX_TEMPFAIL of sysexits.h: try again
_PAUSE = 0.5  # seconds between two checks of the files
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_log = logging.getLogger("object_storage_proxy")


def supervise(arguments: Sequence[str]) -> int:
    """Runs the command line in children, without --reload, until one exits by itself.

    A child has a session of its own, so that a signal, even a Ctrl-C, reaches it only once:
    from here. Signals are blocked while there is no child, or a child that is not
    ready for them: see unblock().
    """
    mine = [a for a in arguments if a != "--reload"]
    command = [sys.executable, "-m", "object_storage_proxy", *mine]
    command += ["--reload-parent", str(os.getpid())]
    child: subprocess.Popen[bytes]
    ending = False

    def hand_on(signum: int, frame: FrameType | None) -> None:
        nonlocal ending
        ending = ending or signum != signal.SIGHUP
        child.send_signal(signum)

    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
        if ending:  # the signal came after the child had exited
            return 0
        child = subprocess.Popen(command, start_new_session=True)
        for number in _PASSED_ON:
            signal.signal(number, hand_on)
        unblock()
        status = child.wait()
        if status != _CHANGED:
            return 128 - status if status < 0 else status


def unblock() -> None:
    """Unblocks the signals that `supervise` blocks.

    Its child inherits the blocking, and calls this once its SIGHUP handler is installed.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)


def watched(serve: Callable[[threading.Event], int], config: str | None, parent: int) -> int:
    """Serves in a child of `supervise` until a file changes.

    If the server can't start, that is reported, and the next change starts it again.

    Args:
        serve: runs until the event is set.
        config: the configuration file.
        parent: the process that waits; when it is gone, the server stops as well.
    """
    changed, ended = threading.Event(), threading.Event()
    files = _Files(config)

    def watch() -> None:
        while not ended.wait(_PAUSE):
            path = None
            with shielded():  # a module's __file__ may be anything
                path = files.touched()
            if path is not None or os.getppid() != parent:
                changed.set()
            if path is not None:
                with shielded():
                    _log.info("%s changed: restarting", path)
            if changed.is_set():
                return

    threading.Thread(target=watch, name="osp-reload", daemon=True).start()
    try:
        status = serve(changed)
    except CommandError as error:
        with shielded():
            for line in error.lines:
                _log.error("%s", line)
            _log.info("waiting for a change")
        files.more.extend(_named_in(error))
        changed.wait()
        status = error.status
    finally:
        ended.set()
    return _CHANGED if changed.is_set() and os.getppid() == parent else status


class _Files:
    """The configuration, .env, and the imported modules, except Python's own.

    Attributes:
        more: further files.
    """

    def __init__(self, config: str | None) -> None:
        self.more = [_absolute(".env")]
        if config is not None:
            self.more.append(_absolute(config))
        self._seen: dict[str, float | None] = {}
        self._started = time.time()

    def touched(self) -> str | None:
        """A file that has changed since the start, or None."""
        for path in [*self.more, *_modules()]:
            when = _mtime(path)
            if path not in self._seen:
                self._seen[path] = when
                # It may have changed between its import and this first check.
                if when is not None and self._started < when <= time.time():
                    return path
            elif when != self._seen[path]:
                return path
        return None


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:  # the working directory is gone
        return path


def _mtime(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except (OSError, ValueError):  # ValueError: a zero byte
        return None


def _modules() -> Iterator[str]:
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and not path.startswith(_INSTALLED):
            yield path


def _named_in(error: BaseException) -> Iterator[str]:
    """The files that a failed import went through; they are not in sys.modules."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SyntaxError) and cause.filename:
            yield cause.filename
        if isinstance(cause, ModuleNotFoundError) and cause.name:  # it may still be created
            yield _absolute(os.path.join(*cause.name.split(".")) + ".py")
        trace = cause.__traceback__
        while trace is not None:
            path = trace.tb_frame.f_code.co_filename
            if os.path.isabs(path) and not path.startswith(_INSTALLED):
                yield path
            trace = trace.tb_next
        cause = cause.__cause__ or cause.__context__


_INSTALLED = tuple(
    {
        sysconfig.get_paths()[name] + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)
