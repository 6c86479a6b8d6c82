"""An OpenTelemetry collector's double, which reads what it gets.

It understands as much of Protocol Buffers' wire format as OTLP needs
(https://protobuf.dev/programming-guides/encoding/), with the field numbers of
opentelemetry/proto/trace/v1/trace.proto.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from helpers.service import Quiet, Service


@dataclass
class Span:
    """One span, as far as the tests look."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int  # 2 server, 3 client
    start: int  # nanoseconds
    end: int
    attributes: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    """The running double; a context manager."""

    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __enter__(self) -> Collector:
        self._service = Service(type("Handler", (_Handler,), {"double": self}))
        self._service.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._service.port}"

    def take(self, body: bytes) -> None:
        for resource_spans in _all(body, 1):
            for resource in _all(resource_spans, 1):
                self.resource |= _attributes(resource, 1)
            for scope_spans in _all(resource_spans, 2):
                self.spans += [_span(raw) for raw in _all(scope_spans, 2)]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(message, at)
            yield number, message[at : at + length]
            at += length
        else:
            size = {1: 8, 5: 4}[kind]
            yield number, int.from_bytes(message[at : at + size], "little")
            at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _all(message: bytes, number: int) -> list[Any]:
    return [value for n, value in _fields(message) if n == number]


def _attributes(message: bytes, number: int) -> dict[str, Any]:
    out = {}
    for pair in _all(message, number):
        parts = dict(_fields(pair))
        ((kind, value),) = _fields(parts[2])
        out[parts[1].decode()] = value.decode() if kind == 1 else value
    return out


def _span(raw: bytes) -> Span:
    parts = dict(_fields(raw))
    return Span(
        trace=parts[1].hex(),
        id=parts[2].hex(),
        parent=parts.get(4, b"").hex(),
        name=parts[5].decode(),
        kind=parts.get(6, 0),
        start=parts[7],
        end=parts[8],
        attributes=_attributes(raw, 9),
        failed=dict(_fields(parts.get(15, b""))).get(3) == 2,
    )


class _Handler(Quiet):
    double: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        what = (self.path, self.headers["Content-Type"])
        if what != ("/v1/traces", "application/x-protobuf"):
            self.double.problems.append(f"got {what}")
        self.double.headers = {name.lower(): value for name, value in self.headers.items()}
        self.double.take(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
