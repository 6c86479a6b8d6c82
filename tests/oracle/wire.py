"""Many signed requests in a short time: connections that stay, a signing key for each day.

helpers.raw signs with botocore, which takes longer than the proxy and the store
together. The rules are AWS's:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from helpers import raw
from helpers.clients import Keys
from helpers.stores import REGION

Headers = tuple[tuple[str, str], ...]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@functools.cache
def _signing_key(secret: str, day: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _escaped(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def _canonical_query(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    escaped = sorted((_escaped(name), _escaped(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in escaped)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def escaped_anew(path: str) -> str:
    """A path as SigV4 defines its canonical form for S3, whatever way it was escaped in."""
    return quote(unquote_to_bytes(path), safe="/-_.~")


def signed(
    method: str,
    host: str,
    target: str,
    keys: Keys,
    headers: Headers,
    body: bytes,
    anew: bool = True,
) -> dict[str, str]:
    """All headers of a request; each one that is given is signed.

    Without `anew` the path is signed as it stands, which some clients do.
    """
    path, _, query = target.partition("?")
    path = escaped_anew(path) if anew else path
    digest, now = hashlib.sha256(body).hexdigest(), _now()
    all_of_them = {name.lower(): value for name, value in headers}
    all_of_them |= {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    if body or method in ("PUT", "POST"):
        all_of_them["content-length"] = str(len(body))
    names = sorted(all_of_them)
    lines = [method, path, _canonical_query(query)]
    lines += [f"{name}:{' '.join(all_of_them[name].split())}" for name in names]
    canonical = "\n".join([*lines, "", ";".join(names), digest])
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = _hmac(_signing_key(keys.secret, now[:8]), to_sign).hex()
    all_of_them["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope},"
        f"SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return all_of_them


def form(fields: dict[str, str], keys: Keys, content: bytes) -> tuple[str, bytes]:
    """The content type and the body of a form that its policy allows, field by field.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    """
    now = _now()
    all_of_them = {
        **fields,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{keys.access}/{now[:8]}/{REGION}/s3/aws4_request",
        "x-amz-date": now,
    }
    # Some stores want the bucket to be among the conditions.
    bucket = all_of_them.pop("bucket")
    conditions: list[Any] = [{"bucket": bucket}]
    conditions += [["starts-with", f"${name}", ""] for name in all_of_them]
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    policy = {"expiration": ends.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "conditions": conditions}
    text = base64.b64encode(json.dumps(policy).encode()).decode()
    all_of_them["policy"] = text
    all_of_them["x-amz-signature"] = _hmac(_signing_key(keys.secret, now[:8]), text).hex()
    boundary = "a-boundary-of-the-oracle"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    parts = [f'{head}{name}"\r\n\r\n{value}\r\n'.encode() for name, value in all_of_them.items()]
    parts += [f'{head}file"; filename="f"\r\n\r\n'.encode(), content]
    parts += [f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


_PATIENCE = 10  # seconds; then an answer has no end


class Link:
    """A connection to one server, opened again when the server closes it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.host = urlsplit(url).netloc
        self._open()

    def _open(self) -> None:
        self._socket = raw.connect(self._url, _PATIENCE)
        self._stream = self._socket.makefile("rb")
        self._used = False

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> raw.Answer:
        """The answer; one with the status 0 where there is none, or no end of it."""
        while True:
            reused = self._used
            with suppress(ConnectionError):  # it may be refused before its end
                self._socket.sendall(raw.head_bytes(method, target, headers) + body)
            try:
                answer = raw.read_answer(self._stream, method)
            except TimeoutError:  # MinIO's ?events never ends
                self.close()
                self._open()
                return raw.Answer(0, {})
            except ConnectionError:
                self.close()
                self._open()
                if reused:
                    continue
                return raw.Answer(0, {})
            self._used = True
            if answer.headers.get("connection", "").lower() == "close":
                self.close()
                self._open()
            return answer

    def pipeline(self, requests: list[tuple[str, bytes]]) -> list[raw.Answer]:
        """The answers to reads, given by method and head, that are sent without waiting."""
        answers: list[raw.Answer] = []
        while len(answers) < len(requests):
            left = requests[len(answers) :][:_TOGETHER]
            with suppress(ConnectionError):  # the rest goes over the next one
                self._socket.sendall(b"".join(head for _, head in left))
                for method, _ in left:
                    answer = raw.read_answer(self._stream, method)
                    answers.append(answer)
                    if answer.headers.get("connection", "").lower() == "close":
                        raise ConnectionResetError
                continue
            self.close()
            self._open()
        return answers


_TOGETHER = 32  # requests; few enough for what waits to be read to fit into the buffers
_SIGNED_FOR = 300  # seconds; stores take signatures of the last quarter of an hour


class Direct:
    """The store itself, by its owner's keys."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._link, self._keys = Link(url), keys
        self._heads: dict[tuple[str, str], bytes] = {}
        self._signed_at = 0.0

    def close(self) -> None:
        self._link.close()

    def __call__(
        self, method: str, target: str, body: bytes = b"", headers: Headers = ()
    ) -> raw.Answer:
        if body.startswith((b"<", b"{")):
            headers += (("content-md5", md5(body)),)
        head = signed(method, self._link.host, target, self._keys, headers, body)
        return self._link.send(method, target, head, body)

    def many(self, requests: Iterable[tuple[str, str]]) -> list[raw.Answer]:
        """The answers to reads, which are sent together and signed once for all times."""
        wanted = list(requests)
        if time.monotonic() - self._signed_at > _SIGNED_FOR:
            self._heads.clear()
            self._signed_at = time.monotonic()
        return self._link.pipeline([(method, self._head(method, to)) for method, to in wanted])

    def _head(self, method: str, target: str) -> bytes:
        head = self._heads.get((method, target))
        if head is None:
            fields = signed(method, self._link.host, target, self._keys, (), b"")
            head = self._heads[method, target] = raw.head_bytes(method, target, fields)
        return head


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()
