"""Expect: 100-continue works, and is no way around the signature."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from conftest import CLIENT
from helpers import raw
from helpers.clients import Keys

BODY = b"what the client waits with"
EXPECT = {"Expect": "100-continue", "Content-Length": str(len(BODY))}


def test_a_signed_put_is_told_to_go_on_and_is_stored(place: Any) -> None:
    url, target = place.front.url(), f"/{place.bucket}/expected"
    headers = raw.sign("PUT", url + target, CLIENT, BODY, EXPECT)
    with raw.connect(url) as link, link.makefile("rb") as stream:
        link.sendall(raw.head_bytes("PUT", target, headers))
        assert raw.read_answer(stream).status == 100
        link.sendall(BODY)
        assert raw.read_answer(stream).status == 200
    assert place.direct.get_object(Bucket=place.bucket, Key="expected")["Body"].read() == BODY


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (None, "AccessDenied"),
        (Keys("nobody", "x"), "InvalidAccessKeyId"),
        (Keys(CLIENT.access, "wrong"), "SignatureDoesNotMatch"),
    ],
    ids=["unsigned", "unknown key", "wrong secret"],
)
def test_a_refused_put_is_answered_before_its_body_and_stores_nothing(
    place: Any, keys: Keys | None, code: str
) -> None:
    url, target = place.front.url(), f"/{place.bucket}/refused"
    headers = {"Host": url.removeprefix("http://"), **EXPECT}
    if keys:
        headers = raw.sign("PUT", url + target, keys, BODY, EXPECT)
    with raw.connect(url) as link, link.makefile("rb") as stream:
        link.sendall(raw.head_bytes("PUT", target, headers))
        answer = raw.read_answer(stream)
    assert (answer.status, answer.code) == (403, code)
    assert "refused" not in place.store.keys_in(place.bucket)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "POST"])
def test_an_unsigned_request_with_expect_is_refused_whatever_it_asks(
    place: Any, method: str
) -> None:
    place.direct.put_object(Bucket=place.bucket, Key="guarded", Body=b"secret")
    url = place.front.url()
    headers = {"Host": url.removeprefix("http://"), "Expect": "100-continue", "Content-Length": "0"}
    for target in (f"/{place.bucket}/guarded", f"/{place.bucket}?uploads", "/"):
        answer = raw.send(url, method, target, headers)
        assert answer.status == 403
        assert b"secret" not in answer.body
    assert place.direct.get_object(Bucket=place.bucket, Key="guarded")["Body"].read() == b"secret"


def test_an_empty_put_with_expect_does_not_stall(place: Any) -> None:
    url, target = place.front.url(), f"/{place.bucket}/empty-expected"
    headers = raw.sign(
        "PUT", url + target, CLIENT, b"", {"Expect": "100-continue", "Content-Length": "0"}
    )
    with raw.connect(url, seconds=10) as link, link.makefile("rb") as stream:
        link.sendall(raw.head_bytes("PUT", target, headers))
        answer = raw.read_answer(stream)
        if answer.status == 100:
            answer = raw.read_answer(stream)
    assert answer.status == 200
    assert place.direct.head_object(Bucket=place.bucket, Key="empty-expected")["ContentLength"] == 0


def test_a_body_that_is_not_what_was_signed_is_not_stored(place: Any) -> None:
    url, target = place.front.url(), f"/{place.bucket}/swapped"
    headers = raw.sign("PUT", url + target, CLIENT, BODY, EXPECT)
    with raw.connect(url) as link, link.makefile("rb") as stream:
        link.sendall(raw.head_bytes("PUT", target, headers))
        assert raw.read_answer(stream).status == 100
        link.sendall(hashlib.sha256(BODY).hexdigest().encode()[: len(BODY)])
        answer = raw.read_answer(stream)
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert "swapped" not in place.store.keys_in(place.bucket)
