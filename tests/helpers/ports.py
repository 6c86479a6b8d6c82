"""Ports for servers that have to be told theirs before they start."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST, _LAST = 10_000, 32_767  # of the ports that systems give to nobody of their own accord


class _Ports:
    """Hands out each port once, to one process of all that run tests on this machine.

    What the system gives to connections and to servers that ask for any port lies elsewhere, so
    that nobody takes a port between its choice and the start of its server. Byte N of a file stands
    for port N, and whoever has locked it has the port, until the process ends.
    """

    def __init__(self) -> None:
        lowest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else _LAST + 1
        last = min(lowest - 1, _LAST) if lowest > 2 * _FIRST else _LAST
        ports = list(range(_FIRST, last + 1))
        start = random.randrange(len(ports))
        self._left = itertools.chain(ports[start:], ports[:start])
        claims = Path(tempfile.gettempdir()) / f"ports-of-tests-{os.getuid()}"
        self._claims = os.open(claims, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> int:
        return next(port for port in self._left if self._claim(port) and _unused(port))

    def _claim(self, port: int) -> bool:
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        return True


def _unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


_PORTS = _Ports()


def free_port() -> int:
    """A port that nothing listens on, on any address, and that no other test is given.

    Raises StopIteration when a process has used them all up, which are more than ten thousand.
    """
    return _PORTS.take()
