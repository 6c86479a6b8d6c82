"""Notifies systemd, for a service with ``Type=notify``: sd_notify(3) without its library.

Outside such a service nothing happens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(state: str) -> None:
    """Sends a state to NOTIFY_SOCKET. Never waits and never fails, even if nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    import socket  # which only a service needs

    if address.startswith("@"):  # the abstract namespace, unix(7)
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)
            link.sendto(state.encode(), address)
    except OSError:
        pass


@contextmanager
def reloading() -> Iterator[None]:
    """Says that the configuration is being reloaded, and at the end that it has been."""
    # Type=notify-reload matches it to a SIGHUP by the time.
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        yield
    finally:
        notify(READY)
