"""The store's side: TLS, addressing, and what reaches it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from conftest import CLIENT
from helpers import raw
from helpers.clients import refused
from helpers.double import Answer, S3Double, Seen
from helpers.scripted import Link, ScriptedStore
from helpers.stores import STORES, Store


@pytest.fixture(scope="module", params=["versitygw", "minio"])
def tls_store(
    request: pytest.FixtureRequest, certificates: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store whose certificate no system trusts."""
    if request.param not in request.config.getoption("stores").split(","):
        pytest.skip("not among --stores")
    folder: Path = tmp_path_factory.mktemp(f"tls-{request.param}")
    with STORES[request.param](folder, certificates) as store:
        yield store


def test_a_store_with_an_untrusted_certificate_is_refused(serve: Any, tls_store: Store) -> None:
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry()}).boto(retry=False)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x").status == 502
    assert tls_store.keys_in(bucket) == []


def test_verify_false_takes_any_certificate(serve: Any, tls_store: Store, scheme: str) -> None:
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry()}, verify=False).boto(scheme)
    s3.put_object(Bucket=bucket, Key="k", Body=b"over TLS")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"over TLS"
    assert tls_store.keys_in(bucket) == ["k"]


def test_an_entry_may_trust_an_authority_of_its_own(
    serve: Any, tls_store: Store, scheme: str
) -> None:
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry(ca_file=tls_store.ca)}).boto(scheme)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x" * 100_000


@pytest.mark.parametrize("tls_store", ["minio"], indirect=True)
def test_keys_of_the_client_encrypt_objects(serve: Any, tls_store: Store) -> None:
    """SSE-C: the key travels in headers, and stays out of what is not TLS to the store."""
    bucket = tls_store.make_bucket("tls")
    s3 = serve({bucket: tls_store.entry(ca_file=tls_store.ca)}).boto("https", retry=False)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"secret", **key)
    assert put["SSECustomerAlgorithm"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="k", **key)["Body"].read() == b"secret"
    assert refused(s3.get_object, Bucket=bucket, Key="k").status == 400
    other = {**key, "SSECustomerKey": "o" * 32}
    assert refused(s3.get_object, Bucket=bucket, Key="k", **other).status == 403


def test_a_bucket_in_another_region_is_found(serve: Any) -> None:
    """As AWS tells it, the first time; afterwards it is known."""

    def answer(seen: Seen) -> Any:
        if "/eu-north-1/s3/" in seen.headers["authorization"]:
            return None
        moved = b"<Error><Code>PermanentRedirect</Code><Endpoint>elsewhere</Endpoint></Error>"
        return 301, {"x-amz-bucket-region": "eu-north-1"}, moved

    with S3Double(answer=answer, check=lambda seen: None) as double:
        double.objects[b"/data/k"] = b"x"
        s3 = serve({"data": double.entry()}).boto(retry=False)
        for _ in range(3):
            assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
        assert len(double.seen) == 4
        s3.put_object(Bucket="data", Key="l", Body=b"y")
        assert double.objects[b"/data/l"] == b"y"


def test_a_store_that_never_answers_is_a_timeout(serve: Any) -> None:
    end = threading.Event()

    def answer(seen: Seen) -> Any:
        end.wait(20)

    with S3Double(answer=answer) as double:
        s3 = serve({"data": double.entry(answer_timeout=0.1)}).boto(retry=False)
        refusal = refused(s3.get_object, Bucket="data", Key="k")
        end.set()
        assert (refusal.status, refusal.code) == (504, "GatewayTimeout")


def test_the_virtual_style_puts_the_bucket_into_the_host(serve: Any, scheme: str) -> None:
    listing: Answer = (200, {}, b"<ListBucketResult/>")
    with S3Double(answer=lambda seen: listing if seen.path == "/" else None) as double:
        entry = double.entry(host="localhost", addressing_style="virtual")
        s3 = serve({"data": entry}).boto(scheme)
        s3.put_object(Bucket="data", Key="a b/ü/c", Body=b"x")
        assert s3.get_object(Bucket="data", Key="a b/ü/c")["Body"].read() == b"x"
        s3.list_objects_v2(Bucket="data", Prefix="a b")
        assert double.problems == []
        assert {seen.headers["host"] for seen in double.seen} == {f"data.localhost:{double.port}"}
        assert [seen.path for seen in double.seen] == ["/a%20b/%C3%BC/c"] * 2 + ["/"]


def test_virtual_is_the_default_style(serve: Any) -> None:
    with S3Double() as double:
        entry = double.entry(host="localhost", addressing_style=None)
        serve({"data": entry}).boto().put_object(Bucket="data", Key="k", Body=b"x")
        assert double.seen[0].headers["host"] == f"data.localhost:{double.port}"


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


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (
            301,
            {"x-amz-bucket-region": "eu-north-1"},
            b"<Error><Code>PermanentRedirect</Code></Error>",
        ),
        (
            307,
            {"x-amz-bucket-region": "eu-north-1"},
            b"<Error><Code>TemporaryRedirect</Code></Error>",
        ),
        (
            400,
            {"Content-Type": "application/xml"},
            b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>",
        ),
    ],
)
def test_each_way_to_name_the_region_is_understood(
    serve: Any, double: S3Double, status: int, headers: dict[str, str], body: bytes
) -> None:
    def answer(seen: Seen) -> Any:
        return (
            None if "/eu-north-1/s3/" in seen.headers["authorization"] else (status, headers, body)
        )

    double.answer = answer
    s3 = serve({"data": double.entry()}).boto(retry=False)
    for _ in range(2):
        assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    assert len(double.seen) == 3
    assert double.problems == []


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
