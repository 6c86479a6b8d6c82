"""Requests as clients send them: recorded on their way, taken apart, sent again."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from helpers import raw


@dataclass(frozen=True)
class Wire:
    """One request, with its body framed as it went over the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((v for k, v in self.headers if k.lower() == name), "")

    def with_header(self, name: str, value: str) -> Wire:
        """A copy in which a header that is there has another value."""
        changed = tuple((k, value if k.lower() == name else v) for k, v in self.headers)
        return replace(self, headers=changed)

    @property
    def signed_headers(self) -> list[str]:
        found = re.search(r"SignedHeaders=([^,&]+)", self.header("authorization"))
        assert found
        return found[1].split(";")

    def send(self, url: str) -> raw.Answer:
        """Sends it to an http endpoint, which need not be the one in Host."""
        headers = {k: v for k, v in self.headers if k.lower() != "expect"}
        with raw.connect(url) as link, link.makefile("rb") as stream:
            with suppress(ConnectionError):  # it may be refused before its end
                link.sendall(raw.head_bytes(self.method, self.target, headers) + self.body)
            return raw.read_answer(stream, self.method)


class Relay:
    """A port in front of another that keeps what clients send; a context manager."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._received: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Relay:
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()

    def requests(self) -> list[Wire]:
        """What came so far, in order."""
        return [wire for received in self._received for wire in parse(bytes(received))]

    def _accept(self) -> None:
        threads = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            received = bytearray()
            self._received.append(received)
            server = socket.create_connection((self._to.hostname, self._to.port))
            threads += [
                threading.Thread(target=_pump, args=(client, server, received)),
                threading.Thread(target=_pump, args=(server, client, None)),
            ]
            for thread in threads[-2:]:
                thread.start()
        for thread in threads:
            thread.join()


def _pump(source: socket.socket, sink: socket.socket, keep: bytearray | None) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if keep is not None:
                keep += data
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()


def parse(data: bytes) -> list[Wire]:
    """Takes the bytes of one connection apart into requests."""
    requests = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = tuple((k, v.strip()) for k, _, v in (line.partition(":") for line in lines))
        names = {k.lower(): v for k, v in headers}
        if names.get("transfer-encoding") == "chunked":
            size = _chunked_length(data)
        else:
            size = int(names.get("content-length", "0"))
        requests.append(Wire(method, target, headers, data[:size]))
        data = data[size:]
    return requests


def _chunked_length(data: bytes) -> int:
    at = 0
    while True:
        line_end = data.index(b"\r\n", at)
        size = int(data[at:line_end].split(b";")[0], 16)
        at = line_end + 2 + size + 2
        if size == 0:
            return at
