"""The shared library: loaded once, when the first proxy starts, and never unloaded.

Every use goes through `load`, which refuses to load it where Go's runtime can't work: after a
fork, in a sub-interpreter, on musl.
"""

from __future__ import annotations

import atexit
import importlib
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ConfigError, SharedStateError

_NAME = "libosp.dylib" if sys.platform == "darwin" else "libosp.so"
_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), _NAME)

# musl's loader is its libc; Alpine and Debian install it under these names.
_MUSL = re.compile(r"/ld-musl-|/libc\.musl-|-linux-musl\w*/libc\.so")

_lock = threading.RLock()  # a signal handler may run on a thread that holds it
_loaded: Library | None = None
_forked = False
_counting = False  # what the library is told when it is loaded


class Library:
    """The functions of include/osp.h with Python's types and exceptions."""

    def __init__(self) -> None:
        from ._ffi import ffi

        self._ffi: Any = ffi
        try:
            flags = ffi.RTLD_NOW | getattr(ffi, "RTLD_NODELETE", 0)
            self._lib: Any = ffi.dlopen(_FILE, flags)
        except OSError as error:
            raise ImportError(f"object_storage_proxy can't load its library: {error}") from error

    def check(self, document: bytes) -> list[tuple[str, str]]:
        """Returns the mistakes in a configuration."""
        error = self._ffi.new("char **")
        code = self._lib.osp_check(document, len(document), error)
        detail = self._take(error)
        if code == self._lib.OSP_CONFIG_ERROR:
            return [(mistake["path"], mistake["message"]) for mistake in detail]
        self._expect(code, detail)
        return []

    def explain(self, document: bytes) -> dict[str, Any]:
        """What a policy makes of a request. Raises ConfigError."""
        explained: dict[str, Any] = self._answered(self._lib.osp_explain, document)
        return explained

    def replay(self, document: bytes) -> list[dict[str, Any]]:
        """What a policy makes of requests of an access log. Raises ConfigError."""
        outcomes: list[dict[str, Any]] = self._answered(self._lib.osp_replay, document)
        return outcomes

    def _answered(self, function: Any, document: bytes) -> Any:
        text = self._ffi.new("char **")
        code = function(document, len(document), text)
        detail = self._take(text)
        if code == self._lib.OSP_CONFIG_ERROR:
            raise ConfigError((mistake["path"], mistake["message"]) for mistake in detail)
        self._expect(code, detail)
        return detail

    def no_handle(self) -> Any:
        """A place for the handle of a server, handle[0]; 0: it has not started."""
        return self._ffi.new("int32_t *")

    def start(self, document: bytes, ask: Any, user: int, handle: Any) -> None:
        """Starts a server and puts its handle into handle[0].

        The handle is there before any Python code runs, so that an exception in a signal handler
        loses no server. Raises ConfigError, OSError, or RuntimeError for a fault of the library.
        """
        callbacks = self._ffi.new("osp_callbacks *", {"user": user, "ask": ask})
        error = self._ffi.new("char **")
        code = self._lib.osp_start(document, len(document), callbacks, handle, error)
        detail = self._take(error)
        if code == self._lib.OSP_CONFIG_ERROR:
            raise ConfigError((mistake["path"], mistake["message"]) for mistake in detail)
        if code == self._lib.OSP_OS_ERROR:
            raise OSError(detail["errno"], detail["message"])
        self._expect(code, detail)

    def ports(self, handle: int) -> tuple[int, int, int]:
        """The bound ports for http, https and metrics, 0 for a front that does not exist.

        Likewise for a server that is closed.
        """
        text = self._ffi.new("char **")
        code = self._lib.osp_info(handle, text)
        info = self._take(text)
        if code == self._lib.OSP_BAD_HANDLE:
            return 0, 0, 0
        self._expect(code, None)
        return int(info["http_port"]), int(info["https_port"]), int(info["metrics_port"])

    def update(self, handle: int, document: bytes) -> None:
        """Replaces the stores of a server. Raises ConfigError."""
        error = self._ffi.new("char **")
        code = self._lib.osp_update(handle, document, len(document), error)
        detail = self._take(error)
        if code == self._lib.OSP_CONFIG_ERROR:
            raise ConfigError((mistake["path"], mistake["message"]) for mistake in detail)
        self._expect(code, detail)

    def issue(self, handle: int, request: bytes) -> dict[str, Any]:
        """Returns temporary keys. Raises ConfigError."""
        text = self._ffi.new("char **")
        return self._issued(self._lib.osp_issue(handle, request, len(request), text), text)

    def mint(self, document: bytes, request: bytes) -> dict[str, Any]:
        """Does the same by the keyring of a configuration."""
        text = self._ffi.new("char **")
        code = self._lib.osp_mint(document, len(document), request, len(request), text)
        return self._issued(code, text)

    def _issued(self, code: int, text: Any) -> dict[str, Any]:
        keys: Any = self._take(text)
        if code == self._lib.OSP_CONFIG_ERROR:
            raise ConfigError((mistake["path"], mistake["message"]) for mistake in keys)
        self._expect(code, keys)
        issued: dict[str, Any] = keys
        return issued

    def forget(
        self, handle: int, about: Mapping[str, bytes | None], keep_sessions: bool, wait_ms: int
    ) -> None:
        """Drops cached answers and ends temporary keys; None stands for all.

        Raises TimeoutError and SharedStateError.
        """
        error = self._ffi.new("char **")
        what, kept = self._about(about)
        what.keep_sessions = keep_sessions
        self._revoked(self._lib.osp_forget(handle, what, wait_ms, error), error)
        del kept

    def revoke(self, document: bytes, about: Mapping[str, bytes | None], wait_ms: int) -> None:
        """Does the same for the fleet of a configuration. Raises ConfigError, too."""
        error = self._ffi.new("char **")
        what, kept = self._about(about)
        code = self._lib.osp_revoke(document, len(document), what, wait_ms, error)
        self._revoked(code, error)
        del kept

    def examine(self, document: bytes, wait_ms: int) -> Any:
        """Returns what is found out about the shared state. Raises ConfigError."""
        text = self._ffi.new("char **")
        code = self._lib.osp_examine(document, len(document), wait_ms, text)
        report = self._take(text)
        if code == self._lib.OSP_CONFIG_ERROR:
            raise ConfigError((mistake["path"], mistake["message"]) for mistake in report)
        self._expect(code, report)
        return report

    def _about(self, about: Mapping[str, bytes | None]) -> tuple[Any, list[Any]]:
        """An osp_about, and what has to live as long as it."""
        what, kept = self._ffi.new("osp_about *"), []
        for name, text in about.items():
            if text is not None:
                kept.append(self._ffi.from_buffer(text))
                setattr(what, name, kept[-1])
                setattr(what, f"{name}_len", len(text))
        return what, kept

    def _revoked(self, code: int, error: Any) -> None:
        detail = self._take(error)
        if code == self._lib.OSP_CONFIG_ERROR:
            raise ConfigError((mistake["path"], mistake["message"]) for mistake in detail)
        if code == self._lib.OSP_AGAIN:
            raise TimeoutError(detail["message"])
        if code == self._lib.OSP_AWAY:
            raise SharedStateError(detail["message"])
        self._expect(code, detail)

    def reopen_logs(self, handle: int) -> None:
        """Reopens the access log's file. Raises OSError."""
        error = self._ffi.new("char **")
        code = self._lib.osp_reopen_logs(handle, error)
        detail = self._take(error)
        if code == self._lib.OSP_OS_ERROR:
            raise OSError(detail["errno"], detail["message"])
        self._expect(code, detail)

    def stop(self, handle: int, drain: float, delay: float = 0) -> None:
        """Begins to stop, after a delay that is only announced; both in seconds."""
        self._lib.osp_stop(handle, _milliseconds(delay), _milliseconds(drain))

    def wait(self, handle: int, timeout: float) -> bool:
        """Waits for at most `timeout` seconds; whether the server has stopped, or is closed."""
        return bool(self._lib.osp_wait(handle, _milliseconds(timeout)) != self._lib.OSP_AGAIN)

    def close(self, handle: int) -> None:
        """Closes the handle; may be called again."""
        self._lib.osp_close(handle)

    def answer(self, call: int, answer: bytes) -> None:
        """Answers a question; it is no error if that comes too late."""
        self._lib.osp_answer(call, answer, len(answer))

    def next_logs(self, level: int, timeout: float) -> dict[str, Any] | None:
        """The waiting log lines, or None after `timeout` seconds without any."""
        text = self._ffi.new("char **")
        self._lib.osp_log_next(level, _milliseconds(timeout), text)
        batch: dict[str, Any] | None = self._take(text)
        return batch

    def wake_logs(self) -> None:
        """Has the thread that waits in next_logs() return."""
        self._lib.osp_log_wake()

    def count(self, on: bool) -> None:
        """Turns the count of requests on or off."""
        self._lib.osp_count_enable(on)

    def counted(self) -> int:
        """The requests counted so far."""
        return int(self._lib.osp_count_get())

    def version(self) -> str:
        """The version that was linked into the library."""
        text: bytes = self._ffi.string(self._lib.osp_version())
        return text.decode()

    def _take(self, text: Any) -> Any:
        """Reads a JSON text that now belongs to us, and frees it."""
        import json  # which only a start needs

        if text[0] == self._ffi.NULL:
            return None
        try:
            return json.loads(self._ffi.string(text[0]))
        finally:
            self._lib.osp_free(text[0])

    def _expect(self, code: int, detail: Any) -> None:
        if code == self._lib.OSP_BAD_HANDLE:  # it has stopped since the handle was looked up
            raise RuntimeError("this server is not running")
        if code != self._lib.OSP_OK:
            message = detail["message"] if detail else f"result {code}"
            raise RuntimeError(f"object_storage_proxy: {message}")


def _milliseconds(seconds: float) -> int:
    return int(min(max(seconds, 0.0), 1e9) * 1000)


def load(at_exit: Callable[[], None]) -> Library:
    """Returns the library, and loads it the first time.

    `at_exit` is then registered with atexit. Raises RuntimeError after a fork or in
    a sub-interpreter, ImportError if the library can't be loaded.
    """
    global _loaded
    refuse_after_fork()
    with _lock:
        if _loaded is None:
            _refuse_subinterpreter()
            _refuse_musl()
            _loaded = Library()
            _loaded.count(_counting)
            os.register_at_fork(after_in_child=_after_fork)
            atexit.register(at_exit)
        return _loaded


def loaded() -> Library | None:
    """The library if it has been loaded. Raises RuntimeError after a fork."""
    refuse_after_fork()
    return _loaded


def forked() -> bool:
    """Whether this process was forked after the library had been loaded."""
    return _forked


def refuse_after_fork() -> None:
    """Raises RuntimeError in a process where every call would hang."""
    if _forked:
        raise RuntimeError(
            "object_storage_proxy was in use before this process was forked, and Go's runtime "
            "does not survive a fork: start the proxy in the child only, or create the child "
            "with the 'spawn' start method"
        )


def count_requests(on: bool) -> None:
    """Turns the count of requests on or off, now or as soon as the library is loaded."""
    global _counting
    refuse_after_fork()
    with _lock:
        _counting = on
        if _loaded is not None:
            _loaded.count(on)


def _after_fork() -> None:
    global _forked
    _forked = True


def _refuse_subinterpreter() -> None:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters: Any = importlib.import_module(name)
        except ImportError:
            continue
        current = interpreters.get_current()
        if isinstance(current, tuple):  # since Python 3.13
            current = current[0]
        if int(current) != 0:
            raise RuntimeError("object_storage_proxy works in the main interpreter only")
        return


def _refuse_musl() -> None:
    if sys.platform != "linux":
        return
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            maps = file.read()
    except OSError:  # not every container has /proc
        maps = ""
    import sysconfig  # which only a start needs

    if on_musl(sysconfig.get_config_var("SOABI") or "", maps):
        raise ImportError(
            "object_storage_proxy does not work on musl (Alpine Linux): a Go library needs "
            "thread-local storage that musl's dlopen can't give it (golang/go#54805); "
            "use an image with glibc"
        )


def on_musl(soabi: str, maps: str) -> bool:
    """Whether a process with this SOABI and these mapped files has musl as its libc."""
    return "musl" in soabi or bool(_MUSL.search(maps))
