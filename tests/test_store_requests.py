"""What of a request reaches the store, and what of its answer the client."""

from __future__ import annotations

import threading
from typing import Any

import botocore.exceptions
import pytest
from conftest import CLIENT
from helpers import raw
from helpers.clients import refused
from helpers.double import S3Double, Seen
from helpers.scripted import Link, ScriptedStore


class TestHeaders:
    def test_what_is_end_to_end_reaches_the_store(self, serve: Any) -> None:
        sent = {
            "X-Amz-Meta-Note": "kept",
            "X-Amz-Storage-Class": "STANDARD_IA",
            "X-Amz-Server-Side-Encryption": "AES256",
            "X-Amz-Tagging": "a=b",
            "If-None-Match": "*",
            "Cache-Control": "no-cache",
            "Content-Type": "text/x-thing",
        }
        with S3Double() as double:
            url = serve({"data": double.entry()}).url()
            headers = raw.sign("PUT", f"{url}/data/k", CLIENT, b"x", sent)
            assert raw.send(url, "PUT", "/data/k", headers, b"x").status == 200
            assert double.problems == []
            got = double.seen[0].headers
            assert {name: got.get(name.lower()) for name in sent} == sent

    def test_what_is_the_connections_or_the_clients_own_does_not(self, serve: Any) -> None:
        sent = {
            "X-Forwarded-For": "192.0.2.7",
            "X-Forwarded-Host": "elsewhere.example",
            "X-Forwarded-Proto": "https",
            "Keep-Alive": "timeout=5",
            "Te": "trailers",
            "Proxy-Authorization": "Basic eDp4",
            "Connection": "close, X-Named",
            "X-Named": "by Connection",
        }
        with S3Double() as double:
            url = serve({"data": double.entry()}).url()
            headers = {**raw.sign("PUT", f"{url}/data/k", CLIENT, b"x"), **sent}
            assert raw.send(url, "PUT", "/data/k", headers, b"x").status == 200
            got = double.seen[0].headers
            assert not set(got) & {name.lower() for name in sent} - {"connection"}
            assert CLIENT.access not in got["authorization"]

    def test_the_stores_answer_passes_end_to_end(self, serve: Any) -> None:
        def answer(seen: Seen) -> Any:
            headers = {
                "ETag": '"odd-7"',
                "x-amz-version-id": "v1",
                "x-amz-meta-note": "kept",
                "Content-Encoding": "gzip",
                "Connection": "X-Private",
                "X-Private": "the store's own",
            }
            return 200, headers, b"\x1f\x8bnot really"

        with S3Double(answer=answer) as double:
            url = serve({"data": double.entry()}, server_name="named").url()
            headers = raw.sign("GET", f"{url}/data/k", CLIENT)
            got = raw.send(url, "GET", "/data/k", headers)
        assert got.body == b"\x1f\x8bnot really"
        assert got.headers["etag"] == '"odd-7"'
        assert got.headers["x-amz-version-id"] == "v1"
        assert got.headers["x-amz-meta-note"] == "kept"
        assert got.headers["content-encoding"] == "gzip"
        assert got.headers["server"] == "named"
        assert "x-private" not in got.headers


def test_an_error_of_the_store_is_the_clients_error(serve: Any) -> None:
    xml = b"<Error><Code>InvalidObjectState</Code><Message>archived</Message></Error>"
    with S3Double(answer=lambda seen: (403, {"Content-Type": "application/xml"}, xml)) as double:
        s3 = serve({"data": double.entry()}).boto(retry=False)
        refusal = refused(s3.get_object, Bucket="data", Key="k")
    assert (refusal.status, refusal.code, refusal.message) == (
        403,
        "InvalidObjectState",
        "archived",
    )


STATUSES = [200, 202, 204, 206, 304, 307, 400, 405, 409, 411, 412, 416, 429, 500, 501, 503]


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_the_store_is_the_clients(
    serve: Any, double: S3Double, status: int
) -> None:
    """With its headers and its body, where there is one: 200 may bring an error, too."""
    body = b"" if status in (204, 304) else b"<Error><Code>SlowDown</Code></Error>"
    told = {
        "x-amz-request-id": "the-stores-own",
        "Retry-After": "7",
        "Location": "http://elsewhere.example/data/k",
        "ETag": '"e"',
    }
    double.answer = lambda seen: (status, {**told, "Content-Type": "application/xml"}, body)
    url = serve({"data": double.entry()}).url()
    for method in ("GET", "PUT", "DELETE", "POST"):
        target = "/data/k?uploads" if method == "POST" else "/data/k"
        sent = raw.sign(method, url + target, CLIENT) | {"Content-Length": "0"}
        got = raw.send(url, method, target, sent)
        assert (got.status, got.body) == (status, body)
        assert {name: got.headers.get(name.lower()) for name in told} == told
    assert len(double.seen) == 4


FIVE_GIB = 5 << 30


def test_five_gibibytes_keep_their_length(serve: Any) -> None:
    """Up and down; of the object itself there is only the beginning."""
    heads, read, arrived = [], threading.Event(), threading.Event()

    def store(link: Link) -> None:
        link.head()  # HEAD
        link.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % FIVE_GIB)
        link.head()  # GET
        link.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nthe beginning" % FIVE_GIB)
        assert read.wait(20)

    def take(link: Link) -> None:
        heads.append(link.head().decode().lower())
        arrived.set()

    with ScriptedStore(store, take) as scripted:
        front = serve({"data": scripted.entry()})
        s3, url = front.boto(retry=False), front.url()
        assert s3.head_object(Bucket="data", Key="k")["ContentLength"] == FIVE_GIB
        got = s3.get_object(Bucket="data", Key="k")
        assert (got["ContentLength"], got["Body"].read(13)) == (FIVE_GIB, b"the beginning")
        read.set()
        asked = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", "Content-Length": str(FIVE_GIB)}
        headers = raw.sign("PUT", f"{url}/data/k", CLIENT, headers=asked)
        with raw.connect(url) as link:
            link.sendall(raw.head_bytes("PUT", "/data/k", headers) + b"x" * 300_000)
            assert arrived.wait(20)
    assert f"content-length: {FIVE_GIB}\r\n" in heads[0]


def test_spaces_of_a_long_completion_reach_the_client_at_once(serve: Any) -> None:
    """S3 says 200, sends spaces while it works, and may tell of an error at last."""
    error = b"<Error><Code>InternalError</Code><Message>We tried</Message></Error>"
    seen = threading.Event()

    def store(link: Link) -> None:
        link.request()
        link.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n")
        link.send(b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n")
        assert seen.wait(20)
        link.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(error), error))

    document = b"<CompleteMultipartUpload/>"
    with ScriptedStore(store) as scripted:
        url, target = serve({"data": scripted.entry()}).url(), "/data/k?uploadId=u"
        length = {"Content-Length": str(len(document))}
        headers = raw.sign("POST", url + target, CLIENT, document) | length
        with raw.connect(url) as link, link.makefile("rb") as stream:
            link.sendall(raw.head_bytes("POST", target, headers) + document)
            while line := stream.readline().strip():
                assert b"content-length" not in line.lower()
            assert stream.read(6) == b"1\r\n \r\n"
            seen.set()
            assert stream.read(int(stream.readline(), 16)) == error


def test_a_slow_body_reaches_the_client_as_it_comes(serve: Any) -> None:
    """The second half is sent only after the client saw the first."""
    seen_first = threading.Event()

    def store(link: Link) -> None:
        link.request()
        link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfirst ")
        assert seen_first.wait(20)
        link.send(b"second")

    with ScriptedStore(store) as scripted:
        s3 = serve({"data": scripted.entry()}).boto(retry=False)
        body = s3.get_object(Bucket="data", Key="k")["Body"]
        assert body.read(6) == b"first "
        seen_first.set()
        assert body.read() == b"second"


def test_a_store_that_breaks_off_is_no_whole_answer(serve: Any) -> None:
    def store(link: Link) -> None:
        link.request()
        link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")

    with ScriptedStore(store) as scripted:
        got = serve({"data": scripted.entry()}).boto(retry=False).get_object(Bucket="data", Key="k")
        with pytest.raises((botocore.exceptions.BotoCoreError, ConnectionError)):
            got["Body"].read()
