"""Objects through the proxy with boto3's defaults, over http and https."""

from __future__ import annotations

import datetime
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from helpers.clients import refused

BODY = b"A line of data.\n" * 4096


def test_an_object_comes_back_as_it_was_put(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/plain.bin"
    s3.put_object(Bucket=place.bucket, Key=key, Body=BODY)
    assert s3.get_object(Bucket=place.bucket, Key=key)["Body"].read() == BODY
    stored = place.direct.get_object(Bucket=place.bucket, Key=key)
    assert stored["Body"].read() == BODY
    assert stored["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'


def test_an_empty_object_has_a_length_of_zero(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/empty"
    s3.put_object(Bucket=place.bucket, Key=key, Body=b"")
    got = s3.get_object(Bucket=place.bucket, Key=key)
    assert (got["ContentLength"], got["Body"].read()) == (0, b"")
    assert s3.head_object(Bucket=place.bucket, Key=key)["ContentLength"] == 0


def test_overwriting_replaces_the_object(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/twice"
    for body in (b"first", b"the second"):
        s3.put_object(Bucket=place.bucket, Key=key, Body=body)
        assert s3.get_object(Bucket=place.bucket, Key=key)["Body"].read() == body


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=-16", -16, None),
        ("bytes=65520-", 65520, None),
    ],
)
def test_a_range_gives_just_those_bytes(
    place: Any, s3: Any, scheme: str, asked: str, start: int, end: int | None
) -> None:
    key = f"{scheme}/ranged"
    s3.put_object(Bucket=place.bucket, Key=key, Body=BODY)
    got = s3.get_object(Bucket=place.bucket, Key=key, Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["Body"].read() == BODY[start:end]
    assert got["ContentRange"].endswith(f"/{len(BODY)}")


def test_a_range_beyond_the_end_is_the_stores_416(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/short"
    s3.put_object(Bucket=place.bucket, Key=key, Body=b"short")
    refusal = refused(s3.get_object, Bucket=place.bucket, Key=key, Range="bytes=100-200")
    assert (refusal.status, refusal.code) == (416, "InvalidRange")


def test_head_tells_what_get_would(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/described"
    s3.put_object(
        Bucket=place.bucket,
        Key=key,
        Body=b"a,b\n1,2\n",
        ContentType="text/csv; charset=utf-8",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="a b.csv"',
        ContentLanguage="de",
        Expires=datetime.datetime(2040, 1, 1, tzinfo=datetime.timezone.utc),
        Metadata={"owner": "team a", "rows": "1"},
    )
    head, got = (call(Bucket=place.bucket, Key=key) for call in (s3.head_object, s3.get_object))
    for answer in (head, got):
        assert answer["ContentLength"] == 8
        assert answer["ContentType"] == "text/csv; charset=utf-8"
        assert answer["CacheControl"] == "max-age=60"
        assert answer["ContentDisposition"] == 'attachment; filename="a b.csv"'
        assert answer["ContentLanguage"] == "de"
        assert answer["ExpiresString"] == "Sun, 01 Jan 2040 00:00:00 GMT"
        assert answer["Metadata"] == {"owner": "team a", "rows": "1"}
    assert head["ETag"] == got["ETag"]


def test_content_encoding_is_the_clients_alone(place: Any, s3: Any, scheme: str) -> None:
    # Over https boto3 sends `aws-chunked` beside the client's own encoding.
    key = f"{scheme}/encoded"
    s3.put_object(Bucket=place.bucket, Key=key, Body=b"not really gzip", ContentEncoding="gzip")
    kept = place.direct.head_object(Bucket=place.bucket, Key=key)["ContentEncoding"].split(",")
    if place.store.name == "versitygw" and "aws-chunked" in kept:
        kept.remove("aws-chunked")  # it keeps what it should strip, without a proxy too
    assert kept == ["gzip"]


def test_a_missing_key_is_the_stores_404(place: Any, s3: Any) -> None:
    refusal = refused(s3.get_object, Bucket=place.bucket, Key="no/such/key")
    assert (refusal.status, refusal.code) == (404, "NoSuchKey")
    refusal = refused(s3.head_object, Bucket=place.bucket, Key="no/such/key")
    assert refusal.status == 404


def test_the_checksum_of_an_upload_is_kept_by_the_store(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/checksummed"
    put = s3.put_object(Bucket=place.bucket, Key=key, Body=b"123456789", ChecksumAlgorithm="CRC32")
    assert put["ChecksumCRC32"] == "y/Q5Jg=="  # the check value of CRC-32, 0xCBF43926
    head = place.direct.head_object(Bucket=place.bucket, Key=key, ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == "y/Q5Jg=="


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_every_checksum_that_boto3_computes_arrives(
    place: Any, s3: Any, scheme: str, algorithm: str
) -> None:
    put = {"Bucket": place.bucket, "Key": f"{scheme}/{algorithm}", "Body": BODY}
    direct = place.direct.put_object(**put, ChecksumAlgorithm=algorithm)
    through = s3.put_object(**put, ChecksumAlgorithm=algorithm)
    assert through[f"Checksum{algorithm}"] == direct[f"Checksum{algorithm}"]


@pytest.mark.parametrize(
    ("algorithm", "checksum"), [("CRC32C", "4waSgw=="), ("CRC64NVME", "rosUhgp5mIg=")]
)
def test_every_checksum_that_boto3_is_given_arrives(
    place: Any, s3: Any, scheme: str, algorithm: str, checksum: str
) -> None:
    """The published check values; computing them would need botocore's crt."""
    put = {"Bucket": place.bucket, "Key": f"{scheme}/{algorithm}", "Body": b"123456789"}
    through = s3.put_object(**put, **{f"Checksum{algorithm}": checksum})
    assert through[f"Checksum{algorithm}"] == checksum
    put.update({"Key": f"{scheme}/wrong", "Body": b"123456780"})
    refusal = refused(s3.put_object, **put, **{f"Checksum{algorithm}": checksum})
    assert (refusal.status, refusal.code) == (400, "BadDigest")
    assert f"{scheme}/wrong" not in place.store.keys_in(place.bucket)


def test_a_list_of_many_pages_is_whole_and_in_order(place: Any, s3: Any, scheme: str) -> None:
    names = [f"{scheme}/pages/{n:03}" for n in range(25)]
    for name in names:
        s3.put_object(Bucket=place.bucket, Key=name, Body=b"x")
    for operation in ("list_objects_v2", "list_objects"):
        pages = list(
            s3.get_paginator(operation).paginate(
                Bucket=place.bucket, Prefix=f"{scheme}/pages/", PaginationConfig={"PageSize": 10}
            )
        )
        assert [len(page["Contents"]) for page in pages] == [10, 10, 5]
        assert [item["Key"] for page in pages for item in page["Contents"]] == names
        assert pages[0]["Name"] == place.bucket


def test_a_delimiter_groups_keys_as_folders(place: Any, s3: Any, scheme: str) -> None:
    for name in ("a/1", "a/2", "b/1", "top"):
        s3.put_object(Bucket=place.bucket, Key=f"{scheme}/tree/{name}", Body=b"x")
    listed = s3.list_objects_v2(Bucket=place.bucket, Prefix=f"{scheme}/tree/", Delimiter="/")
    assert [p["Prefix"] for p in listed["CommonPrefixes"]] == [
        f"{scheme}/tree/a/",
        f"{scheme}/tree/b/",
    ]
    assert [item["Key"] for item in listed["Contents"]] == [f"{scheme}/tree/top"]


def test_a_deleted_object_is_gone(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/doomed"
    s3.put_object(Bucket=place.bucket, Key=key, Body=b"x")
    assert (
        s3.delete_object(Bucket=place.bucket, Key=key)["ResponseMetadata"]["HTTPStatusCode"] == 204
    )
    assert key not in place.store.keys_in(place.bucket)


def test_delete_many_deletes_just_those(place: Any, s3: Any, scheme: str) -> None:
    names = [f"{scheme}/many/{n} & more" for n in range(7)]
    for name in [*names, f"{scheme}/many/kept"]:
        s3.put_object(Bucket=place.bucket, Key=name, Body=b"x")
    answer = s3.delete_objects(
        Bucket=place.bucket, Delete={"Objects": [{"Key": name} for name in names]}
    )
    assert sorted(item["Key"] for item in answer["Deleted"]) == names
    left = [k for k in place.store.keys_in(place.bucket) if k.startswith(f"{scheme}/many/")]
    assert left == [f"{scheme}/many/kept"]


def test_a_copy_within_a_bucket_is_the_same_object(place: Any, s3: Any, scheme: str) -> None:
    source, target = f"{scheme}/copy/from ü+%.txt", f"{scheme}/copy/to"
    s3.put_object(Bucket=place.bucket, Key=source, Body=BODY, Metadata={"kept": "yes"})
    s3.copy_object(
        Bucket=place.bucket, Key=target, CopySource={"Bucket": place.bucket, "Key": source}
    )
    got = s3.get_object(Bucket=place.bucket, Key=target)
    assert (got["Body"].read(), got["Metadata"]) == (BODY, {"kept": "yes"})


def test_tags_travel_with_an_object(place: Any, s3: Any, scheme: str) -> None:
    key = f"{scheme}/tagged"
    s3.put_object(Bucket=place.bucket, Key=key, Body=b"x", Tagging="stage=raw&team=a%20b")
    tags = s3.get_object_tagging(Bucket=place.bucket, Key=key)["TagSet"]
    assert {t["Key"]: t["Value"] for t in tags} == {"stage": "raw", "team": "a b"}


class TestConditions:
    """If-* headers are the store's to judge, and must reach it."""

    def test_put_if_none_match_refuses_to_overwrite(self, place: Any, s3: Any, scheme: str) -> None:
        key = f"{scheme}/once"
        s3.put_object(Bucket=place.bucket, Key=key, Body=b"first", IfNoneMatch="*")
        refusal = refused(
            s3.put_object, Bucket=place.bucket, Key=key, Body=b"second", IfNoneMatch="*"
        )
        assert (refusal.status, refusal.code) == (412, "PreconditionFailed")
        assert place.direct.get_object(Bucket=place.bucket, Key=key)["Body"].read() == b"first"

    def test_get_if_none_match_answers_304(self, place: Any, s3: Any, scheme: str) -> None:
        key = f"{scheme}/unchanged"
        etag = s3.put_object(Bucket=place.bucket, Key=key, Body=b"same")["ETag"]
        refusal = refused(s3.get_object, Bucket=place.bucket, Key=key, IfNoneMatch=etag)
        assert refusal.status == 304

    def test_get_if_match_refuses_another_version(self, place: Any, s3: Any, scheme: str) -> None:
        key = f"{scheme}/other"
        etag = s3.put_object(Bucket=place.bucket, Key=key, Body=b"one")["ETag"]
        assert s3.get_object(Bucket=place.bucket, Key=key, IfMatch=etag)["Body"].read() == b"one"
        refusal = refused(s3.get_object, Bucket=place.bucket, Key=key, IfMatch='"0" ')
        assert (refusal.status, refusal.code) == (412, "PreconditionFailed")

    def test_a_date_is_a_condition_too(self, place: Any, s3: Any, scheme: str) -> None:
        key = f"{scheme}/old"
        s3.put_object(Bucket=place.bucket, Key=key, Body=b"old")
        past = s3.head_object(Bucket=place.bucket, Key=key)["LastModified"] - timedelta(days=1)
        want = {"Bucket": place.bucket, "Key": key}
        assert s3.get_object(**want, IfModifiedSince=past)["Body"].read() == b"old"
        refusal = refused(s3.get_object, **want, IfUnmodifiedSince=past)
        assert (refusal.status, refusal.code) == (412, "PreconditionFailed")
