"""HTTP/2 on the https front: `:authority` is the host that was signed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import CLIENT
from helpers import raw
from helpers.clients import Keys


@pytest.fixture
def h2(place: Any) -> Iterator[httpx.Client]:
    with httpx.Client(http2=True, verify=place.front.tls_context(), trust_env=False) as client:
        yield client


def signed(place: Any, method: str, target: str, body: bytes = b"", keys: Keys = CLIENT) -> Any:
    url = place.front.url("https") + target
    headers = raw.sign(method, url, keys, body)
    return httpx.Request(method, url, headers=headers, content=body)


def test_put_and_get(place: Any, h2: httpx.Client) -> None:
    body = b"over HTTP/2 " * 100_000
    put = h2.send(signed(place, "PUT", f"/{place.bucket}/h2", body))
    assert (put.status_code, put.http_version) == (200, "HTTP/2")
    got = h2.send(signed(place, "GET", f"/{place.bucket}/h2"))
    assert (got.status_code, got.http_version, got.content) == (200, "HTTP/2", body)
    assert place.direct.get_object(Bucket=place.bucket, Key="h2")["Body"].read() == body


def test_a_wrong_secret_is_refused(place: Any, h2: httpx.Client) -> None:
    wrong = Keys(CLIENT.access, "wrong")
    answer = h2.send(signed(place, "PUT", f"/{place.bucket}/h2-refused", b"x", wrong))
    assert answer.status_code == 403
    assert b"SignatureDoesNotMatch" in answer.content
    assert "h2-refused" not in place.store.keys_in(place.bucket)


def test_another_host_than_the_signed_one_is_refused(place: Any, h2: httpx.Client) -> None:
    request = signed(place, "GET", f"/{place.bucket}/h2")
    request.headers["Host"] = "elsewhere.example"
    answer = h2.send(request)
    assert answer.status_code == 403
