"""The configurations of docs/deploy/balancers, each in front of three replicas."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from bench import signing
from conftest import CLIENT
from helpers import raw
from helpers.balancers import EACH_KIND, SILENCE, Fleet
from helpers.certificates import Certificates
from helpers.clients import Keys, boto, refused
from helpers.double import S3Double
from helpers.names import DOMAIN
from helpers.stores import Store

BODY = b"what a client sends"
SOMEBODY = "127.0.0.77"  # the address of a client
EXPECT = {"Expect": "100-continue", "Content-Length": str(len(BODY))}

pytestmark = pytest.mark.slow


class LongUpload(threading.Thread):
    """An upload in small pieces that takes longer than anybody may be silent."""

    PIECES = int(SILENCE) + 5

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self.fleet, self.status = fleet, 0
        self.start()

    def run(self) -> None:
        body = random.randbytes(self.PIECES << 10)
        headers = raw.sign("PUT", f"{self.fleet.url}/data/long", CLIENT, body)
        headers["Content-Length"] = str(len(body))
        with self.fleet.connect() as link, link.makefile("rb") as stream:
            link.sendall(raw.head_bytes("PUT", "/data/long", headers))
            with suppress(ConnectionError):  # or its status stays 0
                for at in range(0, len(body), 1 << 10):
                    link.sendall(body[at : at + (1 << 10)])
                    time.sleep(1)  # it is the time that is tested
                self.status = raw.read_answer(stream).status


@dataclass
class Site:
    """A fleet, and what is behind it: "data" is in a double, `bucket` in a real store."""

    fleet: Fleet
    double: S3Double
    store: Store
    bucket: str
    long: LongUpload
    home: Path

    @property
    def s3(self) -> Any:
        return boto(self.fleet.url, CLIENT, signature_version="s3v4")

    def ask(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes = b"",
        source: str = "127.0.0.1",
    ) -> raw.Answer:
        """One request, over a connection of its own."""
        if body:
            headers = {**headers, "Content-Length": str(len(body))}
        with self.fleet.connect(source) as link, link.makefile("rb") as stream:
            link.sendall(raw.head_bytes(method, target, headers) + body)
            return raw.read_answer(stream, method)

    def signed(self, method: str, path: str, key: bytes, body: bytes = b"") -> raw.Answer:
        """A request for a key, however it is spelled; S3 signs one spelling of each."""
        url = f"{self.fleet.url}/data/{quote(key, safe='/-_.~')}"
        headers = raw.sign(method, url, CLIENT, body)
        return self.ask(method, f"/data/{path}", headers, body)


@pytest.fixture(scope="module", params=EACH_KIND)
def site(
    request: pytest.FixtureRequest, any_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(request.param)
    bucket = any_store.make_bucket()
    with S3Double() as double:
        cos_map = {"data": double.entry(keys="opaque"), bucket: any_store.entry()}
        with Fleet(folder, request.param, cos_map) as fleet:
            yield Site(fleet, double, any_store, bucket, LongUpload(fleet), folder)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a//b", b"a//b"),
        ("/a", b"/a"),
        ("a/", b"a/"),
        ("a%2Fb", b"a/b"),
        ("a%252Fb", b"a%2Fb"),
        ("%2F%2F", b"//"),
        ("a%5Cb", b"a\\b"),
        ("a%3Fb%23c%3Bd%25", b"a?b#c;d%"),
        ("a%2Bb%20c", b"a+b c"),
        ("%C3%A9%FF", b"\xc3\xa9\xff"),
        (quote("~!*'()@:$&,="), b"~!*'()@:$&,="),
    ],
)
def test_keys_arrive_as_they_were_sent(site: Site, path: str, key: bytes) -> None:
    body = random.randbytes(20)
    assert site.signed("PUT", path, key, body).status == 200
    assert site.double.objects[b"/data/" + key] == body
    assert site.signed("GET", path, key).body == body
    assert site.double.problems == []


def test_a_range_a_head_and_the_rest_of_s3(site: Site) -> None:
    s3, where = site.s3, {"Bucket": site.bucket, "Key": "folder/object"}
    body = random.randbytes(100_000)
    s3.put_object(**where, Body=body, Metadata={"a": "b"}, ContentType="text/x")
    head = s3.head_object(**where)
    assert (head["ContentLength"], head["ContentType"]) == (len(body), "text/x")
    assert {name.lower(): value for name, value in head["Metadata"].items()} == {"a": "b"}
    part = s3.get_object(**where, Range="bytes=10-19")
    assert (part["ContentRange"], part["Body"].read()) == ("bytes 10-19/100000", body[10:20])
    assert s3.get_object(**where, Range="bytes=-7")["Body"].read() == body[-7:]
    found = s3.list_objects_v2(Bucket=site.bucket, Prefix="folder/", Delimiter="/")
    assert [item["Key"] for item in found["Contents"]] == ["folder/object"]
    assert refused(s3.head_object, Bucket=site.bucket, Key="none").status == 404
    s3.delete_objects(Bucket=site.bucket, Delete={"Objects": [{"Key": "folder/object"}]})
    assert "folder/object" not in site.store.keys_in(site.bucket)


def test_a_large_object_in_parts(site: Site) -> None:
    body = random.randbytes(20 << 20)
    (file := site.home / "large").write_bytes(body)
    site.s3.upload_file(str(file), site.bucket, "large")
    site.s3.download_file(site.bucket, "large", str(file))
    assert file.read_bytes() == body


@pytest.mark.parametrize("payload", [signing.CHUNKS, signing.TRAILER])
def test_chunked_uploads(site: Site, payload: str) -> None:
    keys = signing.Keys(CLIENT.access, CLIENT.secret)
    body, host = random.randbytes(200_000), urlsplit(site.fleet.url).netloc
    put = signing.sign("PUT", host, "/data/chunked", keys, body, payload)
    assert site.ask("PUT", put.path, dict(put.headers), put.body).status == 200
    assert site.double.objects[b"/data/chunked"] == body


def test_an_upload_without_a_length(site: Site) -> None:
    """HTTP's own chunks around those of S3."""
    keys = signing.Keys(CLIENT.access, CLIENT.secret)
    host, body = urlsplit(site.fleet.url).netloc, random.randbytes(100_000)
    put = signing.sign("PUT", host, "/data/nested", keys, body, signing.CHUNKS)
    headers = {**put.headers, "Transfer-Encoding": "chunked"}
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(put.body), put.body)
    with site.fleet.connect() as link, link.makefile("rb") as stream:
        link.sendall(raw.head_bytes("PUT", put.path, headers) + chunks)
        assert raw.read_answer(stream).status == 200
    assert site.double.objects[b"/data/nested"] == body


class TestExpect:
    def test_an_upload_that_waits_is_told_to_go_on(self, site: Site) -> None:
        headers = raw.sign("PUT", f"{site.fleet.url}/data/expected", CLIENT, BODY, EXPECT)
        with site.fleet.connect() as link, link.makefile("rb") as stream:
            link.sendall(raw.head_bytes("PUT", "/data/expected", headers))
            assert raw.read_answer(stream).status == 100
            link.sendall(BODY)
            assert raw.read_answer(stream).status == 200
        assert site.double.objects[b"/data/expected"] == BODY

    def test_one_that_is_refused_is_not(self, site: Site) -> None:
        wrong = Keys(CLIENT.access, "wrong")
        headers = raw.sign("PUT", f"{site.fleet.url}/data/refused", wrong, BODY, EXPECT)
        with site.fleet.connect() as link, link.makefile("rb") as stream:
            link.sendall(raw.head_bytes("PUT", "/data/refused", headers))
            answer = raw.read_answer(stream)
            if not site.fleet.kind.waits:
                assert answer.status == 100  # by the balancer, which knows no better
                link.sendall(BODY)
                answer = raw.read_answer(stream)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
        assert b"/data/refused" not in site.double.objects


def test_presigned_urls(site: Site) -> None:
    where = {"Bucket": "data", "Key": "a b//c"}
    put = site.s3.generate_presigned_url("put_object", Params=where)
    get = site.s3.generate_presigned_url("get_object", Params=where)
    with httpx.Client(trust_env=False) as client:
        assert client.put(put, content=BODY).status_code == 200
        assert client.get(get).content == BODY
        assert client.get(get + "1").status_code == 403
    assert site.double.objects[b"/data/a b//c"] == BODY


def test_a_bucket_in_the_host(site: Site) -> None:
    host = f"data.{DOMAIN}"
    headers = raw.sign("PUT", f"http://{host}/v//k", CLIENT, BODY)
    assert site.ask("PUT", "/v//k", headers, BODY).status == 200
    assert site.double.objects[b"/data/v//k"] == BODY


def test_the_client_s_address_is_its_own_whatever_it_says(site: Site) -> None:
    headers = raw.sign("GET", f"{site.fleet.url}/data/addressed", CLIENT)
    headers["X-Forwarded-For"] = "192.0.2.1"
    site.ask("GET", "/data/addressed", headers, source=SOMEBODY)
    assert site.fleet.clients_of("addressed") == [SOMEBODY]


def test_an_access_key_may_be_as_long_as_a_token(site: Site) -> None:
    headers = raw.sign("GET", f"{site.fleet.url}/data/k", Keys("t" * 30_000, "s"))
    assert site.ask("GET", "/data/k", headers).code == "InvalidAccessKeyId"


def test_an_upload_may_take_longer_than_a_client_may_be_silent(site: Site) -> None:
    site.long.join(2 * site.long.PIECES)
    assert site.long.status == 200
    assert len(site.double.objects[b"/data/long"]) == site.long.PIECES << 10


@pytest.mark.parametrize("kind", EACH_KIND)
def test_replicas_that_speak_tls_know_the_client_by_the_proxy_protocol(
    tmp_path: Path, kind: str, certificates: Certificates
) -> None:
    with S3Double() as double:
        cos_map = {"data": double.entry(keys="opaque")}
        with Fleet(tmp_path, kind, cos_map, certificates) as fleet:
            s3 = boto(fleet.url, CLIENT, ca=certificates.ca)
            s3.put_object(Bucket="data", Key="a//b", Body=BODY)  # with a trailer, over TLS
            assert s3.get_object(Bucket="data", Key="a//b")["Body"].read() == BODY
            headers = raw.sign("GET", f"{fleet.url}/data/addressed", CLIENT)
            headers["X-Forwarded-For"] = "192.0.2.1"
            with fleet.connect(SOMEBODY) as link, link.makefile("rb") as stream:
                link.sendall(raw.head_bytes("GET", "/data/addressed", headers))
                assert raw.read_answer(stream).status == 404
            assert fleet.clients_of("addressed") == [SOMEBODY]
