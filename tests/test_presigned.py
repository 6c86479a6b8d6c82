"""Presigned URLs: whoever holds one needs no key, until it ends."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from helpers.clients import Keys
from helpers.double import S3Double
from helpers.wait import until


def client(place: Any) -> httpx.Client:
    return httpx.Client(verify=place.front.tls_context(), trust_env=False)


def signer(place: Any, scheme: str, **kwargs: Any) -> Any:
    return place.front.boto(scheme, signature_version="s3v4", **kwargs)


def test_a_get_url_gives_the_object(place: Any, scheme: str) -> None:
    key = f"presigned/{scheme}/a b+ü.txt"
    place.direct.put_object(Bucket=place.bucket, Key=key, Body=b"shared")
    url = signer(place, scheme).generate_presigned_url(
        "get_object",
        Params={"Bucket": place.bucket, "Key": key, "ResponseContentType": "text/x-shared"},
    )
    with client(place) as http:
        answer = http.get(url)
    assert (answer.status_code, answer.content) == (200, b"shared")
    assert answer.headers["Content-Type"] == "text/x-shared"


def test_a_put_url_takes_the_object(place: Any, scheme: str) -> None:
    key = f"presigned/{scheme}/uploaded"
    url = signer(place, scheme).generate_presigned_url(
        "put_object", Params={"Bucket": place.bucket, "Key": key, "ContentType": "text/csv"}
    )
    with client(place) as http:
        answer = http.put(url, content=b"a,b\n", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    head = place.direct.head_object(Bucket=place.bucket, Key=key)
    assert (head["ContentLength"], head["ContentType"]) == (4, "text/csv")


def altered(url: str, how: str, bucket: str) -> str:
    if how == "path":
        return url.replace(f"/{bucket}/presigned/", f"/{bucket}/private/", 1)
    if how == "expires":
        return url.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000")
    if how == "signature":
        return url[:-1] + ("0" if url[-1] != "0" else "1")
    return f"{url}&versionId=null"


@pytest.mark.parametrize("how", ["path", "expires", "signature", "added parameter"])
def test_an_altered_url_is_refused(place: Any, scheme: str, how: str) -> None:
    name = f"alter-{scheme}-{how}"  # equal URLs of one second would share their count of uses
    for key in (f"presigned/{name}", f"private/{name}"):
        place.direct.put_object(Bucket=place.bucket, Key=key, Body=b"secret")
    url = signer(place, scheme).generate_presigned_url(
        "get_object", Params={"Bucket": place.bucket, "Key": f"presigned/{name}"}
    )
    other = altered(url, how, place.bucket)
    assert other != url
    with client(place) as http:
        answer = http.get(other)
        assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
        assert http.get(url).content == b"secret"


def test_a_url_for_get_is_none_for_put(place: Any) -> None:
    url = signer(place, "http").generate_presigned_url(
        "get_object", Params={"Bucket": place.bucket, "Key": "presigned/readonly"}
    )
    with client(place) as http:
        answer = http.put(url, content=b"x")
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
    assert "presigned/readonly" not in place.store.keys_in(place.bucket)


@pytest.mark.parametrize(
    ("header", "value"),
    [("x-amz-copy-source", "/{bucket}/private/source"), ("x-amz-acl", "public-read")],
)
def test_an_unsigned_amz_header_beside_a_put_url_is_refused(
    place: Any, header: str, value: str
) -> None:
    place.direct.put_object(Bucket=place.bucket, Key="private/source", Body=b"secret")
    url = signer(place, "http").generate_presigned_url(
        "put_object", Params={"Bucket": place.bucket, "Key": "presigned/laundered"}
    )
    with client(place) as http:
        answer = http.put(url, content=b"", headers={header: value.format(bucket=place.bucket)})
    assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)
    assert "presigned/laundered" not in place.store.keys_in(place.bucket)


def test_a_url_of_an_unknown_key_is_refused(place: Any, scheme: str) -> None:
    url = signer(place, scheme, keys=Keys("nobody", "x")).generate_presigned_url(
        "get_object", Params={"Bucket": place.bucket, "Key": "presigned/alter"}
    )
    with client(place) as http:
        answer = http.get(url)
    assert (answer.status_code, "InvalidAccessKeyId" in answer.text) == (403, True)


def test_how_often_a_url_works(serve: Any, double: S3Double) -> None:
    front = serve({"data": double.entry()}, max_presign_url_usage_attempts=2)
    s3 = front.boto(signature_version="s3v4")
    first, other = (
        s3.generate_presigned_url("get_object", {"Bucket": "data", "Key": key}) for key in "kl"
    )
    assert [httpx.get(first).status_code for _ in range(4)] == [200, 200, 403, 403]
    assert httpx.get(other).status_code == 200
    unlimited = serve({"data": double.entry()}, max_presign_url_usage_attempts=None)
    url = unlimited.boto(signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": "data", "Key": "k"}
    )
    assert {httpx.get(url).status_code for _ in range(5)} == {200}


def test_how_long_a_url_works(serve: Any, double: S3Double) -> None:
    front = serve({"data": double.entry()}, max_presign_url_usage_attempts=None)
    url = front.boto(signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": "data", "Key": "k"}, ExpiresIn=2
    )
    assert httpx.get(url).status_code == 200
    until(lambda: httpx.get(url).status_code == 403, "the URL expires")
    assert b"Request has expired" in httpx.get(url).content
