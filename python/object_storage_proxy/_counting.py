"""The count of requests of all proxies in this process."""

from __future__ import annotations

from . import _lib

__all__ = ["disable_request_counting", "enable_request_counting", "get_request_count"]


def enable_request_counting() -> None:
    """Starts counting the requests of all proxies in this process together."""
    _lib.count_requests(True)


def disable_request_counting() -> None:
    """Stops counting requests; the count is kept."""
    _lib.count_requests(False)


def get_request_count() -> int:
    """The number of requests that arrived while counting was on."""
    lib = _lib.loaded()
    return lib.counted() if lib else 0
