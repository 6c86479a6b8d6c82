"""Connections to stores: what is kept alive, and what nobody may send twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers.certificates import Certificates
from helpers.clients import refused
from helpers.scripted import OK, Link, Script, ScriptedStore

PARTS = {"Parts": [{"PartNumber": 1, "ETag": '"e"'}]}
READS: dict[str, Callable[[Any], Any]] = {
    "GetObject": lambda s3: s3.get_object(Bucket="data", Key="k"),
    "HeadObject": lambda s3: s3.head_object(Bucket="data", Key="k"),
    "ListObjectsV2": lambda s3: s3.list_objects_v2(Bucket="data"),
}
WRITES: dict[str, Callable[[Any], Any]] = {
    "PutObject": lambda s3: s3.put_object(Bucket="data", Key="k", Body=b"x" * 100_000),
    "PutObject of nothing": lambda s3: s3.put_object(Bucket="data", Key="k"),
    "CopyObject": lambda s3: s3.copy_object(Bucket="data", Key="k", CopySource="data/l"),
    "DeleteObject": lambda s3: s3.delete_object(Bucket="data", Key="k"),
    "DeleteObjects": lambda s3: s3.delete_objects(
        Bucket="data", Delete={"Objects": [{"Key": "k"}]}
    ),
    "CreateMultipartUpload": lambda s3: s3.create_multipart_upload(Bucket="data", Key="k"),
    "CompleteMultipartUpload": lambda s3: s3.complete_multipart_upload(
        Bucket="data", Key="k", UploadId="u", MultipartUpload=PARTS
    ),
}
OPERATIONS = {**READS, **WRITES}
# What a store answers to those that boto3 expects a document of.
DOCUMENTS = {
    "CopyObject": b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>",
    "DeleteObjects": b"<DeleteResult><Deleted><Key>k</Key></Deleted></DeleteResult>",
    "CreateMultipartUpload": b"<InitiateMultipartUploadResult/>",
    "CompleteMultipartUpload": b"<CompleteMultipartUploadResult/>",
}


def answer_to(operation: str) -> bytes:
    body = DOCUMENTS.get(operation, b"")
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.fixture(params=["plain", "tls"])
def secure(request: pytest.FixtureRequest, certificates: Certificates) -> Certificates | None:
    """How the store is reached."""
    return certificates if request.param == "tls" else None


def test_a_connection_serves_again(serve: Any, secure: Certificates | None) -> None:
    with ScriptedStore(Link.serve, certificates=secure) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        for n in range(3):
            s3.put_object(Bucket="data", Key=f"k{n}", Body=b"x" * 1000)
            s3.get_object(Bucket="data", Key=f"k{n}")["Body"].read()
        assert [w.method for w in store.received] == ["PUT", "GET"] * 3


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_connection_that_the_store_closed_meanwhile_is_not_used(
    serve: Any, secure: Certificates | None, operation: str
) -> None:
    closed = threading.Event()

    def once(link: Link) -> None:
        answer_one(link)
        link.close()
        closed.set()

    def answer_one(link: Link) -> None:
        link.request()
        link.send(answer_to(operation))

    with ScriptedStore(once, answer_one, certificates=secure) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        OPERATIONS[operation](s3)
        assert closed.wait(20)
        OPERATIONS[operation](s3)
        assert len(store.received) == 2


def give_up_after(answer: bytes = OK) -> Script:
    """Answers a first request, and takes a second one without an answer."""

    def script(link: Link) -> None:
        link.request()
        link.send(answer)
        link.request()

    return script


@pytest.mark.parametrize("operation", READS)
def test_a_read_is_sent_again_when_a_connection_that_served_ends(
    serve: Any, secure: Certificates | None, operation: str
) -> None:
    with ScriptedStore(give_up_after(), Link.serve, certificates=secure) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        READS["HeadObject"](s3)
        READS[operation](s3)
        first, second = store.received[1:]
        assert (first.method, first.target) == (second.method, second.target)


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_is_never_sent_again(
    serve: Any, secure: Certificates | None, operation: str
) -> None:
    """The store may have done it before the connection ended."""
    with ScriptedStore(give_up_after(answer_to(operation)), certificates=secure) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        WRITES[operation](s3)
        assert refused(lambda: WRITES[operation](s3)).status == 502
        assert len(store.received) == 2


def test_a_read_is_sent_again_only_once(serve: Any) -> None:
    """A store that always hangs up gets no storm of requests."""
    with ScriptedStore(give_up_after(), lambda link: None, Link.request) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        READS["HeadObject"](s3)
        assert refused(lambda: READS["GetObject"](s3)).status == 502
        assert len(store.received) == 2
        assert refused(lambda: READS["GetObject"](s3)).status == 502
        assert len(store.received) == 3


def test_an_answer_that_broke_off_is_not_asked_for_again(serve: Any) -> None:
    def break_off(link: Link) -> None:
        give_up_after()(link)
        link.send(b"HTTP/1.1 200 OK\r\nContent-Le")

    with ScriptedStore(break_off) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        READS["HeadObject"](s3)
        assert refused(lambda: READS["GetObject"](s3)).status == 502


def test_a_connection_that_says_close_is_not_used_again(serve: Any) -> None:
    def once(link: Link) -> None:
        link.request()
        link.send(OK.replace(b"ETag", b"Connection: close\r\nETag"))
        done.wait(20)  # it stays open: only what it said counts

    done = threading.Event()
    with ScriptedStore(once, Link.serve) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        READS["HeadObject"](s3)
        WRITES["PutObject"](s3)
        done.set()
        assert [w.method for w in store.received] == ["HEAD", "PUT"]


def test_an_answer_before_the_end_of_a_body_ends_the_upload(serve: Any) -> None:
    """What the store said reaches the client; the rest of the body goes nowhere."""
    refusal = b"<Error><Code>EntityTooLarge</Code><Message>m</Message></Error>"

    def refuse(link: Link) -> None:
        link.head()
        link.send(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/xml\r\n")
        link.send(b"Content-Length: %d\r\n\r\n" % len(refusal) + refusal)
        told.wait(20)

    told = threading.Event()
    with ScriptedStore(refuse, Link.serve) as store:
        s3 = serve({"data": store.entry()}).boto(retry=False)
        got = refused(s3.put_object, Bucket="data", Key="k", Body=b"x" * (8 << 20))
        told.set()
        assert (got.status, got.code) == (400, "EntityTooLarge")
        READS["HeadObject"](s3)  # on another connection
        assert [w.method for w in store.received] == ["HEAD"]
