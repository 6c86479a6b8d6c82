"""A proxy between clients and a real store whose connections can be made to fail."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import raw
from helpers.apart import Apart
from helpers.certificates import Certificates
from helpers.clients import CLIENT
from helpers.faulty import FaultyStore
from helpers.stores import Store

SMALL, LARGE = b"0123456789abcdef" * 200, bytes(range(256)) * (16 << 10)
DOCUMENT = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>"  # noqa: E501
DELETION = b"<Delete><Object><Key>small</Key></Object><Object><Key>none</Key></Object></Delete>"
BUCKETS = ("data", "secure", "hasty")
HASTE = 0.3  # seconds; answer_timeout of the entry "hasty"

_numbers = itertools.count()


@dataclass(frozen=True)
class Request:
    """What a client sends; the target is that of an object or, without one, the bucket."""

    method: str
    target: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """The proxy knows the store's buckets "data", "secure" (reached by TLS) and "hasty".

    "direct" is one that it reaches without anybody between.
    """

    store: Store
    plain: FaultyStore  # leads to "data" and "hasty"
    tls: FaultyStore  # leads to "secure"
    proxy: Apart
    ca: Path
    s3: Any  # talks to the store itself

    def faulty(self, bucket: str) -> FaultyStore:
        return self.tls if bucket == "secure" else self.plain

    def context(self, scheme: str) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca) if scheme == "https" else None

    def signed(self, request: Request, bucket: str, scheme: str) -> tuple[str, dict[str, str]]:
        """The target and the headers as they go over the wire."""
        target = f"/{bucket}{request.target}"
        url = self.proxy.url(scheme) + target
        headers = {k: v.format(bucket=bucket) for k, v in request.headers.items()}
        return target, raw.sign(request.method, url, CLIENT, request.body, headers)

    def ask(
        self, request: Request, bucket: str = "data", scheme: str = "http", seconds: float = 20
    ) -> raw.Answer:
        """Sends a request over a connection of its own. ConnectionError: no whole answer."""
        target, headers = self.signed(request, bucket, scheme)
        if request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(request.body))
        url, context = self.proxy.url(scheme), self.context(scheme)
        return raw.send(url, request.method, target, headers, request.body, context, seconds)

    def works(self, bucket: str = "data", scheme: str = "http") -> None:
        """Puts an object, copies it and gets it: each kind of connection to the store is used."""
        body = SMALL + str(next(_numbers)).encode()
        for request in (
            Request("PUT", "/works", body),
            Request("PUT", "/copied", b"", {"X-Amz-Copy-Source": "{bucket}/works"}),
        ):
            answer = self.ask(request, bucket, scheme)
            assert answer.status == 200, answer
        assert self.ask(Request("GET", "/copied"), bucket, scheme).body == body

    def restock(self) -> None:
        """Has exactly the objects "small" and "large" in each bucket."""
        for bucket in BUCKETS:
            there = self.keys(bucket)
            for key in there - {"small", "large"}:
                self.s3.delete_object(Bucket=bucket, Key=key)
            for key, body in {"small": SMALL, "large": LARGE}.items():
                if key not in there:
                    self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def keys(self, bucket: str) -> set[str]:
        """What the store itself says is in the bucket, but for what works() has put there."""
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {item["Key"] for item in listed} - {"works", "copied"}


def complete(scene: Scene, bucket: str) -> Request:
    """Begins an upload at the store itself; what completes it is the request."""
    s3, name = scene.s3, f"completed-{next(_numbers)}"
    upload = s3.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]
    where = {"Bucket": bucket, "Key": name, "UploadId": upload}
    etag = s3.upload_part(**where, PartNumber=1, Body=SMALL)["ETag"]
    return Request("POST", f"/{name}?uploadId={upload}", DOCUMENT.format(etag).encode())


def _always(*args: Any) -> Callable[[Scene, str], Request]:
    return lambda scene, bucket: Request(*args)


OPERATIONS: dict[str, Callable[[Scene, str], Request]] = {
    "GetObject": _always("GET", "/small"),
    "GetObject, large": _always("GET", "/large"),
    "HeadObject": _always("HEAD", "/small"),
    "ListObjectsV2": _always("GET", "?list-type=2"),
    "PutObject": _always("PUT", "/put", SMALL),
    "PutObject, large": _always("PUT", "/put", LARGE),
    "CopyObject": _always("PUT", "/put", b"", {"X-Amz-Copy-Source": "{bucket}/small"}),
    "DeleteObjects": _always("POST", "?delete=", DELETION),
    "CompleteMultipartUpload": complete,
}


@contextmanager
def scene(
    folder: Path,
    store: Store,
    certificates: Certificates,
    cos_map: Mapping[str, Any] | None = None,
    entry: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    **apart: Any,
) -> Iterator[Scene]:
    """Starts all of it, with further entries, what entries say, parameters, arguments of Apart."""
    for bucket in (*BUCKETS, "direct"):
        store.client().create_bucket(Bucket=bucket)
    with ExitStack() as stack:
        plain = stack.enter_context(FaultyStore(store))
        tls = stack.enter_context(FaultyStore(store, certificates))
        settings = {
            "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
            "https_port": 0,
            **(config or {}),
            "cos_map": {
                "data": plain.entry(**(entry or {})),
                "hasty": plain.entry(answer_timeout=HASTE),
                "secure": tls.entry(**(entry or {})),
                "direct": store.entry(),
                **(cos_map or {}),
            },
        }
        proxy = stack.enter_context(Apart(folder / "proxy", settings, **apart))
        made = Scene(store, plain, tls, proxy, certificates.ca, store.client())
        made.restock()
        yield made
