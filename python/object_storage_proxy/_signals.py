"""The signals of a process that serves.

Handlers stand before a port opens: whoever sees it open may send a signal at once. They
only note what came, and begin to stop; the thread that waits for the server does the rest,
since a handler may come in the middle of an import or of a line of the log.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from . import _systemd
from ._shield import shielded
from .config import ProxyServerConfig
from .server import ProxyServer

_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what ends a process by default

_log = logging.getLogger("object_storage_proxy")


class Hangups:
    """Counts SIGHUP, so that none is lost, whenever it comes."""

    def __init__(self) -> None:
        self._count = self._seen = 0

    def note(self, signum: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        self._count += 1

    def came(self) -> bool:
        """Whether one came since the last call."""
        before, self._seen = self._seen, self._count
        return self._seen != before


def ignore_at_exit() -> None:
    """Has signals ignored when the interpreter takes itself down, all else being done.

    It gives the signals that have handlers their defaults back then, so that one which
    comes late would end a process that is about to end well.
    """
    atexit.register(_ignore)


def _ignore() -> None:
    for number in _ENDING:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


def _leave(signum: int, frame: FrameType | None) -> None:
    """Ends a process of which the server has stopped, whatever thread it still waits for."""
    os._exit(0)


@contextmanager
def stopped_by_signals(
    server: ProxyServer, hangups: Hangups | None = None, *, last: bool = False
) -> Iterator[Callable[[], None]]:
    """Handles SIGINT and SIGTERM, unless the application has handlers of its own.

    To be entered before the server starts. What it yields is to be called when the server
    has started: only then do signals that came before stop it, and systemd is told.

    Args:
        hangups: notes SIGHUP, if the access log is a file; None: somebody else does.
        last: the process ends when the server has: signals that come then change nothing.
    """
    received, begun, ended = 0, False, False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        if begun:
            tell()

    def tell() -> None:
        _systemd.notify(_systemd.STOPPING)
        server._begin_stop(math.inf if received == 1 else 0)

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
    """Opens the file of the access log anew, and says what that comes to."""
    try:
        with _systemd.reloading():
            server.reopen_logs()
    except (OSError, RuntimeError) as error:  # RuntimeError: it has just stopped
        with shielded():
            _log.error("the access log stays in its old file: %s", error)
