"""A proxy that serves in the background.

What only a start needs (asyncio, logging, dotenv) is imported by it, so that the
package itself is imported in some milliseconds.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _lib, _process
from ._aside import aside
from ._revocation import keeps_sessions, milliseconds, revocation
from .config import Policy, ProxyServerConfig
from .errors import ConfigError

if TYPE_CHECKING:
    from ._issue import Claims, TemporaryKeys
    from ._run import Run

__all__ = ["ProxyServer"]

_STEP = 0.1  # seconds; how soon a waiting main thread sees a signal
_ABANDONED = 1.0  # seconds that a failed start waits for what it has begun


class ProxyServer:
    """A proxy that serves in the background, between start() and stop().

    A context manager::

        with ProxyServer(ProxyServerConfig(cos_map, http_port=0)) as server:
            print(server.http_url)

    A server that is never stopped serves until the interpreter exits. It can be
    started again after a stop.

    Args:
        config: read by start(); later changes of its attributes have no effect.
    """

    def __init__(self, config: ProxyServerConfig) -> None:
        self._config = config
        self._run: Run | None = None
        self._starting = threading.Lock()
        self._stop_asked = False
        # Held while the configuration and the running server are made to agree. A signal
        # handler may update or start on the same thread meanwhile: the count shows that it did.
        self._updating = threading.RLock()
        self._updates = 0

    def start(self) -> None:
        """Binds the ports and starts serving.

        Raises:
            ConfigError: the configuration has mistakes; it lists all of them.
            OSError: a port or the unix socket is in use, or may not be bound; the access log
                can't be opened.
            RuntimeError: the server is already running, or this process was forked after
                a proxy had been started in it.
            ImportError: the library can't be loaded on this system.
        """
        if self._starting.locked():
            raise RuntimeError("this server is starting")
        with self._starting:
            if self._run is not None and self._run.handle:
                raise RuntimeError("this server is already running")
            self._stop_asked = False
            self._launch()

    def _launch(self) -> None:
        from ._callbacks import ask
        from ._document import render
        from ._run import Run

        run = None
        try:
            with self._updating:  # or an update of the previous run could be missed
                self._updates += 1
                document, mistakes = render(self._config)
                lib = _process.load()
                if mistakes:
                    raise _process.config_error(lib, document, mistakes)
                _process.drain_logs(lib)
                self._run = run = Run(self._config, lib)
                with _process.lock:
                    _process.running.add(self)
                lib.start(document, ask, run.owner.user, run.place)
                run.ports = lib.ports(run.handle)
            if self._stop_asked:
                self.stop(run.drain)  # nobody was told that it serves: no delay
        except BaseException:  # even a Ctrl-C: then nothing has started
            if run is not None:
                self._abandon(run)
            raise

    def check(self) -> None:
        """Checks the configuration as start() does, without starting anything.

        Raises:
            ConfigError: the configuration has mistakes; it lists all of them.
            RuntimeError, ImportError: as start() does.
        """
        from ._document import render

        document, mistakes = render(self._config)
        error = _process.config_error(_process.load(), document, mistakes)
        if error.mistakes:
            raise error

    def update(
        self,
        *,
        cos_map: Mapping[str, Mapping[str, Any]] | None = None,
        hmac_keystore: Sequence[Mapping[str, str | None]] | None = None,
        policy: Policy | None = None,
        shadow_policy: Policy | None = None,
        issuers: Mapping[str, Mapping[str, Any]] | None = None,
        roles: Mapping[str, Mapping[str, Any]] | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        """Replaces stores, keys, policies, issuers, roles, limits, or several, while it serves.

        Requests in flight end with the values that they began with. What is given is copied;
        what is not given stays as the last update left it, whoever made that. The
        configuration gets the new values as well, so that a later start() uses them. After
        an error nothing has changed. Cached decisions are kept; see invalidate().

        Args:
            cos_map: all entries from now on; None: unchanged.
            hmac_keystore: likewise all key pairs; None: unchanged; []: none.
            policy: likewise the policy for all entries, of which a file is read again; None:
                unchanged. A server that has one keeps one until it is stopped.
            issuers: likewise all issuers of identity tokens; None: unchanged; {}: none.
            roles: likewise all roles; the sessions of one that is not there any more end.
            shadow_policy: likewise the policy of the shadow.
            limits: likewise the limits for all entries; None: unchanged; {}: none. What was
                taken of a rule before counts on.

        Raises:
            ConfigError: the new values have mistakes; it lists all of them.
            RuntimeError: the server is not running, or this process is a fork.
        """
        self._serving()
        from ._document import encode, snapshot

        given = {
            "cos_map": cos_map,
            "hmac_keystore": hmac_keystore,
            "policy": policy,
            "issuers": issuers,
            "roles": roles,
            "shadow_policy": shadow_policy,
            "limits": limits,
        }
        change, mistakes = snapshot({n: value for n, value in given.items() if value is not None})
        if mistakes:
            raise ConfigError(mistakes)
        document = encode(change)
        with self._updating:
            while True:
                self._updates = number = self._updates + 1
                lib, handle = self._serving()  # now: it may have been restarted meanwhile
                lib.update(handle, document)
                for name, value in change.items():
                    setattr(self._config, name, value)
                # A signal handler that ran in between found the server changed, but not yet
                # the configuration: then this update is made again, as the last one for both.
                if self._updates == number:
                    return

    def issue(
        self,
        token: str,
        *,
        ttl: float = 3600,
        policy: Policy | None = None,
        claims: Claims | None = None,
        name: str | None = None,
    ) -> TemporaryKeys:
        """Makes temporary keys, to hand out to somebody.

        Every replica with the same ``shared_keys`` accepts them; without ``shared_keys`` they
        end with this process. Nothing is stored; invalidate() ends them earlier.

        Args:
            token: as whom callbacks, policies and limits see whoever signs with them.
            ttl: seconds until they end: from 1 to 129600, which are 36 hours.
            policy: narrows what they may do, in addition to all that narrows the token: a dict
                or the path of a JSON file, without principals, with at most 128 patterns.
            claims: what else policies and a validator's ``request["session"]`` know of the
                holder: texts, or lists of texts, by name.
            name: what it knows as the session's name.

        Raises:
            ConfigError: an argument has mistakes, or there is too much in them: about 3 KB
                fit, in which policies are compressed.
            RuntimeError: the server is not running, or this process is a fork.
        """
        from ._issue import TemporaryKeys, request

        wanted = request(token, ttl, policy, claims, name)
        lib, handle = self._serving()
        return TemporaryKeys.of(lib.issue(handle, wanted))

    def invalidate(
        self,
        token: str | None = None,
        bucket: str | None = None,
        *,
        role: str | None = None,
        subject: str | None = None,
        sessions: bool = True,
        wait: float = 5.0,
    ) -> None:
        """Drops the callbacks' cached answers, and ends temporary keys.

        Answers are decisions, store credentials, client secrets.
        Requests that arrive after it has returned are never served by anything that was asked
        for before, including the store's bearer tokens and the sessions of roles there. With
        both arguments it drops what is cached for that token and that bucket together; client
        secrets belong to a token alone. Unless a bucket is given, it also ends the temporary keys
        that this proxy has issued before, under that token or with that access key.

        Args:
            token: a client's access key id, or the token of temporary keys; None: all. ""
                stands for clients without a signature.
            bucket: a bucket's name as clients use it; None: all.
            role: ends the temporary keys of a role that were issued before, and does nothing
                else.
            subject: likewise those that were issued for an identity token's subject; with a
                role, those of both. Identity tokens that are older get no others.
            sessions: False ends no temporary keys, and only drops answers.
            wait: with ``shared_state``, seconds that it may take until no replica of the
                fleet answers by what was dropped, an hour at most. Three suffice, even if
                some are cut off. Signals are handled meanwhile; a stop ends it.

        Raises:
            TypeError: an argument is neither a str nor None, sessions is no bool, or wait is no
                number.
            ValueError: wait is negative, or more than an hour; or a role or a subject is given
                together with a token or a bucket, or with sessions=False.
            TimeoutError: it is recorded, but some replica had not confirmed it in time; it
                will, or stop using what it remembers, within two seconds.
            SharedStateError: it could not be recorded, which is tried for a second at least:
                this replica has dropped the answers, others may not.
            RuntimeError: the server is not running, or this process is a fork.
        """
        about = revocation(token, bucket, role, subject)
        keep = keeps_sessions(sessions, role, subject)
        wait_ms = milliseconds("wait", wait)
        lib, handle = self._serving()
        aside(lambda: lib.forget(handle, about, keep, wait_ms))

    def reopen_logs(self) -> None:
        """Reopens the access log's file, after it has been moved away.

        Does nothing without an access log in a file.

        Raises:
            OSError: the file can't be opened; the old one stays in use.
            RuntimeError: the server is not running, or this process is a fork.
        """
        lib, handle = self._serving()
        lib.reopen_logs(handle)

    def _serving(self) -> tuple[_lib.Library, int]:
        _lib.refuse_after_fork()
        run = self._run
        if run is None or not run.handle:
            raise RuntimeError("this server is not running")
        return run.lib, run.handle

    def stop(self, drain: float | None = None) -> None:
        """Stops accepting connections, lets requests in flight end, and frees the ports.

        With a drain_delay it serves on for that time first. Does nothing if the server is not
        running. May be called on any thread, by several at the same time, and by a signal
        handler, even while start() or stop() is in progress: a start() then ends with the
        server stopped.

        It never waits for something that waits for it. On the thread of event_loop it refuses
        requests that wait for a coroutine; use ``await asyncio.to_thread(server.stop)``
        to let them end. In a callback that is not a coroutine it returns at once, and
        the server stops when its requests have ended.

        Args:
            drain: seconds until requests in flight are cut off, without drain_delay; None: the
                configuration's drain_timeout, after its drain_delay.

        Raises:
            RuntimeError: this process is a fork of the one that serves.
        """
        _lib.refuse_after_fork()
        self._stop_asked = True  # then the handle; start() reads them in the opposite order
        run = self._run
        if run is None or not run.handle:
            return
        if drain is not None:
            run.lib.stop(run.handle, drain)
        else:  # a delay in which callbacks can't answer would help nobody
            run.lib.stop(run.handle, run.drain, 0 if run.owner.held_up() else run.delay)
        if run.owner.asked_here():
            with suppress(RuntimeError):  # threads can't be started when the interpreter exits
                end = threading.Thread(target=self._end, args=(run,), name="osp-stop", daemon=True)
                end.start()
            return
        run.owner.release()
        self._end(run)

    def _begin_stop(self, most: float = math.inf, *, delayed: bool = False) -> float:
        """Begins to stop, within drain_timeout, but within `most` seconds.

        Returns the seconds that it is only announced before that: drain_delay, or 0.
        """
        run = self._run
        if run is None or not run.handle:
            return 0
        delay = run.delay if delayed else 0
        run.lib.stop(run.handle, min(most, run.drain), delay)
        return delay

    def _end(self, run: Run) -> None:
        while not run.lib.wait(run.handle, _STEP):
            pass
        self._forget(run)

    def _abandon(self, run: Run) -> None:
        """Ends what has just begun; its ports are free afterwards, unless the system hangs."""
        try:
            if run.handle:
                run.lib.stop(run.handle, 0)
                run.lib.wait(run.handle, _ABANDONED)
        finally:
            self._forget(run)

    def _forget(self, run: Run) -> None:
        run.close()
        with _process.lock:
            if self._run is run:  # and no later one
                _process.running.discard(self)
                self._run = None

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the server has stopped.

        Signals are handled meanwhile.

        Args:
            timeout: seconds; None: no limit.

        Returns:
            Whether it has stopped.
        """
        waited = 0.0
        while (run := self._run) is not None and run.handle:
            _lib.refuse_after_fork()
            step = _STEP if timeout is None else min(_STEP, timeout - waited)
            if step < 0:
                return False
            if run.lib.wait(run.handle, step):
                break
            waited += step
            if timeout is not None and waited >= timeout:
                return False
        return True

    @property
    def http_url(self) -> str | None:
        """The endpoint for clients on this machine; None without http, or when stopped."""
        return None if self._run is None else self._run.url("http", 0)

    @property
    def https_url(self) -> str | None:
        """The endpoint for clients on this machine; None without https, or when stopped."""
        return None if self._run is None else self._run.url("https", 1)

    @property
    def metrics_url(self) -> str | None:
        """The address, on this machine, of /metrics and the status page; None without them."""
        return None if self._run is None else self._run.url("http", 2)

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
