"""`serve --watch`: has the configuration read again when one of its files changes.

Files are looked at, not waited for: that works on every file system and through symbolic
links, as Kubernetes replaces the files of a ConfigMap or a Secret. A change counts when a
second look finds the same, because half of a file may be valid, and lack what follows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import _files

__all__ = ["Watch", "named_in"]

_PAUSE = 1.0  # seconds between two looks
_BY_NAME = ("ca_file", "client_cert_file", "client_key_file", "policy")  # what the library opens

_Stamp = tuple[int, ...] | None


class Watch:
    """The files that were opened by the last reading, as they were just before.

    Args:
        now: a clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._next = 0.0
        self._read: dict[str, _Stamp] = {}
        self._last: dict[str, _Stamp] = {}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Notes what is opened by the with statement, also what is not there.

        If it fails, the files of the reading before are still watched: a change of one may
        be the remedy.
        """
        before = _looked(self._read)
        self._read = {}
        try:
            with _files.noted_by(self.note):
                yield
        except BaseException:
            self._read = {**before, **self._read}
            raise

    def note(self, path: str) -> None:
        """Notes a file that is about to be opened."""
        self._read.setdefault(path, _stamp(path))

    def changed(self) -> str | None:
        """A file that is not what was read, unless it is just being changed; or None."""
        if self._now() < self._next:
            return None
        self._next = self._now() + _PAUSE
        before, self._last = self._last, _looked(self._read)
        if self._last != before:
            return None
        return next((path for path in self._read if self._last[path] != self._read[path]), None)


def named_in(values: Mapping[str, Any]) -> Iterator[str]:
    """The files that entries, issuers and roles name, and those of the policies for all entries."""
    yield from (values[n] for n in ("policy", "shadow_policy") if isinstance(values.get(n), str))
    for name in ("cos_map", "issuers", "roles"):
        named = values.get(name)
        for item in named.values() if isinstance(named, Mapping) else ():
            for key in _BY_NAME if isinstance(item, Mapping) else ():
                if isinstance(item.get(key), str):
                    yield item[key]


def _looked(files: Mapping[str, _Stamp]) -> dict[str, _Stamp]:
    return {path: _stamp(path) for path in files}


def _stamp(path: str) -> _Stamp:
    """What is another one for another file, and after each change; None: it is not there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a zero byte
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
