"""A small S3 store that shows what reached it.

It keeps objects by the exact bytes of their names, checks every signature with
botocore's own SigV4 and notes what is wrong instead of being lenient. It stands
in for the things that real stores on a filesystem can't show: names that they
refuse, the Host that was asked for, the headers that came.
"""

from __future__ import annotations

import hashlib
import io
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from helpers.certificates import Certificates
from helpers.clients import Keys
from helpers.service import Quiet, Service

REGION = "us-east-1"
KEYS = Keys("double-owner", "double-owner-secret")


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str  # path and query, as on the wire
    headers: dict[str, str]  # names in lower case
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


def problem_with_signature(seen: Seen, keys: Keys = KEYS) -> str | None:
    """What is wrong with the header signature of a request; None: nothing."""
    scheme, _, rest = seen.headers.get("authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return f"Authorization is {scheme!r}"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed = parts["SignedHeaders"].split(";")
    access, _, region, service, _ = parts["Credential"].rsplit("/", 4)
    if access != keys.access:
        return f"signed with the key {access!r}"
    loose = [h for h in seen.headers if h.startswith("x-amz-") and h not in signed]
    if "host" not in signed or loose:
        return f"not signed: {loose or 'host'}"
    request = AWSRequest(
        method=seen.method,
        url=f"http://{seen.headers['host']}{seen.target}",
        headers={name: seen.headers[name] for name in signed if name != "host"},
    )
    request.context["timestamp"] = seen.headers["x-amz-date"]
    auth = S3SigV4Auth(Credentials(keys.access, keys.secret), service, region)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    if auth.signature(to_sign, request) != parts["Signature"]:
        return f"the signature of {seen.method} {seen.target} is wrong"
    promised = seen.headers["x-amz-content-sha256"]
    if len(promised) == 64 and hashlib.sha256(seen.body).hexdigest() != promised:
        return "the body is not what was signed"
    return None


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class S3Double:
    """The running double; a context manager."""

    keys: Keys = KEYS
    # Answers instead of the store when it returns something.
    answer: Callable[[Seen], Answer | None] = lambda seen: None
    check: Callable[[Seen], str | None] = problem_with_signature
    address: str = "127.0.0.1"
    certificates: Certificates | None = None  # speaks TLS with these
    # Whoever does not show a certificate of this authority (PEM) is refused.
    client_ca: Path | None = None
    seen: list[Seen] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    objects: dict[bytes, bytes] = field(default_factory=dict)

    def __enter__(self) -> S3Double:
        handler = type("Handler", (_Handler,), {"store": self})
        self._service = Service(handler, self.address, self._tls())
        self._service.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)

    def _tls(self) -> ssl.SSLContext | None:
        if self.certificates is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.client_ca)
        context.load_cert_chain(self.certificates.cert, self.certificates.key)
        if self.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    @property
    def port(self) -> int:
        return self._service.port

    def entry(self, **changes: Any) -> dict[str, Any]:
        """The cos_map entry for a bucket of this store."""
        return {
            "host": self.address,
            "port": self.port,
            "is_tls_enabled": self.certificates is not None,
            "region": REGION,
            "access_key": self.keys.access,
            "secret_key": self.keys.secret,
            "addressing_style": "path",
            **changes,
        }

    def respond(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        if problem := self.check(seen):
            self.problems.append(problem)
            return _error(403, "SignatureDoesNotMatch")
        return self.answer(seen) or self._object(seen)

    def _object(self, seen: Seen) -> Answer:
        name = unquote_to_bytes(seen.path)
        if seen.method == "PUT":
            self.objects[name] = seen.body
            return 200, {"ETag": f'"{hashlib.md5(seen.body).hexdigest()}"'}, b""
        if name not in self.objects:
            return _error(404, "NoSuchKey")
        if seen.method == "DELETE":
            del self.objects[name]
            return 204, {}, b""
        return 200, {"ETag": '"e"'}, self.objects[name]


def _error(status: int, code: str) -> Answer:
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>"
    return status, {"Content-Type": "application/xml"}, text.encode()


class _Handler(Quiet):
    store: S3Double
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        try:
            self._answer()
        except ConnectionError:  # whoever asked has left, in the middle of a body perhaps
            self.close_connection = True

    def _answer(self) -> None:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        seen = Seen(self.command, self.raw_target(), headers)
        seen.body = _plain_body(self.rfile, headers)
        status, answer, body = self.store.respond(seen)
        self.send_response(status)
        for name, value in answer.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def raw_target(self) -> str:
        """The target as it came; self.path has leading slashes merged."""
        return self.requestline.split(" ")[1]


def _plain_body(rfile: Any, headers: dict[str, str]) -> bytes:
    """Reads a body to its end and takes off both kinds of chunking."""
    if headers.get("transfer-encoding") == "chunked":
        body = _dechunk(rfile)
    else:
        size = int(headers.get("content-length", "0"))
        body = rfile.read(size)
        if len(body) < size:
            raise ConnectionError("the body breaks off")
    if "aws-chunked" in headers.get("content-encoding", "") or "x-amz-trailer" in headers:
        return _dechunk(io.BytesIO(body))
    return bytes(body)


def _dechunk(stream: Any) -> bytes:
    body = b""
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass
    return body
