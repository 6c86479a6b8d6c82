"""Requests below the level of an SDK: signed by botocore, sent as they are."""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from helpers.clients import Keys

REGION = "us-east-1"


@dataclass
class Answer:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes = b""

    @property
    def code(self) -> str:
        """The Code of an S3 error document; empty when there is none."""
        if not self.body:
            return ""
        return ET.fromstring(self.body).findtext("Code") or ""


class _At(S3SigV4Auth):
    """Signs as of a given moment, with headers of the caller's choice."""

    def __init__(self, keys: Keys, when: datetime.datetime) -> None:
        super().__init__(Credentials(keys.access, keys.secret), "s3", REGION)
        self.when = when

    def sign(self, request: AWSRequest) -> dict[str, str]:
        request.context["timestamp"] = self.when.strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        signature = self.signature(
            self.string_to_sign(request, self.canonical_request(request)), request
        )
        names = self.signed_headers(self.headers_to_sign(request))
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.scope(request)}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return dict(request.headers.items())


def sign(
    method: str,
    url: str,
    keys: Keys,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    when: datetime.datetime | None = None,
) -> dict[str, str]:
    """Returns the headers of a signed request, X-Amz-Content-SHA256 included.

    The path of url is signed as it stands; Host is part of what is returned.
    """
    parts = urlsplit(url)
    digest = (headers or {}).get("X-Amz-Content-SHA256") or hashlib.sha256(body).hexdigest()
    request = AWSRequest(
        method=method,
        url=url,
        headers={**(headers or {}), "X-Amz-Content-SHA256": digest},
    )
    signed = _At(keys, when or datetime.datetime.now(datetime.timezone.utc)).sign(request)
    return {"Host": parts.netloc, **signed}


def head_bytes(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The request line and headers as they go over the wire."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def connect(url: str, seconds: float = 20, context: ssl.SSLContext | None = None) -> socket.socket:
    """A connection to the host and port of a URL; with TLS for those that have a context."""
    parts = urlsplit(url)
    link = socket.create_connection((parts.hostname, parts.port), timeout=seconds)
    return context.wrap_socket(link, server_hostname=parts.hostname) if context else link


class TruncatedError(ConnectionError):
    """The connection ended in the middle of an answer."""


def read_answer(stream: BinaryIO, method: str = "GET") -> Answer:
    """Reads one response, interim ones (100 Continue) included.

    Raises ConnectionError when there is none, TruncatedError when it breaks off.
    """
    status_line = stream.readline()
    if not status_line:
        raise ConnectionError("the connection ended before an answer")
    status = int(status_line.split()[1])
    headers = {}
    while line := _line(stream):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = b""
    if status >= 200 and status not in (204, 304) and method != "HEAD":
        if headers.get("transfer-encoding") == "chunked":
            while size := int(_line(stream), 16):
                body += _exactly(stream, size)
                _line(stream)
            _line(stream)
        elif "content-length" in headers:
            body = _exactly(stream, int(headers["content-length"]))
        else:  # RFC 9112, section 6.3: the end of the connection is that of the body
            body = stream.read()
    return Answer(status, headers, body)


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise TruncatedError(f"the answer breaks off in the line {line!r}")
    return line.strip()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise TruncatedError(f"the answer breaks off after {len(data)} of {size} bytes")
    return data


def send(
    url: str,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    context: ssl.SSLContext | None = None,
    seconds: float = 20,
) -> Answer:
    """One request over a connection of its own; the target goes out as given."""
    if body and not any(
        name.lower() in ("content-length", "transfer-encoding") for name in headers
    ):
        headers = {**headers, "Content-Length": str(len(body))}
    with connect(url, seconds, context) as link, link.makefile("rb") as stream:
        with suppress(ConnectionError):  # it may be refused before its end
            link.sendall(head_bytes(method, target, headers) + body)
        return read_answer(stream, method)
