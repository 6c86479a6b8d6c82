"""What answers tell: nothing of what a store calls the bucket and the folder of an entry."""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
import uuid
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from conftest import CLIENT, Front
from helpers.clients import refused
from helpers.double import S3Double, Seen
from helpers.raw import Answer, send, sign

MIB = 1 << 20


def readings(raw: bytes, depth: int = 3) -> Iterator[bytes]:
    """What a curious client could read out of an answer, one coding after the other."""
    yield raw
    if depth == 0:
        return
    decoded = {unquote_to_bytes(raw)} - {raw}
    for run in re.findall(rb"[A-Za-z0-9+/_-]{8,}", raw):
        whole = run.translate(bytes.maketrans(b"-_", b"+/"))
        for cut in range(4):  # a name may begin anywhere in it
            part = whole[cut:]
            part = part[:-1] if len(part) % 4 == 1 else part
            decoded.add(base64.b64decode(part + b"=" * (-len(part) % 4)))
    if raw.startswith(b"\x1f\x8b"):
        with contextlib.suppress(OSError, EOFError, zlib.error):  # what is random may begin so, too
            decoded.add(gzip.decompress(raw))
    for each in decoded:
        yield from readings(each, depth - 1)


@dataclass
class Curious:
    """A client that looks into every answer for names that it must not learn."""

    front: Front
    names: list[str]
    asked: list[str] = field(default_factory=list)

    def __call__(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[Answer, ET.Element]:
        url = self.front.url()
        signed = sign(method, url + target, CLIENT, body, headers)
        answer = send(url, method, target, signed, body)
        self.asked.append(f"{method} {target} {answer.status}")
        told = "\n".join(f"{n}: {v}" for n, v in answer.headers.items()).encode() + answer.body
        for reading in readings(told):
            for name in self.names:
                assert name.encode() not in reading, f"{self.asked[-1]}: {told!r}"
        xml = answer.headers.get("content-type") == "application/xml" and answer.body
        document = re.sub(rb' xmlns="[^"]*"', b"", answer.body) if xml else b"<a/>"
        return answer, ET.fromstring(document)


def test_a_curious_client_reads_codings() -> None:
    for coded in (
        b"folder",
        b"%66older",
        base64.b64encode(b"team/folder/k"),
        base64.urlsafe_b64encode(b"xfolder"),
        base64.b64encode(base64.b64encode(b"1 folder 2")),
        gzip.compress(b"folder"),
        base64.b64encode(gzip.compress(b"folder")),
    ):
        assert any(b"folder" in reading for reading in readings(coded)), coded


@dataclass
class Hidden:
    """Buckets of a store, and the entries that show them by other names."""

    store: Any
    bucket: str
    folder: str
    other: str

    def entries(self) -> dict[str, Any]:
        return {
            "data": self.store.entry(bucket=self.bucket, prefix=self.folder),
            "named": self.store.entry(bucket=self.other),
            self.open: self.store.entry(),
        }

    @property
    def open(self) -> str:
        """A bucket beside it, which clients know by its own name."""
        return f"open-{self.bucket[-12:]}"


@pytest.fixture(scope="module")
def hidden(store: Any) -> Hidden:
    names = (
        store.make_bucket("zanzibar"),
        f"quokka {uuid.uuid4().hex}",
        store.make_bucket("narwhal"),
    )
    made, s3 = Hidden(store, *names), store.client()
    s3.create_bucket(Bucket=made.open)
    for key in ("k", "pages/a", "pages/b", "pages/c"):
        s3.put_object(Bucket=made.bucket, Key=f"{made.folder}/{key}", Body=b"x")
    for bucket in (made.open, made.other):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return made


@pytest.fixture
def ask(serve: Any, hidden: Hidden) -> Curious:
    unguessable = hidden.folder.split()[1]
    names = ["zanzibar", "narwhal", "quokka", unguessable, hidden.other.split("-")[1]]
    return Curious(serve(hidden.entries()), names)


REFUSALS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/none", {}),
    ("HEAD", "/none", {}),
    ("GET", "/none", {"Accept-Encoding": "gzip"}),
    ("GET", "/none?tagging=", {}),
    ("GET", "/none?acl=", {}),
    ("GET", "/none?attributes=", {"X-Amz-Object-Attributes": "ETag"}),
    ("GET", "/k?retention=", {}),
    ("GET", "/k?legal-hold=", {}),
    ("GET", "/k?versionId=00000000-0000-0000-0000-000000000000", {}),
    ("GET", "/k", {"Range": "bytes=100-"}),
    ("GET", "/k", {"If-Match": '"x"'}),
    ("GET", "/k", {"If-None-Match": "*"}),
    ("PUT", "/k", {"If-None-Match": "*"}),
    ("PUT", "/k/under-an-object", {}),
    ("PUT", f"/{'k' * 900}", {}),
    ("PUT", "/k?tagging=", {}),
    ("PUT", "/k?acl=", {"X-Amz-Acl": "nonsense"}),
    ("PUT", "/k", {"X-Amz-Storage-Class": "NONSENSE"}),
    ("PUT", "/k?partNumber=0&uploadId=u", {}),
    ("POST", "/none?restore=", {}),
    ("POST", "/none?uploadId=u", {}),
    ("DELETE", "/none?uploadId=u", {}),
    ("GET", "?list-type=2&max-keys=nonsense", {}),
    ("GET", "?list-type=2&continuation-token=nonsense", {}),
    ("GET", "?uploads=&key-marker=k&upload-id-marker=nonsense", {}),
    ("GET", "?encoding-type=nonsense", {}),
]


class TestNothingIsToldOfTheStoresNames:
    def test_in_refusals(self, ask: Curious) -> None:
        for method, target, headers in REFUSALS:
            for bucket in ("data", "named"):
                ask(method, f"/{bucket}{target}", headers=headers)
        assert sum(" 4" in asked or " 5" in asked for asked in ask.asked) > len(REFUSALS)

    def test_in_answers_about_buckets_and_objects(self, ask: Curious) -> None:
        for bucket in ("data", "named"):
            key = f"/{bucket}/some%20key"
            for method, target, body in (
                ("HEAD", f"/{bucket}", b""),
                ("GET", f"/{bucket}?location=", b""),
                ("GET", f"/{bucket}?versioning=", b""),
                ("PUT", key, b"body"),
                ("GET", key, b""),
                ("HEAD", key, b""),
                ("GET", f"{key}?acl=", b""),
                ("GET", f"{key}?tagging=", b""),
                ("DELETE", key, b""),
                ("DELETE", key, b""),
            ):
                answer, _ = ask(method, target, body)
                assert answer.status in (200, 204, 404, 501)

    def test_in_listings_page_by_page(self, ask: Curious, hidden: Hidden) -> None:
        for rest, token, parameter in (
            ("list-type=2", "NextContinuationToken", "continuation-token"),
            ("list-type=2&encoding-type=url", "NextContinuationToken", "continuation-token"),
            ("encoding-type=url", "NextMarker", "marker"),
            ("versions=", "NextKeyMarker", "key-marker"),
        ):
            found, after = [], ""
            for _ in range(10):
                answer, page = ask("GET", f"/data?{rest}&prefix=pages%2F&max-keys=1{after}")
                assert answer.status == 200
                found += [key.text for key in page.iter("Key")]
                if page.findtext("IsTruncated") != "true":
                    break
                told = page.findtext(token)
                assert told
                after = f"&{parameter}={quote(told, safe='')}"
                if version := page.findtext("NextVersionIdMarker"):
                    after += f"&version-id-marker={version}"
            if rest == "versions=" and hidden.store.name == "versitygw":
                continue  # without versioning it answers with the first page again
            assert [unquote(str(key)) for key in found] == ["pages/a", "pages/b", "pages/c"], rest

    def test_in_uploads(self, ask: Curious) -> None:
        _, begun = ask("POST", "/data/big?uploads=")
        upload = begun.findtext("UploadId")
        assert ask("POST", "/data/big?uploads=")[1].findtext("UploadId") != upload
        _, listed = ask("GET", "/data?uploads=&prefix=big&max-uploads=1")
        uploads = [u.text for u in listed.iter("UploadId")]
        if marker := listed.findtext("NextUploadIdMarker"):
            more = f"/data?uploads=&prefix=big&key-marker=big&upload-id-marker={marker}"
            answer, listed = ask("GET", more)
            uploads += [u.text for u in listed.iter("UploadId")]
        which = f"/data/big?uploadId={upload}"
        part, _ = ask("PUT", which + "&partNumber=1", b"x" * 5 * MIB)
        source = "/data/k"
        _, copied = ask("PUT", which + "&partNumber=2", headers={"X-Amz-Copy-Source": source})
        assert copied.findtext("ETag")
        for none in ("/data/none", "/named/none"):
            answer, _ = ask("PUT", which + "&partNumber=3", headers={"X-Amz-Copy-Source": none})
            assert answer.code == "NoSuchKey"
        assert ask("GET", which)[1].findtext("UploadId") == upload
        parts = "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>"
        wrong = f"<CompleteMultipartUpload>{parts.format(1, 'x' * 32)}</CompleteMultipartUpload>"
        assert ask("POST", which, wrong.encode())[0].code == "InvalidPart"
        good = parts.format(1, part.headers["etag"]) + parts.format(2, copied.findtext("ETag"))
        body = f"<CompleteMultipartUpload>{good}</CompleteMultipartUpload>"
        answer, done = ask("POST", which, body.encode())
        assert (answer.status, done.findtext("Key")) == (200, "big")
        assert ask("GET", which)[0].code == "NoSuchUpload"
        assert ask("DELETE", which)[0].status in (204, 404)
        for each in uploads:
            ask("DELETE", f"/data/big?uploadId={each}")
        ask("DELETE", "/data/big")

    def test_in_deletions_of_lists(self, ask: Curious) -> None:
        for bucket in ("data", "named"):
            objects = "".join(
                f"<Object><Key>{key}</Key>{version}</Object>"
                for key, version in (
                    ("none", ""),
                    ("k", "<VersionId>nonsense</VersionId>"),
                )
            )
            body = f"<Delete>{objects}</Delete>".encode()
            answer, result = ask("POST", f"/{bucket}?delete=", body)
            assert answer.status == 200
            assert {key.text for key in result.iter("Key")} == {"none", "k"}

    def test_in_copies_from_and_to(self, ask: Curious, hidden: Hidden) -> None:
        names = ["data", "named", hidden.open]
        pairs = [(to, source) for to in names for source in names]
        for to, source in pairs:
            for key in ("none", "k"):
                answer, _ = ask(
                    "PUT", f"/{to}/copy", headers={"X-Amz-Copy-Source": f"/{source}/{key}"}
                )
                assert answer.status in (200, 404)
            if answer.status == 200:
                # onto itself, which S3 refuses
                itself = {"X-Amz-Copy-Source": f"/{to}/copy"}
                assert ask("PUT", f"/{to}/copy", headers=itself)[0].status == 400
                assert ask("DELETE", f"/{to}/copy")[0].status == 204
        told = ask("PUT", f"/{hidden.open}/copy", headers={"X-Amz-Copy-Source": "/data/none"})[1]
        assert told.findtext("Code") == "NoSuchKey"
        assert told.findtext("BucketName") in (None, "data")
        assert told.findtext("Key") in (None, "none")


def test_a_store_that_compresses_its_errors_tells_no_more(serve: Any) -> None:
    told: list[str | None] = []

    def answer(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        where = "/zanzibar/quokka/k"
        body = (
            f"<Error><Code>{codes[len(told)]}</Code><Message>{where}</Message>"
            f"<Key>quokka/k</Key><BucketName>zanzibar</BucketName><Endpoint>zanzibar.s3</Endpoint>"
            f"<AWSAccessKeyId>double-owner</AWSAccessKeyId><Resource>{where}</Resource></Error>"
        )
        told.append(seen.headers.get("accept-encoding"))
        headers = {"Content-Type": "application/xml", "Content-Encoding": "gzip", "Link": where}
        return statuses[len(told) - 1], headers, gzip.compress(body.encode())

    statuses = [404, 403, 500, 301, 412, 404, 404]
    codes = ["NoSuchKey", "InvalidAccessKeyId", "InternalError", "PermanentRedirect"]
    codes += ["PreconditionFailed", "NoSuchKey", "NoSuchKey"]
    with S3Double(answer=answer) as store:
        cos_map = {
            "data": store.entry(bucket="zanzibar", prefix="quokka"),
            "plain": store.entry(),
        }
        ask = Curious(serve(cos_map), ["zanzibar", "quokka", "double-owner"])
        got = [
            ask("GET", "/data/k", headers={"Accept-Encoding": "gzip"})[0],
            ask("GET", "/data/k", headers={"Accept-Encoding": "gzip"})[0],
            ask("GET", "/data?list-type=2", headers={"Accept-Encoding": "gzip"})[0],
            ask("GET", "/data/k?tagging=", headers={"Accept-Encoding": "gzip"})[0],
            ask("PUT", "/data/k", b"x", headers={"Accept-Encoding": "gzip"})[0],
            ask(
                "PUT",
                "/plain/k",
                headers={"X-Amz-Copy-Source": "/data/k", "Accept-Encoding": "gzip"},
            )[0],
            ask(
                "PUT",
                "/data/k",
                headers={"X-Amz-Copy-Source": "/plain/k", "Accept-Encoding": "gzip"},
            )[0],
        ]
    assert [a.status for a in got] == statuses
    codes[1] = "AccessDenied"  # what is wrong with the proxy's own key is not the client's matter
    assert [a.code for a in got] == codes
    assert told == ["gzip", "gzip", *["identity"] * 5]


PAGES = {"Bucket": "data", "Prefix": "pages/"}


class TestTokens:
    """What pages of listings and uploads are called outlives the proxy that gave it."""

    @pytest.fixture
    def cos_map(self, hidden: Hidden) -> dict[str, Any]:
        return hidden.entries()

    def test_replicas_and_later_proxies_know_them(self, serve: Any, cos_map: Any) -> None:
        one, two = serve(cos_map).boto(), serve(cos_map).boto()
        page = one.list_objects_v2(**PAGES, MaxKeys=1)
        token = page["NextContinuationToken"]
        assert page == {**one.list_objects_v2(**PAGES, MaxKeys=1), **metadata(page)}
        rest = two.list_objects_v2(**PAGES, ContinuationToken=token)
        assert [c["Key"] for c in rest["Contents"]] == ["pages/b", "pages/c"]
        assert rest["ContinuationToken"] == token
        upload = one.create_multipart_upload(Bucket="data", Key="k")["UploadId"]
        which = {"Bucket": "data", "Key": "k", "UploadId": upload}
        assert two.upload_part(**which, PartNumber=1, Body=b"x")["ETag"]
        two.abort_multipart_upload(**which)

    def test_an_update_of_other_entries_leaves_them(self, serve: Any, cos_map: Any) -> None:
        front = serve(cos_map)
        s3 = front.boto(retry=False)
        token = s3.list_objects_v2(**PAGES, MaxKeys=1)["NextContinuationToken"]
        keys = [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}]
        others = {**cos_map, "named": {**cos_map["named"], "secret_key": "another"}}
        front.server.update(cos_map=others, hmac_keystore=[*keys, {**keys[0], "access_key": "2"}])
        rest = s3.list_objects_v2(**PAGES, ContinuationToken=token)
        assert [c["Key"] for c in rest["Contents"]] == ["pages/b", "pages/c"]
        moved = {**cos_map, "data": {**cos_map["data"], "prefix": "elsewhere"}}
        front.server.update(cos_map=moved)
        answer = refused(s3.list_objects_v2, **PAGES, ContinuationToken=token)
        assert (answer.status, answer.code) == (400, "InvalidArgument")

    def test_another_entry_does_not_take_them(
        self, serve: Any, hidden: Hidden, cos_map: Any
    ) -> None:
        cos_map["twin"] = {**cos_map["data"]}
        s3 = serve(cos_map).boto(retry=False)
        token = s3.list_objects_v2(**PAGES, MaxKeys=1)["NextContinuationToken"]
        answer = refused(s3.list_objects_v2, Bucket="twin", ContinuationToken=token)
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        upload = s3.create_multipart_upload(Bucket="data", Key="k")["UploadId"]
        answer = refused(s3.list_parts, Bucket="twin", Key="k", UploadId=upload)
        assert (answer.status, answer.code) == (404, "NoSuchUpload")
        s3.abort_multipart_upload(Bucket="data", Key="k", UploadId=upload)

    def test_without_a_folder_they_are_the_stores_own(
        self, serve: Any, hidden: Hidden, cos_map: Any
    ) -> None:
        s3 = serve(cos_map).boto()
        listed = hidden.store.client().create_multipart_upload(Bucket=hidden.other, Key="k")
        upload = listed["UploadId"]
        assert s3.list_parts(Bucket="named", Key="k", UploadId=upload)["UploadId"] == upload
        s3.abort_multipart_upload(Bucket="named", Key="k", UploadId=upload)


def metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {"ResponseMetadata": answer["ResponseMetadata"]}
