"""What the servers of a process have in common: the library, its log, and the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from . import _lib
from .errors import ConfigError

if TYPE_CHECKING:
    from ._drain import LogDrain
    from .config import ProxyServerConfig
    from .server import ProxyServer

_EXIT_DRAIN = 5.0  # seconds that an exiting interpreter waits for requests in flight

# A signal handler may stop a server on a thread that holds a lock: the locks that it needs are
# reentrant, and no thread waits while it holds one, except for another thread to begin.
lock = threading.RLock()
running: set[ProxyServer] = set()
_drain: LogDrain | None = None


def load() -> _lib.Library:
    """The library, whose servers end before the interpreter does."""
    return _lib.load(_at_exit)


def prepared(config: ProxyServerConfig) -> tuple[_lib.Library, bytes]:
    """The library, and the configuration as it reads it. Raises ConfigError."""
    from ._document import render

    document, mistakes = render(config)
    lib = load()
    if mistakes:
        raise config_error(lib, document, mistakes)
    return lib, document


def config_error(
    lib: _lib.Library, document: bytes, mistakes: list[tuple[str, str]]
) -> ConfigError:
    """The mistakes that Python found, followed by those that the library finds elsewhere."""
    seen = {path for path, _ in mistakes}
    return ConfigError(mistakes + [m for m in lib.check(document) if m[0] not in seen])


def drain_logs(lib: _lib.Library) -> None:
    """Starts the thread that empties the library's ring of log lines, unless it runs."""
    from ._drain import LogDrain

    global _drain
    with lock:
        if _drain is None:
            drain = LogDrain(lib)
            drain.start()
            _drain = drain


def _at_exit() -> None:
    """Ends the library's use of Python while the interpreter still works."""
    from ._shield import shielded

    if _lib.forked():
        return
    with lock:
        servers = list(running)
    for server in servers:
        server._begin_stop(_EXIT_DRAIN)
    for server in servers:
        for drain in (_EXIT_DRAIN, 0.0):  # the second one after a Ctrl-C or another exception
            with shielded():
                server.stop(drain)
                break
    if _drain is not None:
        _drain.stop()
