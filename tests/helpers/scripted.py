"""A store on a bare socket, of which a test says what every connection does."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from helpers.certificates import Certificates
from helpers.relay import Wire, parse

OK = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'


class Link:
    """One connection, as the store sees it."""

    def __init__(self, connection: socket.socket, received: list[Wire]) -> None:
        self._connection, self._received = connection, received
        self._stream = connection.makefile("rb")

    def request(self) -> Wire:
        """Reads the next request to its end; ConnectionError: there is none."""
        head = self.head()
        wire = parse(head + self._stream.read(int(parse(head)[0].header("content-length") or 0)))[0]
        self._received.append(wire)
        return wire

    def head(self) -> bytes:
        """Reads the head of the next request and leaves its body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._stream.readline()
            if not line:
                raise ConnectionError("the connection ended before a request")
            head += line
        return head

    def body(self, size: int) -> bytes:
        """Reads that much of what follows a head; fewer bytes: the connection ended."""
        return self._stream.read(size)

    def some(self, most: int) -> bytes:
        """Reads what there is, but no more than that."""
        return self._stream.read1(most)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def left(self) -> None:
        """Waits until the other side has ended the connection."""
        with suppress(ConnectionError):
            while self._stream.read1(1 << 16):
                pass

    def reset(self) -> None:
        """Ends the connection with a reset instead of an orderly end."""
        self._stream.close()
        reset(self._connection)

    def end(self) -> None:
        """Ends the connection, also for a thread that is reading from it."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.end()
        self._stream.close()
        self._connection.close()

    def serve(self) -> None:
        """Answers everything with success, until one side leaves."""
        with suppress(OSError):
            while True:
                self.request()
                self.send(OK)


def reset(connection: socket.socket) -> None:
    """Ends a connection with a reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


Script = Callable[[Link], None]


class ScriptedStore:
    """Runs one script for each connection in turn, and closes it after that.

    A context manager, which raises at its end what went wrong in a script. More
    connections than scripts are a mistake, too, unless `then` is for all of them.
    """

    def __init__(
        self,
        *scripts: Script,
        then: Script | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self.received: list[Wire] = []
        self._scripts, self._problems = list(scripts), list[BaseException]()
        self._then = then or _nothing
        self._certificates = certificates
        self._threads: set[threading.Thread] = set()
        self._links: set[Link] = set()

    def __enter__(self) -> ScriptedStore:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(20)
        self.hang_up()
        for thread in list(self._threads):
            thread.join(20)
        if self._problems and not exc[0]:
            raise self._problems[0]

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def hang_up(self) -> None:
        """Ends the connections that are open."""
        for link in list(self._links):
            link.end()

    def entry(self, **changes: Any) -> dict[str, Any]:
        """The cos_map entry for a bucket of this store."""
        tls = (
            {"is_tls_enabled": True, "ca_file": self._certificates.ca} if self._certificates else {}
        )
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "access_key": "store-owner",
            "secret_key": "store-owner-secret",
            "addressing_style": "path",
            **tls,
            **changes,
        }

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts.pop(0) if self._scripts else self._then
            thread = threading.Thread(target=self._run, args=(script, connection))
            self._threads.add(thread)
            thread.start()

    def _run(self, script: Script, connection: socket.socket) -> None:
        try:
            connection.settimeout(20)
            if self._certificates:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(self._certificates.cert, self._certificates.key)
                connection = context.wrap_socket(connection, server_side=True)
            link = Link(connection, self.received)
            self._links.add(link)
            try:
                script(link)
            finally:
                link.close()
                self._links.discard(link)
        except BaseException as problem:  # told where the test can see it
            self._problems.append(problem)
        finally:
            self._threads.discard(threading.current_thread())


def _nothing(link: Link) -> None:
    raise AssertionError("one connection more than expected")
