"""The signals of a process that serves.

Handlers are installed before a port opens: whoever sees it open may send a signal at once.
They only record the signal, and begin to stop; the thread that waits for the server does the
rest, because a handler may run in the middle of an import or of a log call.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from . import _systemd
from ._shield import shielded
from .config import ProxyServerConfig
from .server import ProxyServer

_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what kills a process by default

_log = logging.getLogger("object_storage_proxy")


class Hangups:
    """Records SIGHUP, so that none is lost, whenever it arrives."""

    def __init__(self) -> None:
        self._count = self._seen = 0

    def note(self, signum: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        self._count += 1

    def came(self) -> bool:
        """Whether one has arrived since the last call."""
        before, self._seen = self._seen, self._count
        return self._seen != before


def ignore_at_exit() -> None:
    """Makes the interpreter ignore these signals at its very end, when all else is done.

    At that point it restores the default action of signals that have handlers, so a late
    one would kill a process that is about to exit normally.
    """
    atexit.register(_ignore)


def _ignore() -> None:
    for number in _ENDING:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


def _leave(signum: int, frame: FrameType | None) -> None:
    """Exits once the server has stopped, whatever thread the process still waits for."""
    os._exit(0)


@contextmanager
def stopped_by_signals(
    server: ProxyServer, hangups: Hangups | None = None, *, last: bool = False
) -> Iterator[Callable[[], None]]:
    """Handles SIGINT and SIGTERM, unless the application has handlers of its own.

    Enter it before the server starts, and call what it yields when the server has started:
    only then do earlier signals stop it, and is systemd notified.

    Args:
        hangups: records SIGHUP, if the access log is a file; None: somebody else does.
        last: the process exits when the server has stopped; later signals change nothing.
    """
    received, begun, ended, delayed_until = 0, False, False, 0.0

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        if begun:
            tell()

    def tell() -> None:
        nonlocal delayed_until
        _systemd.notify(_systemd.STOPPING)
        if received == 1:
            delayed_until = time.monotonic() + server._begin_stop(delayed=True)
        elif time.monotonic() < delayed_until:  # what hurries it first ends the delay
            delayed_until = 0.0
            server._begin_stop()
        else:
            server._begin_stop(0)

    def begin() -> None:
        nonlocal begun
        _systemd.notify(_systemd.READY)
        begun = True
        if received:
            tell()

    wanted: dict[int, Callable[[int, FrameType | None], None]]
    wanted = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if hangups is not None and _logs_to_file(server._config):
        wanted[signal.SIGHUP] = hangups.note
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {n: signal.getsignal(n) for n in wanted if signal.getsignal(n) in _DEFAULTS}
    try:
        for number in before:
            signal.signal(number, wanted[number])
        yield begin
        ended = True
    finally:
        for number, handler in before.items():
            signal.signal(number, _leave if last and ended else handler)


def _logs_to_file(config: ProxyServerConfig) -> bool:
    return config.access_log is not None and config.access_log not in ("stderr", "python")


def reopen_logs(server: ProxyServer) -> None:
    """Reopens the access log's file, and logs a failure."""
    try:
        with _systemd.reloading():
            server.reopen_logs()
    except (OSError, RuntimeError) as error:  # RuntimeError: it has just stopped
        with shielded():
            _log.error("the access log keeps its old file: %s", error)
