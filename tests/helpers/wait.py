"""Waiting for something that happens elsewhere, always with a deadline."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSES = 0.001, 0.02  # seconds between two looks: the first ones, and at most


def until(look: Callable[[], T], what: str, seconds: float = 20) -> T:
    """Looks again and again until the answer is true, and returns it.

    Raises TimeoutError, naming what was waited for, after that many seconds.
    """
    deadline = time.monotonic() + seconds
    pause, longest = _PAUSES
    while True:
        if answer := look():
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain: {what}")
        time.sleep(pause)
        pause = min(2 * pause, longest)


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens on the port."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
