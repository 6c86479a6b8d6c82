"""Starting and stopping a proxy.

What only a start needs (asyncio, logging, dotenv) is imported by it, so that the
package itself is imported in some milliseconds.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from . import _lib, _systemd
from .config import ProxyServerConfig
from .errors import ConfigError

if TYPE_CHECKING:
    from ._callbacks import Owner
    from ._drain import LogDrain

__all__ = [
    "ProxyServer",
    "disable_request_counting",
    "enable_request_counting",
    "get_request_count",
    "start_server",
]

_STEP = 0.1  # seconds; how soon a waiting main thread sees a signal
_EXIT_DRAIN = 5.0  # seconds that an interpreter which exits waits for requests in flight

_lock = threading.Lock()
_running: set[ProxyServer] = set()
_drain: LogDrain | None = None


class ProxyServer:
    """A proxy that serves in the background, between start() and stop().

    A context manager::

        with ProxyServer(ProxyServerConfig(cos_map, http_port=0)) as server:
            print(server.http_url)

    A server that nobody stops serves until the interpreter exits. It can be
    started again after a stop.

    Args:
        config: read by start(); later changes of its attributes have no effect.
    """

    def __init__(self, config: ProxyServerConfig) -> None:
        self._config = config
        self._handle = 0
        self._lib: _lib.Library | None = None
        self._owner: Owner | None = None
        self._ports = (0, 0, 0)
        self._stopping = threading.Lock()
        self._updating = threading.RLock()  # a signal's handler may update during an update

    def start(self) -> None:
        """Binds the ports and begins to serve.

        Raises:
            ConfigError: the configuration has mistakes; it lists all of them.
            OSError: a port or the unix socket is in use, or may not be bound; the access log
                can't be opened.
            RuntimeError: the server runs already, or this process was forked after
                a proxy had been started in it.
            ImportError: the library can't be loaded on this system.
        """
        from ._callbacks import Owner, ask
        from ._document import render

        if self._handle:
            raise RuntimeError("this server runs already")
        document, mistakes = render(self._config)
        lib = _lib.load(_at_exit)
        if mistakes:
            raise _config_error(lib, document, mistakes)
        _drain_logs(lib)
        owner = Owner(self._config, lib)
        try:
            handle = lib.start(document, ask, owner.user)
        except BaseException:
            owner.close()
            raise
        self._lib, self._owner, self._handle = lib, owner, handle
        self._ports = lib.ports(handle)
        with _lock:
            _running.add(self)

    def check(self) -> None:
        """Checks the configuration as start() does, and starts nothing.

        Raises:
            ConfigError: the configuration has mistakes; it lists all of them.
            RuntimeError, ImportError: as start() does.
        """
        from ._document import render

        document, mistakes = render(self._config)
        error = _config_error(_lib.load(_at_exit), document, mistakes)
        if error.mistakes:
            raise error

    def update(
        self,
        *,
        cos_map: Mapping[str, Mapping[str, Any]] | None = None,
        hmac_keystore: Sequence[Mapping[str, str | None]] | None = None,
    ) -> None:
        """Swaps the stores, the client keys, or both at once, while it serves.

        Requests under way end with what they began with. What is given is copied, and
        what is not given stays as the last update has left it, whoever made that. The
        configuration gets the new values, too, so that a later start() uses them. After
        an error nothing has changed. Decisions that are remembered stay; see invalidate().

        Args:
            cos_map: all entries that there are from now on; None: as they are.
            hmac_keystore: likewise all key pairs; None: as they are; []: none.

        Raises:
            ConfigError: the new values have mistakes; it lists all of them.
            RuntimeError: the server does not run, or this process is a fork.
        """
        from ._document import encode, snapshot

        lib, handle = self._serving()
        given = {"cos_map": cos_map, "hmac_keystore": hmac_keystore}
        change, mistakes = snapshot({n: value for n, value in given.items() if value is not None})
        if mistakes:
            raise ConfigError(mistakes)
        with self._updating:  # or the configuration could end with another one than the server
            lib.update(handle, encode(change))
            for name, value in change.items():
                setattr(self._config, name, value)

    def invalidate(self, token: str | None = None, bucket: str | None = None) -> None:
        """Forgets the callables' answers: decisions, store credentials, client secrets.

        Whoever comes after it has returned is served by nothing that was asked for
        before, bearer tokens of the store included. With both arguments it forgets what is
        about that token and that bucket together; client secrets belong to a token alone.

        Args:
            token: a client's access key id; None: all. "" stands for clients without
                a signature.
            bucket: a bucket's name as clients say it; None: all.

        Raises:
            TypeError: an argument is neither a str nor None.
            RuntimeError: the server does not run, or this process is a fork.
        """
        lib, handle = self._serving()
        lib.forget(handle, _wire("token", token), _wire("bucket", bucket))

    def reopen_logs(self) -> None:
        """Opens the file of the access log anew, after somebody has moved it away.

        Does nothing without an access log in a file.

        Raises:
            OSError: the file can't be opened; the old one stays in use.
            RuntimeError: the server does not run, or this process is a fork.
        """
        lib, handle = self._serving()
        lib.reopen_logs(handle)

    def _serving(self) -> tuple[_lib.Library, int]:
        _lib.refuse_after_fork()
        if self._lib is None or not self._handle:
            raise RuntimeError("this server does not run")
        return self._lib, self._handle

    def stop(self, drain: float | None = None) -> None:
        """Stops to accept, lets requests in flight end, and frees the ports.

        Does nothing when the server does not run.

        Args:
            drain: seconds until requests in flight are cut off; None: the
                configuration's drain_timeout.

        Raises:
            RuntimeError: this process is a fork of the one that serves.
        """
        _lib.refuse_after_fork()
        self._begin_stop(self._config.drain_timeout if drain is None else drain)
        with self._stopping:
            if self._lib is None or not self._handle:
                return
            while not self._lib.wait(self._handle, _STEP):
                pass
            self._lib.close(self._handle)
            if self._owner is not None:
                self._owner.close()
            self._handle, self._ports = 0, (0, 0, 0)
            with _lock:
                _running.discard(self)

    def _begin_stop(self, drain: float) -> None:
        if self._lib is not None and self._handle:
            self._lib.stop(self._handle, drain)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the server has stopped.

        Signals are seen meanwhile.

        Args:
            timeout: seconds; None: without end.

        Returns:
            Whether it has stopped.
        """
        waited = 0.0
        while self._lib is not None and self._handle:
            _lib.refuse_after_fork()
            step = _STEP if timeout is None else min(_STEP, timeout - waited)
            if step < 0:
                return False
            if self._lib.wait(self._handle, step):
                break
            waited += step
            if timeout is not None and waited >= timeout:
                return False
        return True

    @property
    def http_url(self) -> str | None:
        """The endpoint for clients on this machine; None without http, or when stopped."""
        return self._url("http", self._config.host, self._ports[0])

    @property
    def https_url(self) -> str | None:
        """The endpoint for clients on this machine; None without https, or when stopped."""
        return self._url("https", self._config.host, self._ports[1])

    @property
    def metrics_url(self) -> str | None:
        """Where this machine finds /metrics and the status page; None without metrics_port."""
        return self._url("http", self._config.metrics_host, self._ports[2])

    @staticmethod
    def _url(scheme: str, host: str, port: int) -> str | None:
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"{scheme}://{host}:{port}" if port else None

    def __enter__(self) -> ProxyServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        urls = [url for url in (self.http_url, self.https_url) if url]
        return f"<ProxyServer {' '.join(urls) or 'stopped'}>"


def _config_error(
    lib: _lib.Library, document: bytes, mistakes: list[tuple[str, str]]
) -> ConfigError:
    """The mistakes that Python saw, and after them what the library sees elsewhere."""
    seen = {path for path, _ in mistakes}
    return ConfigError(mistakes + [m for m in lib.check(document) if m[0] not in seen])


def _wire(name: str, text: str | None) -> bytes | None:
    """A string that a callable got, as the bytes that the client sent."""
    if not isinstance(text, (str, type(None))):
        raise TypeError(f"{name} must be a str or None, not {type(text).__name__}")
    return None if text is None else text.encode("utf-8", "surrogateescape")


def start_server(config: ProxyServerConfig) -> None:
    """Serves until it is told to stop, by Ctrl-C or SIGTERM.

    Requests in flight then have drain_timeout to end; a second Ctrl-C cuts them off.
    SIGHUP opens the file of the access log anew, where there is one.
    A file ``.env`` in the working directory is loaded first; what the environment
    has already, stays. systemd is told what goes on, if NOTIFY_SOCKET is set.
    Outside the main thread, where Python has no signals, it serves until the
    interpreter exits.

    Raises:
        ConfigError: the configuration has mistakes; it lists all of them.
        OSError: a port is in use, or may not be bound; the access log can't be opened.
        RuntimeError: this process was forked after a proxy had been started in it.
        ImportError: the library can't be loaded on this system.
    """
    from dotenv import load_dotenv

    load_dotenv(os.path.join(os.getcwd(), ".env"))
    with ProxyServer(config) as server, stopped_by_signals(server):
        _systemd.notify(_systemd.READY)
        server.wait()


@contextmanager
def stopped_by_signals(server: ProxyServer) -> Iterator[None]:
    """Handles SIGINT and SIGTERM, unless the application has handlers of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = 0

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        _systemd.notify(_systemd.STOPPING)
        server._begin_stop(server._config.drain_timeout if received == 1 else 0)

    defaults = (signal.SIG_DFL, signal.default_int_handler)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) in defaults}
    for number in before:
        signal.signal(number, stop)
    if _logs_to_file(server._config) and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        before[signal.SIGHUP] = signal.SIG_DFL
        signal.signal(signal.SIGHUP, lambda signum, frame: _reopen(server))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _logs_to_file(config: ProxyServerConfig) -> bool:
    return config.access_log is not None and config.access_log not in ("stderr", "python")


def _reopen(server: ProxyServer) -> None:
    try:
        with _systemd.reloading():
            server.reopen_logs()
    except OSError as error:  # an exception of a signal handler would end the server
        import logging  # there it is: the proxy has started

        logging.getLogger("object_storage_proxy").error(
            "the access log stays in its old file: %s", error
        )


def enable_request_counting() -> None:
    """Counts requests from now on, of all proxies of this process together."""
    _lib.count_requests(True)


def disable_request_counting() -> None:
    """Stops to count requests; the count stays."""
    _lib.count_requests(False)


def get_request_count() -> int:
    """The requests that came in while counting was on."""
    lib = _lib.loaded()
    return lib.counted() if lib else 0


def _drain_logs(lib: _lib.Library) -> None:
    from ._drain import LogDrain

    global _drain
    with _lock:
        if _drain is None:
            _drain = LogDrain(lib)
            _drain.start()


def _at_exit() -> None:
    """Ends the library's use of Python while there still is a Python."""
    if _lib.forked():
        return
    with _lock:
        servers = list(_running)
    for server in servers:
        server._begin_stop(min(_EXIT_DRAIN, server._config.drain_timeout))
    for server in servers:
        server.stop(_EXIT_DRAIN)
    if _drain is not None:
        _drain.stop()
