"""A request as a case of the grid, before it is filled in and signed."""

from __future__ import annotations

from dataclasses import dataclass

from oracle import documents
from oracle.wire import Headers

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
WRITTEN = b"written by a request\n"


@dataclass(frozen=True)
class Case:
    """One request, to be filled in and signed."""

    family: str
    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    form: tuple[tuple[str, str], ...] = ()  # a form's fields; then body is its file
    client: str = "trusted"  # which of the rules of `judge` applies

    def __str__(self) -> str:
        more = [f"{name}: {value}" for name, value in (*self.headers, *self.form)]
        body = [f"{len(self.body)} bytes {self.body[:60]!r}"] if self.body else []
        return "  ".join([self.client, f"{self.method} {self.target}", *more, *body])


def is_object(target: str) -> bool:
    return target.count("/") > 1


def fitting(method: str, target: str, name: str) -> bytes:
    """The body that a subresource wants."""
    if method not in ("PUT", "POST"):
        return b""
    known = documents.OF_OBJECTS if is_object(target) else documents.OF_BUCKETS
    if name == "uploadId" and method == "PUT":
        return WRITTEN
    return known.get(name, documents.OTHER)
