"""The same requests to the store itself and through the proxy: the same answers.

Each difference that is allowed has its reason here; there are no others.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from conftest import CLIENT
from helpers.clients import Keys
from helpers.raw import Answer, send, sign
from helpers.stores import STORES

# What may differ, and why. Ids of uploads and versions are replaced by names.
DIFFERENCES: dict[str, list[str]] = {
    "the time of the answer or of the request, which the two runs don't share": [
        "date",
        "last-modified",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    ],
    "each request has its own id": [
        "x-amz-request-id",
        "x-amz-id-2",
        "x-amzn-requestid",
        "<(RequestId|HostId)>[^<]*",
    ],
    "the proxy's own, as server_name says": ["server"],
    "how busy MinIO is at that moment": ["x-ratelimit-limit", "x-ratelimit-remaining"],
    "hop by hop: RFC 9110, section 7.6.1": ["connection", "keep-alive", "transfer-encoding"],
}
# What may differ at one store alone.
ODDITIES: dict[str, dict[str, list[str]]] = {
    "garage": {
        "each write has its own id, although no versions are kept": [
            "x-amz-version-id",
            "x-amz-copy-source-version-id",
            "<(DeleteMarker)?VersionId>[^<]*",
        ],
        "it does not say by which host it goes; the proxy does": ["<Location>[^<]*"],
    },
    "rclone": {
        "it keeps what a request said and answers with it; the proxy has signed that anew": [
            "x-amz-date",
            "x-amz-copy-source",
        ],
        "the time of the upload": ["mtime", "x-amz-meta-mtime"],
    },
    "s3proxy": {
        "it calls itself by a host of Amazon's; the proxy by its own": ["<Location>[^<]*"],
    },
    "s3s-fs": {"it lists parts as they come out of a folder": ["<Part>.*</Part>"]},
}
# RFC 9110, section 15.4.5: a 304 describes no content; net/http sends no such fields.
NOT_WITH_304 = ("content-type", "content-length")


# The statuses that show that the list reaches most of what these stores can do.
MORE_SEEN = {name: {206, 304, 400, 409, 412, 416, 501} for name in STORES}

# Status, headers and body, made neutral.
Told = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Request:
    method: str
    target: str  # after the bucket; {name} is what an earlier answer gave
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    keep: str = ""  # a pattern of the answer, whose group is kept as `name=`
    name: str = ""


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def deletion(*keys: str, quiet: bool = False) -> Request:
    objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    body = f"<Delete>{objects}<Quiet>{str(quiet).lower()}</Quiet></Delete>".encode()
    return Request("POST", "?delete", body, {"Content-MD5": md5(body)})


BODY = b"0123456789" * 100
KEYS = [
    "plain", "with space", "plus+sign", "per%cent", "ü/é/日本", "a//b", "trailing/", "~!*'()",
    "&<>\"", "=;:@,$", "long/" + "k" * 200, "\\back", "{brace}|^`", "#hash?query",
]  # fmt: skip
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
CONDITIONS: list[dict[str, str]] = [
    {"If-Match": '"' + hashlib.md5(BODY).hexdigest() + '"'},
    {"If-Match": '"0"'},
    {"If-None-Match": '"' + hashlib.md5(BODY).hexdigest() + '"'},
    {"If-None-Match": '"0"'},
    {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
    {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
    {"If-Unmodified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
]
RANGES = ["0-0", "0-9", "990-", "-10", "999-2000", "1000-", "5-2", "0-4,8-9", "x"]
METADATA = {
    "Content-Type": "text/x-test; charset=utf-8",
    "Cache-Control": "max-age=3",
    "Content-Disposition": 'attachment; filename="a b.txt"',
    "Content-Encoding": "identity",
    "Content-Language": "de",
    "Expires": "Fri, 01 Jan 2100 00:00:00 GMT",
    "x-amz-meta-one": "1",
    "x-amz-meta-two-words": "a, b",
}
TAGS = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v &amp; w</Value></Tag></TagSet></Tagging>"
VERSIONING = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
ATTRIBUTES = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"
CORS = (
    b"<CORSConfiguration><CORSRule><AllowedMethod>PUT</AllowedMethod>"
    b"<AllowedOrigin>https://app.example</AllowedOrigin></CORSRule></CORSConfiguration>"
)
LIFECYCLE = (
    b"<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status>"
    b"<Filter><Prefix>tmp/</Prefix></Filter><Expiration><Days>3</Days></Expiration>"
    b"</Rule></LifecycleConfiguration>"
)
OWNERSHIP = (
    b"<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership>"
    b"</Rule></OwnershipControls>"
)
POLICY = b'{"Version":"2012-10-17","Statement":[]}'


def writes() -> Iterator[Request]:
    for key in KEYS:
        yield Request("PUT", "/" + quote(key), BODY)
    yield Request("PUT", "/empty")
    yield Request("PUT", "/meta", BODY, METADATA)
    yield Request("PUT", "/md5", BODY, {"Content-MD5": md5(BODY)})
    yield Request("PUT", "/crc", BODY, {"x-amz-checksum-crc32": crc32(BODY)})
    yield Request("PUT", "/tagged", BODY, {"x-amz-tagging": "a=b"})
    yield Request("PUT", "/class", BODY, {"x-amz-storage-class": "STANDARD"})
    yield Request("PUT", "/plain", BODY, {"If-None-Match": "*"})
    yield Request("PUT", "/fresh", BODY, {"If-None-Match": "*"})
    yield Request("PUT", "/class", BODY, {"x-amz-storage-class": "NONSENSE"})
    yield Request("PUT", "/once", BODY, {"If-Match": '"0"'})
    yield Request("PUT", "/once", BODY, {"If-None-Match": "*"})
    yield Request("PUT", "/once", BODY, {"If-Match": '"0"'})
    yield Request("PUT", "/once", BODY, {"If-Match": '"' + hashlib.md5(BODY).hexdigest() + '"'})
    yield Request("PUT", "/acl", BODY, {"x-amz-acl": "private"})


def reads() -> Iterator[Request]:
    for key in [*KEYS, "empty", "meta", "md5", "crc", "tagged", "class", "fresh", "missing"]:
        for method in ("GET", "HEAD"):
            yield Request(method, "/" + quote(key))
    for condition in CONDITIONS:
        for method in ("GET", "HEAD"):
            yield Request(method, "/plain", headers=condition)
    for value in RANGES:
        yield Request("GET", "/plain", headers={"Range": f"bytes={value}"})
    yield Request("HEAD", "/plain", headers={"Range": "bytes=0-9"})
    yield Request("GET", "/empty", headers={"Range": "bytes=0-9"})
    for overrides in ("response-content-type=a%2Fb", "response-cache-control=no-store"):
        yield Request("GET", f"/plain?{overrides}")
    yield Request("GET", "/crc", headers={"x-amz-checksum-mode": "ENABLED"})
    yield Request("HEAD", "/crc", headers={"x-amz-checksum-mode": "ENABLED"})
    yield Request(
        "GET", "/crc?attributes", headers={"x-amz-object-attributes": "ETag,Checksum,ObjectSize"}
    )
    for key in ("plain", "missing"):
        yield Request("GET", f"/{key}?attributes", headers={"x-amz-object-attributes": ATTRIBUTES})
    yield Request("GET", "/plain?attributes")
    yield Request("GET", "/plain?tagging")
    yield Request("PUT", "/plain?tagging", TAGS)
    yield Request("GET", "/plain?tagging")
    yield Request("HEAD", "/plain")
    yield Request("DELETE", "/plain?tagging")
    yield Request("PUT", "/plain?tagging", b"<Tagging>")
    yield Request("GET", "/tagged?tagging")
    yield Request("PUT", "/plain?acl", headers={"x-amz-acl": "private"})
    yield Request("PUT", "/plain?retention", b"<Retention/>")
    yield Request("POST", "/plain?restore", b"<RestoreRequest><Days>1</Days></RestoreRequest>")
    for subresource in ("acl", "retention", "legal-hold", "torrent", "partNumber=1"):
        yield Request("GET", f"/plain?{subresource}")


def lists() -> Iterator[Request]:
    for query in (
        "", "prefix=a", "prefix=missing%2F", "delimiter=%2F", "prefix=long%2F&delimiter=%2F",
        "max-keys=3", "max-keys=0", "max-keys=x", "marker=md5", "encoding-type=url",
        "encoding-type=url&delimiter=%20", "list-type=2", "list-type=2&max-keys=2",
        "list-type=2&start-after=md5", "list-type=2&fetch-owner=true", "list-type=2&delimiter=%2F",
        "list-type=2&encoding-type=url&prefix=with%20", "list-type=2&continuation-token=nonsense",
        "versions", "versions&prefix=plain", "versions&max-keys=2", "uploads", "location",
        "versioning", "acl", "policy", "policyStatus", "cors", "lifecycle", "notification",
        "encryption", "tagging", "object-lock", "replication", "website", "logging",
        "accelerate", "requestPayment", "ownershipControls", "publicAccessBlock",
    ):  # fmt: skip
        yield Request("GET", f"?{query}" if query else "")
    yield Request("HEAD", "")
    yield Request("PUT", "?tagging", TAGS)
    yield Request("GET", "?tagging")
    yield Request("DELETE", "?tagging")
    for subresource, document in (
        ("cors", CORS),
        ("lifecycle", LIFECYCLE),
        ("notification", b"<NotificationConfiguration/>"),
        ("ownershipControls", OWNERSHIP),
    ):
        yield Request("PUT", f"?{subresource}", document, {"Content-MD5": md5(document)})
        yield Request("PUT", f"?{subresource}", b"<", {"Content-MD5": md5(b"<")})
        yield Request("GET", f"?{subresource}")
        if subresource != "notification":
            yield Request("DELETE", f"?{subresource}")
    yield Request("PUT", "?acl", headers={"x-amz-acl": "private"})
    yield Request("PUT", "?encryption", b"<ServerSideEncryptionConfiguration/>")
    yield Request("DELETE", "?encryption")
    yield Request("DELETE", "")
    yield Request("PUT", "?policy", POLICY)
    yield Request("PUT", "?policy", b"no json")
    yield Request("PUT", "", b"")


def uploads() -> Iterator[Request]:
    upload = r"<UploadId>([^<]*)"
    part, last = b"p" * (5 << 20), b"last"
    yield Request("POST", "/big?uploads", headers=METADATA, keep=upload, name="u1")
    yield Request("PUT", "/big?partNumber=1&uploadId={u1}", part)
    yield Request("PUT", "/big?partNumber=2&uploadId={u1}", last, {"Content-MD5": md5(last)})
    yield Request("PUT", "/big?partNumber=0&uploadId={u1}", last)
    yield Request("PUT", "/big?partNumber=10001&uploadId={u1}", last)
    yield Request("PUT", "/big?partNumber=1&uploadId=missing", last)
    yield Request("GET", "/big?uploadId={u1}")
    yield Request("GET", "/big?uploadId={u1}&max-parts=1")
    yield Request("GET", "?uploads&prefix=big")
    etags = [hashlib.md5(piece).hexdigest() for piece in (part, last)]
    done = "".join(
        f"<Part><PartNumber>{n + 1}</PartNumber><ETag>{etag}</ETag></Part>"
        for n, etag in enumerate(etags)
    )
    complete = f"<CompleteMultipartUpload>{done}</CompleteMultipartUpload>".encode()
    wrong = complete.replace(etags[1].encode(), EMPTY_MD5.encode())
    yield Request("POST", "/big?uploadId={u1}", wrong)
    yield Request("POST", "/big?uploadId={u1}", b"<CompleteMultipartUpload>")
    yield Request("POST", "/big?uploadId={u1}", complete, {"If-Match": '"0"'})
    yield Request("POST", "/big?uploadId={u1}", complete, {"If-None-Match": "*"})
    yield Request("POST", "/big?uploadId={u1}", complete)
    yield Request("GET", "/big?attributes", headers={"x-amz-object-attributes": ATTRIBUTES})
    yield Request("HEAD", "/big")
    yield Request("HEAD", "/big?partNumber=2")
    yield Request("GET", "/big?partNumber=2")
    yield Request("GET", "/big", headers={"Range": "bytes=5242870-5242885"})
    yield Request("POST", "/dropped?uploads", keep=upload, name="u2")
    yield Request(
        "PUT",
        "/dropped?partNumber=1&uploadId={u2}",
        headers={"x-amz-copy-source": "/{bucket}/big", "x-amz-copy-source-range": "bytes=0-9"},
    )
    yield Request("DELETE", "/dropped?uploadId={u2}")
    yield Request("DELETE", "/dropped?uploadId={u2}")


def copies() -> Iterator[Request]:
    source = {"x-amz-copy-source": "/{bucket}/meta"}
    yield Request("PUT", "/copy", headers=source)
    yield Request("HEAD", "/copy")
    replaced = {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-new": "n"}
    yield Request("PUT", "/copy", headers={**source, **replaced})
    yield Request("HEAD", "/copy")
    yield Request("PUT", "/meta", headers=source)  # onto itself
    yield Request("PUT", "/copy", headers={"x-amz-copy-source": "{bucket}/with%20space"})
    yield Request("PUT", "/copy", headers={"x-amz-copy-source": "/{bucket}/missing"})
    yield Request("PUT", "/copy", headers={**source, "x-amz-copy-source-if-match": '"0"'})
    yield Request("PUT", "/copy", headers={**source, "x-amz-copy-source-if-none-match": '"0"'})


def versions() -> Iterator[Request]:
    yield Request("PUT", "?versioning", VERSIONING)
    yield Request("GET", "?versioning")
    version = r"x-amz-version-id: (\S+)"
    for n in (1, 2):
        yield Request("PUT", "/v", b"version %d" % n, keep=version, name=f"v{n}")
    yield Request("GET", "/v")
    yield Request("GET", "/v?versionId={v1}")
    yield Request("HEAD", "/v?versionId={v1}")
    yield Request("GET", "/v?versionId=00000000-0000-0000-0000-000000000000")
    yield Request("DELETE", "/v", keep=version, name="v3")
    yield Request("GET", "/v")
    yield Request("GET", "/v?versionId={v2}")
    yield Request("GET", "?versions&prefix=v")
    for n in (3, 2, 1):
        yield Request("DELETE", f"/v?versionId={{v{n}}}")


def deletions() -> Iterator[Request]:
    yield Request("DELETE", "/missing")
    yield Request("DELETE", "/copy")
    yield Request("DELETE", "/" + quote("with space"))
    yield deletion("md5", "missing", "ü/é/日本")
    yield deletion("crc", quiet=True)
    yield Request("DELETE", "/plain", headers={"If-Match": '"0"'})
    yield Request("DELETE", "?policy")


REQUESTS = [*writes(), *reads(), *lists(), *uploads(), *copies(), *deletions(), *versions()]


class Run:
    """The requests, one after the other, at one endpoint."""

    def __init__(self, url: str, keys: Keys, bucket: str, store: str) -> None:
        self.url, self.keys, self.known = url, keys, {"bucket": bucket}
        reasons = [*DIFFERENCES.values(), *ODDITIES.get(store, {}).values()]
        self.allowed = [what for some in reasons for what in some]

    def fill(self, text: str) -> str:
        for name, value in self.known.items():
            text = text.replace("{" + name + "}", value)
        return text

    def __call__(self, request: Request) -> Told:
        target = f"/{self.known['bucket']}" + self.fill(request.target)
        fields = {name: self.fill(value) for name, value in request.headers.items()}
        signed = sign(request.method, self.url + target, self.keys, request.body, fields)
        if request.method in ("PUT", "POST"):
            signed["Content-Length"] = str(len(request.body))
        answer = send(self.url, request.method, target, signed, request.body)
        if request.keep:
            self.known[request.name] = self.find(request.keep, answer)
        return answer.status, self.headers(answer), self.body(answer)

    @staticmethod
    def find(pattern: str, answer: Answer) -> str:
        text = "\n".join(f"{n}: {v}" for n, v in answer.headers.items()) + answer.body.decode()
        found = re.search(pattern, text)
        return found[1] if found else "none"  # not every store has versions

    def neutral(self, text: str) -> str:
        """Random ids, which each run has of its own, under their names."""
        for name, value in self.known.items():
            text = text.replace(value, "{" + name + "}")
        return text.replace(self.url.split("//")[1], "{endpoint}")

    def headers(self, answer: Answer) -> dict[str, str]:
        told = {
            n: self.neutral(v)
            for n, v in answer.headers.items()
            if n not in self.allowed and not (answer.status == 304 and n in NOT_WITH_304)
        }
        if answer.body and "content-length" in told:
            told["content-length"] = "that of the body"  # which read_answer has seen to
        return told

    def body(self, answer: Answer) -> bytes:
        text = self.neutral(answer.body.decode("utf-8", "surrogateescape"))
        if text.startswith("<?xml"):  # Garage does not say so in a header
            for pattern in (what for what in self.allowed if what.startswith((r"\d", "<"))):
                text = re.sub(pattern, "*", text)
        return text.encode("utf-8", "surrogateescape")


def comparable(direct: Told, proxied: Told) -> Told:
    """The proxy's answer, without a length where the store sends chunks: some are read whole."""
    status, headers, body = proxied
    if "content-length" not in direct[1]:
        headers = {name: value for name, value in headers.items() if name != "content-length"}
    return status, headers, body


def test_the_list_is_long_and_the_differences_are_few() -> None:
    assert len(REQUESTS) >= 150
    assert len(DIFFERENCES) + 1 < 10


@pytest.mark.slow
def test_the_proxy_answers_as_the_store(serve: Any, store: Any) -> None:
    direct, behind = store.make_bucket("same"), store.make_bucket("same")
    front = serve({behind: store.entry(keys="opaque")})
    at_store = Run(f"http://127.0.0.1:{store.port}", store.keys, direct, store.name)
    by_proxy = Run(front.url(), CLIENT, behind, store.name)
    told = [(request, at_store(request), by_proxy(request)) for request in REQUESTS]
    seen = {status for _, (status, _, _), _ in told}
    assert seen >= {200, 204, 404} | MORE_SEEN.get(store.name, set())
    differences = [
        f"{request.method} {request.target} {request.headers}\n  store {itself}\n  proxy {proxied}"
        for request, itself, proxied in told
        if itself != comparable(itself, proxied)
    ]
    assert not differences, "\n".join(differences)
