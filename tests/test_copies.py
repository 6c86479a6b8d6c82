"""Copies between two stores: what one store does by itself, done by the proxy.

The same copies within a store, by the store, show what is right. Where a store departs from
what AWS documents, the departure is named here, and the proxy does as AWS.
"""

from __future__ import annotations

import datetime
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions
import pytest
from helpers.clients import refused
from helpers.pair import FILLED, SOURCES, Two, differences

slow = [pytest.mark.slow]
HOUR = datetime.timedelta(hours=1)
Case = tuple[str, Callable[[Any], dict[str, Any]]]


def directives() -> Iterator[Case]:
    new = {"Metadata": {"new": "1"}, "ContentType": "text/new", "Tagging": "n=1"}
    for metadata, tagging, given in itertools.product(
        (None, "COPY", "REPLACE", "MERGE"), (None, "COPY", "REPLACE", "MERGE"), (False, True)
    ):
        ordered = {"MetadataDirective": metadata, "TaggingDirective": tagging}
        order = {name: value for name, value in ordered.items() if value} | (new if given else {})
        yield f"{metadata}, {tagging}, {given}", lambda _, order=order: order  # type: ignore[misc]


def conditions() -> Iterator[Case]:
    """Each alone and each two together, true and false."""
    names = ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
    for holds in itertools.product((None, True, False), repeat=4):
        if sum(one is not None for one in holds) <= 2:
            given = {n: h for n, h in zip(names, holds, strict=True) if h is not None}
            yield (
                str(given),
                lambda head, given=given: {  # type: ignore[misc]
                    f"CopySource{name}": value(name, true, head) for name, true in given.items()
                },
            )


def value(name: str, true: bool, head: Any) -> Any:
    """What makes a condition hold or fail."""
    modified = head["LastModified"]
    return {
        "IfMatch": head["ETag"] if true else '"other"',
        "IfNoneMatch": '"other"' if true else head["ETag"],
        "IfModifiedSince": modified - HOUR if true else modified + datetime.timedelta(seconds=1),
        "IfUnmodifiedSince": modified + HOUR if true else modified - HOUR,
    }[name]


def others() -> Iterator[Case]:
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        yield algorithm, lambda _, a=algorithm: {"ChecksumAlgorithm": a}  # type: ignore[misc]
    yield "a class", lambda _: {"StorageClass": "STANDARD"}
    yield "a new object", lambda _: {"IfNoneMatch": "*"}


# Where a store departs from AWS: it has the right to, for its own copies.
def departs(store: str, name: str, key: str) -> str:
    """Why the store itself answers otherwise; empty: it should not."""
    not_modified = "'IfNoneMatch': False", "'IfModifiedSince': False"
    if store == "versitygw" and any(one in name for one in not_modified):
        return "a condition that fails is a 304, which no copy has"
    if store == "minio" and name in (
        "{'IfMatch': True, 'IfUnmodifiedSince': False}",
        "{'IfNoneMatch': True, 'IfModifiedSince': False}",
    ):
        return "a time counts beside an ETag, although that one decides"
    if store == "minio" and name.startswith(("REPLACE, None, True", "REPLACE, COPY, True")):
        return "new tags count although those of the source are to be copied" * (key != "filled")
    return ""


@pytest.mark.parametrize(
    "grid",
    [pytest.param(directives, marks=slow), pytest.param(conditions, marks=slow), others],
)
def test_a_copy_is_what_the_store_itself_would_have_made(two: Two, grid: Any) -> None:
    found = []
    for key, (name, order) in itertools.product(SOURCES, grid()):
        if departs(two.target.name, name, key):
            continue
        seen: list[dict[str, Any]] = []
        for entry, store in two.sources():
            two.clear()
            head = store.client().head_object(Bucket=two.buckets[entry], Key=key)
            seen.append(two.copied({"Bucket": entry, "Key": key}, order(head)))
        if different := differences(*seen):
            found.append((key, name, different))
    assert not found, found


def test_all_that_describes_an_object_comes_along(two: Two) -> None:
    two.clear()
    source = {"Bucket": "from", "Key": "filled"}
    two.front.boto().copy_object(Bucket="target", Key="k", CopySource=source)
    stored = two.stored()
    kept = {name: FILLED[name] for name in FILLED if name not in ("Metadata", "Tagging")}
    assert {name: stored[name] for name in kept} == kept
    assert stored["Metadata"] == {"a": "b", "c-d": "e f"}
    assert stored["Tags"] == [("t", "1"), ("u", "a b/=+")]


def test_an_object_without_a_checksum_gets_one_on_its_way(two: Two) -> None:
    """And its ETag goes along as its MD5."""
    body = random.Random(6).randbytes(300_000)
    plain = two.source.client(request_checksum_calculation="when_required")
    plain.put_object(Bucket=two.buckets["from"], Key="bare", Body=body, ContentEncoding="br")
    two.clear()
    two.front.boto().copy_object(
        Bucket="target", Key="k", CopySource={"Bucket": "from", "Key": "bare"}
    )
    stored = two.stored()
    assert (stored["Body"], stored["ContentEncoding"]) == (body, "br")
    assert stored["ChecksumCRC64NVME"]


def test_a_condition_that_fails_is_a_412_whatever_the_store_makes_of_it(two: Two) -> None:
    head = two.source.client().head_object(Bucket=two.buckets["from"], Key="filled")
    s3, copy = two.front.boto(), {"Bucket": "target", "Key": "k"}
    for name in ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince"):
        order = {f"CopySource{name}": value(name, False, head)}
        source = {"Bucket": "from", "Key": "filled"}
        answer = refused(s3.copy_object, **copy, CopySource=source, **order)
        assert (answer.status, answer.code) == (412, "PreconditionFailed"), name


def test_the_target_is_overwritten_only_as_the_client_says(two: Two) -> None:
    s3, source = two.front.boto(), {"Bucket": "from", "Key": "filled"}
    s3.put_object(Bucket="target", Key="there", Body=b"old")
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        answer = refused(
            s3.copy_object, Bucket="target", Key="there", CopySource=source, **condition
        )
        assert (answer.status, answer.code) == (412, "PreconditionFailed")
        assert s3.get_object(Bucket="target", Key="there")["Body"].read() == b"old"
    etag = s3.head_object(Bucket="target", Key="there")["ETag"]
    s3.copy_object(Bucket="target", Key="there", CopySource=source, IfMatch=etag)
    assert s3.get_object(Bucket="target", Key="there")["Body"].read() == b"hello"


def test_what_is_not_there_is_told_by_the_clients_names(two: Two) -> None:
    s3 = two.front.boto()
    source = {"Bucket": "from", "Key": "none"}
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.copy_object(Bucket="target", Key="k", CopySource=source)
    told = caught.value.response["Error"]
    assert (told["Code"], told["BucketName"], told["Key"]) == ("NoSuchKey", "from", "none")
    assert not any(name in str(told) for name in two.buckets.values())


def test_a_folder_is_copied_from_and_to_by_the_names_that_it_shows(two: Two, serve: Any) -> None:
    front = serve(
        {
            "inbox": two.source.entry(bucket=two.buckets["from"], prefix="a b/in/"),
            "outbox": two.target.entry(bucket=two.buckets["target"], prefix="out/"),
        }
    )
    s3 = front.boto()
    s3.put_object(Bucket="inbox", Key="x ü", Body=b"body", Tagging="a=b")
    s3.copy_object(Bucket="outbox", Key="y", CopySource={"Bucket": "inbox", "Key": "x ü"})
    stored = two.stored("out/y")
    assert (stored["Body"], stored["Tags"]) == (b"body", [("a", "b")])
    answer = refused(
        s3.copy_object, Bucket="outbox", Key="y", CopySource={"Bucket": "inbox", "Key": "../x"}
    )
    assert answer.code == "InvalidURI"


def test_both_sides_are_asked_about(two: Two, serve: Any) -> None:
    asked = []

    def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
        asked.append((request["operation"], bucket, request["key"]))
        return bucket != "from" or request["key"] != "empty"

    cos_map = {
        "from": two.source.entry(bucket=two.buckets["from"]),
        "target": two.target.entry(bucket=two.buckets["target"]),
    }
    s3 = serve(cos_map, validator=validator).boto()
    s3.copy_object(Bucket="target", Key="k", CopySource={"Bucket": "from", "Key": "filled"})
    assert asked == [("CopyObject", "target", "k"), ("GetObject", "from", "filled")]
    answer = refused(
        s3.copy_object, Bucket="target", Key="k", CopySource={"Bucket": "from", "Key": "empty"}
    )
    assert answer.code == "AccessDenied"
