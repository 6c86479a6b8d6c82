"""Keys are bytes: whatever a client may call an object, it comes back by it."""

from __future__ import annotations

import unicodedata
from typing import Any
from urllib.parse import quote

import pytest
from conftest import CLIENT
from helpers import raw
from helpers.clients import refused
from helpers.double import S3Double

ODD_KEYS = {
    "spaces": "a b/c  d .txt",
    "leading and trailing space": "x/ around ",
    "plus": "a+b++c",
    "percent": "100%/50%25/%2F%",
    "unicode": "Grüße/日本語/🚀/שלום",
    "a star": "*/a*b",
    "reserved characters": "q?x=1&y=2;z#frag",
    "more of them": "@:$,!'()[]{}|^`~<>\"=",
    "dots in names": "..hidden/...x/a..b/.c",
    "a percent that looks encoded": "a%20b%2Fc",
    "1024 bytes": "/".join(["k" * 127] * 8) + "e",
}

# Filesystem stores refuse these; a double that checks signatures takes them.
KEYS_FOR_REAL_S3 = {
    "double slashes": "a//b///c",
    "a leading slash": "/a",
    "a backslash": "a\\b",
    "a dot between slashes": "a/./b",
    "two dots between slashes": "a/../../b",
    "only dots": "..",
    "only a slash": "/",
    "a trailing slash": "folder/",
    "a line break": "a\nb\r\nc",
    "a tab": "a\tb",
    "decomposed letters": unicodedata.normalize("NFD", "ä"),
    "composed letters": unicodedata.normalize("NFC", "ä"),
    "one component of 1024 bytes": "ü" * 512,
}


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_an_odd_key_makes_the_round_trip(place: Any, s3: Any, scheme: str, key: str) -> None:
    bucket, body = place.bucket, f"{scheme} {key}".encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert place.direct.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body)
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)
    assert [item["Key"] for item in listed["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert key not in place.store.keys_in(bucket)


@pytest.mark.parametrize("key", KEYS_FOR_REAL_S3.values(), ids=KEYS_FOR_REAL_S3.keys())
def test_a_key_that_only_s3_takes_arrives_byte_for_byte(serve: Any, scheme: str, key: str) -> None:
    with S3Double() as double:
        s3 = serve({"data": double.entry(keys="opaque")}).boto(scheme)
        s3.put_object(Bucket="data", Key=key, Body=b"odd")
        assert double.problems == []
        assert double.objects == {f"/data/{key}".encode(): b"odd"}
        assert s3.get_object(Bucket="data", Key=key)["Body"].read() == b"odd"
        s3.delete_object(Bucket="data", Key=key)
        assert double.objects == {}


@pytest.mark.parametrize(
    "key", ["a/./b", "a/../b", "..", ".", "a/..", "/a", "a//b", "a//", "/", "a\\b"]
)
def test_a_key_that_a_store_may_take_for_another_is_refused(
    serve: Any, scheme: str, key: str
) -> None:
    with S3Double() as double:
        s3 = serve({"data": double.entry()}).boto(scheme, retry=False)
        refusal = refused(s3.put_object, Bucket="data", Key=key, Body=b"odd")
        assert (refusal.status, refusal.code) == (400, "InvalidURI")
        assert '"keys"' in refusal.message
        assert double.seen == []


@pytest.mark.parametrize("key", ["a/b", "a//b", "a%20b", "*", "ü", "a+b c"])
def test_neighbouring_keys_are_not_mixed_up(serve: Any, key: str) -> None:
    """A proxy that cleans, decodes twice or normalises makes two keys one."""
    neighbours = ["a/b", "a//b", "/a/b", "a/b/", "a b", "a%20b", "a%2520b", "a+b c", "a b c", "*",
                  "%2A", "ü", "u\u0308", "a%2Fb"]  # fmt: skip
    with S3Double() as double:
        s3 = serve({"data": double.entry(keys="opaque")}).boto()
        for each in neighbours:
            s3.put_object(Bucket="data", Key=each, Body=each.encode())
        assert len(double.objects) == len(neighbours)
        assert s3.get_object(Bucket="data", Key=key)["Body"].read() == key.encode()


def test_every_byte_may_stand_in_a_key(serve: Any) -> None:
    """Whether it is text or not: a target has it escaped, unless it is a letter or the like."""
    with S3Double() as double:
        url = serve({"data": double.entry(keys="opaque")}).url()
        for byte in range(256):
            target = f"/data/x{quote(bytes([byte]))}x"
            headers = raw.sign("PUT", url + target, CLIENT, b"odd") | {"Content-Length": "3"}
            assert raw.send(url, "PUT", target, headers, b"odd").status == 200
        assert double.problems == []
        assert set(double.objects) == {b"/data/x%cx" % byte for byte in range(256)}


def test_a_key_of_1024_bytes_is_the_longest_in_any_script(serve: Any, scheme: str) -> None:
    """Each byte takes three on the wire; the store judges the length, as it is its rule."""
    with S3Double() as double:
        s3 = serve({"data": double.entry()}).boto(scheme)
        for letter in ("k", "ü", "日", "🚀"):
            size = len(letter.encode())
            key = letter * (1024 // size) + "k" * (1024 % size)
            s3.put_object(Bucket="data", Key=key, Body=b"long")
            assert s3.get_object(Bucket="data", Key=key)["Body"].read() == b"long"
        assert {len(name) for name in double.objects} == {len("/data/") + 1024}
        assert double.problems == []
