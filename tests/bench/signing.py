"""Requests signed in advance, so that load generators needn't sign.

The rules are those of AWS Signature Version 4 for S3 (header form) and of its
chunked uploads: AWS's documents sig-v4-header-based-auth, sigv4-streaming and
sigv4-streaming-trailers.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TextIO

REGION = "us-east-1"
UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNK = 64 << 10  # bytes of data in a chunk, as the SDKs send them
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Keys:
    """An access key and its secret; of temporary ones the session token."""

    access: str
    secret: str
    token: str = ""


@dataclass(frozen=True)
class Request:
    """What a load generator sends, again and again."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


class _Scope:
    """The time, the scope and the signing key that goes with them."""

    def __init__(self, secret: str, now: datetime.datetime | None = None) -> None:
        now = now or datetime.datetime.now(datetime.timezone.utc)
        self.time = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{REGION}/s3/aws4_request"
        self.key = f"AWS4{secret}".encode()
        for part in self.scope.split("/"):
            self.key = _hmac(self.key, part)

    def sign(self, kind: str, *lines: str) -> str:
        return _hmac(self.key, "\n".join([kind, self.time, self.scope, *lines])).hex()


def sign(
    method: str,
    host: str,
    path: str,
    keys: Keys,
    body: bytes = b"",
    payload: str = UNSIGNED,
    now: datetime.datetime | None = None,
) -> Request:
    """Signs a request whose path needs no escaping and that has no query.

    payload is UNSIGNED, CHUNKS, TRAILER, or "hash" for the SHA-256 of the body.
    A request without a body has the hash of nothing, as the SDKs send it.
    """
    scope = _Scope(keys.secret, now)
    digest = hashlib.sha256(body).hexdigest() if payload == "hash" or not body else payload
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": scope.time}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    if body and payload in (CHUNKS, TRAILER):
        headers["content-encoding"] = "aws-chunked"
        headers["x-amz-decoded-content-length"] = str(len(body))
    if body and payload == TRAILER:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    signature = _signature(scope, method, path, headers)
    headers["authorization"] = _authorization(scope, keys, headers, signature)
    if body and payload == CHUNKS:
        body = _signed_chunks(scope, signature, body)
    elif body and payload == TRAILER:
        body = _chunks_and_trailer(body)
    return Request(method, path, headers, body)


def many(host: str, folder: str, secret: str, names: Iterable[str], file: TextIO) -> Request:
    """Signs a GET of each name in the folder, and writes names and signatures to the file.

    Returns the request with @KEY@, @NAME@ and @SIGNATURE@ where wrk.lua fills them in.
    """
    scope = _Scope(secret)
    file.write("NAME SIGNATURE\n")
    headers = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": scope.time}
    for name in names:
        file.write(f"{name} {_signature(scope, 'GET', folder + name, headers)}\n")
    keys = Keys("@KEY@", secret)
    headers["authorization"] = _authorization(scope, keys, headers, "@SIGNATURE@")
    return Request("GET", f"{folder}@NAME@", headers)


def by_each(host: str, path: str, keys: Iterable[Keys], file: TextIO) -> Request:
    """Signs the same GET with each of these temporary keys, as `many` does for many names."""
    now = datetime.datetime.now(datetime.timezone.utc)
    file.write("KEY TOKEN SIGNATURE\n")
    for each in keys:
        request = sign("GET", host, path, each, now=now)
        signature = request.headers["authorization"].rpartition("=")[2]
        file.write(f"{each.access} {each.token} {signature}\n")
    blank = sign("GET", host, path, Keys("@KEY@", "", "@TOKEN@"), now=now)
    unsigned = blank.headers["authorization"].rpartition("=")[0]
    headers = {**blank.headers, "authorization": f"{unsigned}=@SIGNATURE@"}
    return Request("GET", path, headers)


def _signature(scope: _Scope, method: str, path: str, headers: Mapping[str, str]) -> str:
    names = sorted(headers)
    lines = [method, path, "", *(f"{n}:{headers[n]}" for n in names), "", ";".join(names)]
    canonical = "\n".join([*lines, headers["x-amz-content-sha256"]])
    return scope.sign("AWS4-HMAC-SHA256", hashlib.sha256(canonical.encode()).hexdigest())


def _authorization(scope: _Scope, keys: Keys, headers: Mapping[str, str], signature: str) -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope.scope},"
        f"SignedHeaders={';'.join(sorted(headers))},Signature={signature}"
    )


def _pieces(body: bytes) -> list[bytes]:
    return [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]


def _signed_chunks(scope: _Scope, previous: str, body: bytes) -> bytes:
    framed = []
    for piece in [*_pieces(body), b""]:
        digest = hashlib.sha256(piece).hexdigest()
        previous = scope.sign("AWS4-HMAC-SHA256-PAYLOAD", previous, _EMPTY, digest)
        framed.append(b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), previous.encode(), piece))
    return b"".join(framed)


def _chunks_and_trailer(body: bytes) -> bytes:
    framed = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in _pieces(body)]
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
    return b"".join([*framed, b"0\r\nx-amz-checksum-crc32:", checksum, b"\r\n\r\n"])
