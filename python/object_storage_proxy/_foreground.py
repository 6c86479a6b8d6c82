"""A proxy in the foreground, which serves until it is told to stop.

What handles signals is imported by a start, for the reason in server.py.
"""

from __future__ import annotations

from .config import ProxyServerConfig
from .server import ProxyServer

__all__ = ["start_server"]

_STEP = 0.1  # seconds; how soon a SIGHUP is seen


def start_server(config: ProxyServerConfig) -> None:
    """Serves until it is told to stop, by Ctrl-C or SIGTERM.

    It first serves on for drain_delay, if there is one; another Ctrl-C ends that. Requests in
    flight then have drain_timeout to end; the next Ctrl-C cuts them off.
    SIGHUP reopens the access log's file, if there is one. Signals are handled before a port
    is open.
    A file ``.env`` in the working directory is loaded first; variables that are already
    set are kept. systemd is notified if NOTIFY_SOCKET is set.
    Outside the main thread, where Python handles no signals, it serves until the
    interpreter exits.

    Raises:
        ConfigError: the configuration has mistakes, or ``.env`` can't be read; it lists
            all of them.
        OSError: a port is in use, or may not be bound; the access log can't be opened.
        RuntimeError: this process was forked after a proxy had been started in it.
        ImportError: the library can't be loaded on this system.
    """
    from . import _dotenv, _signals

    _dotenv.load()
    server, hangups = ProxyServer(config), _signals.Hangups()
    with _signals.stopped_by_signals(server, hangups) as begun, server:
        begun()
        while not server.wait(_STEP):
            if hangups.came():
                _signals.reopen_logs(server)
