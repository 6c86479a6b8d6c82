"""Networks of their own for threads and programs, and wires between them that can be cut.

Nothing of the machine's own network changes. The kernel removes a network when all who are
in it have ended. Making one needs Linux and CAP_SYS_ADMIN; wires need ip and nft.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_OWN = "/proc/thread-self/ns/net"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)  # os.unshare and os.setns came with Python 3.12

# Of the packets between a hub and those who are joined to it, the ones that are lost.
_LOSSES = """
table inet losses {
  set unheard { type ipv4_addr; }
  set untold { type ipv4_addr; }
  chain input { type filter hook input priority 0; ip saddr @unheard drop; }
  chain output { type filter hook output priority 0; ip daddr @untold drop; }
}
"""


def _call(function: str, *args: int) -> None:
    if getattr(_libc, function)(*args):
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")


class Namespace:
    """A network with nothing in it but 127.0.0.1; a context manager."""

    def __init__(self) -> None:
        before = os.open(_OWN, os.O_RDONLY)
        try:
            _call("unshare", _NEW_NETWORK)
            self._file = os.open(_OWN, os.O_RDONLY)
            _call("setns", before, _NEW_NETWORK)
        finally:
            os.close(before)
        self.run("ip", "link", "set", "lo", "up")

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._file)

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._file}"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Has the calling thread in it, with the sockets, threads and programs that it begins.

        It must not call the proxy: Go would begin threads there that serve others later.
        """
        before = os.open(_OWN, os.O_RDONLY)
        _call("setns", self._file, _NEW_NETWORK)
        try:
            yield
        finally:
            _call("setns", before, _NEW_NETWORK)
            os.close(before)

    def run(self, *command: str, text: str = "") -> None:
        """Runs a program in it, to its end."""
        with self.entered():
            subprocess.run(command, input=text, text=True, check=True, capture_output=True)


class Hub(Namespace):
    """A network to which others are joined, each by a wire of its own."""

    address = "10.0.0.1"

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(2)
        self.run("nft", "--file", "-", text=_LOSSES)
        self.run("ip", "link", "add", "bridge", "type", "bridge")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "bridge")
        self.run("ip", "link", "set", "bridge", "up")

    def join(self, other: Namespace) -> Wire:
        number = next(self._numbers)
        wire = Wire(self, f"wire{number}", f"10.0.0.{number}")
        peer = ("type", "veth", "peer", "name", "eth0", "netns", other.path)
        self.run("ip", "link", "add", wire.name, *peer)
        self.run("ip", "link", "set", wire.name, "master", "bridge", "up")
        other.run("ip", "address", "add", f"{wire.address}/24", "dev", "eth0")
        other.run("ip", "link", "set", "eth0", "up")
        return wire


@dataclass(frozen=True)
class Wire:
    """What joins a network to a hub. Connections do not end when it is cut: nothing comes."""

    hub: Hub
    name: str
    address: str

    def cut(self) -> None:
        self.hub.run("ip", "link", "set", self.name, "down")

    def lose(self, what: str) -> None:
        """Loses what comes from there ("unheard"), or what goes there ("untold")."""
        self.hub.run("nft", "add", "element", "inet", "losses", what, f"{{ {self.address} }}")

    def mend(self) -> None:
        self.hub.run("ip", "link", "set", self.name, "up")
        for what in ("unheard", "untold"):
            self.hub.run("nft", "flush", "set", "inet", "losses", what)


def why_not() -> str:
    """Why networks can't be joined here; empty: they can."""
    try:
        with Hub() as hub, Namespace() as other:
            hub.join(other)
    except (OSError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stderr", "")
        return f"{error}. {output}".strip()
    return ""
