"""The library's log lines, handed to Python's logging by one thread.

Lines wait in a bounded ring in the library, so that a request never waits for
Python; see osp_log_next in include/osp.h.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from ._lib import Library
from ._shield import shielded

_log = logging.getLogger("object_storage_proxy")
_access = _log.getChild("access")  # of ``access_log="python"``

_PAUSE = 0.5  # seconds; how soon a changed log level is noticed
_OWN = ("time", "level", "msg", "logger")


class LogDrain:
    """Works from start() to stop(), whatever the owner's logging does."""

    def __init__(self, lib: Library) -> None:
        self._lib = lib
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="osp-logs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Passes on the lines that are waiting, and ends the thread."""
        self._stopping.set()
        self._lib.wake_logs()
        self._thread.join(timeout=4 * _PAUSE)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._hand_on(_PAUSE)
        self._hand_on(0)

    def _hand_on(self, timeout: float) -> None:
        level = logging.INFO  # where the owner's loggers don't tell theirs
        with shielded():
            level = min(_log.getEffectiveLevel(), _access.getEffectiveLevel())
        batch = self._lib.next_logs(level, timeout)
        if batch is None:
            return
        for line in batch["lines"]:
            with shielded():
                _emit(line)
        if batch["dropped"]:
            with shielded():
                _log.warning("%d log lines were dropped", batch["dropped"])


def _emit(line: dict[str, Any]) -> None:
    level, text = line["level"], line["msg"]
    log = _access if line.get("logger") == "access" else _log
    if not log.isEnabledFor(level):
        return
    details = {name: value for name, value in line.items() if name not in _OWN}
    if log is _log:  # a line of the access log is complete
        text = " ".join([text, *(f"{name}={value!r}" for name, value in details.items())])
    record = log.makeRecord(log.name, level, "osp", 0, text, (), None, extra={"osp": details})
    record.created = line["time"]
    record.msecs = (line["time"] % 1) * 1000
    log.handle(record)
