"""Copies between two stores: what one store does by itself, done by the proxy.

The same copies within a store, by the store, show what is right. Where a store departs from
what AWS documents, the departure is named here, and the proxy does as AWS.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import itertools
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, ROOT, Front, settings
from helpers.apart import Apart
from helpers.children import clean_environment
from helpers.clients import refused
from helpers.double import S3Double, Seen
from helpers.ibm import IamDouble
from helpers.monitor import scrape
from helpers.stores import STORES, Store, minio
from helpers.vast import VastStore
from helpers.wait import until

slow = [pytest.mark.slow]
HOUR = datetime.timedelta(hours=1)
MIB = 1 << 20
PAIRS = [("minio", "versitygw"), ("versitygw", "minio"), ("minio", "minio")]
FILLED = {
    "ContentType": "text/x",
    "ContentEncoding": "br",
    "ContentLanguage": "de",
    "ContentDisposition": "inline",
    "CacheControl": "no-cache",
    "Expires": datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc),
    "Metadata": {"a": "b", "C-d": "e f"},
    "Tagging": "t=1&u=a%20b%2F%3D%2B",
}
SOURCES: dict[str, dict[str, Any]] = {
    "filled": {"Body": b"hello", **FILLED},
    "empty": {"Body": b""},
    "large": {"Body": random.Random(3).randbytes(300_000), "ChecksumAlgorithm": "SHA256"},
}
SHOWN = (
    *("ContentType", "ContentEncoding", "ContentLanguage", "ContentDisposition", "CacheControl"),
    *("Expires", "Metadata", "ETag", "ContentLength", "ChecksumType", "ChecksumCRC32"),
    *("ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"),
)


@dataclass(frozen=True)
class Two:
    """The bucket "from" is at one store, and "to" at another; "near" is at that one, too."""

    source: Store
    target: Store
    front: Front
    buckets: dict[str, str]  # by entry: what its store calls it

    def __post_init__(self) -> None:
        for store, entry in ((self.source, "from"), (self.target, "near")):
            for key, what in SOURCES.items():
                store.client().put_object(Bucket=self.buckets[entry], Key=key, **what)

    def sources(self) -> Iterator[tuple[str, Store]]:
        yield "near", self.target
        yield "from", self.source

    def clear(self, key: str = "k") -> None:
        self.target.client().delete_object(Bucket=self.buckets["target"], Key=key)

    def stored(self, key: str = "k") -> dict[str, Any]:
        """What the target's store has, as far as it matters."""
        s3, where = self.target.client(), {"Bucket": self.buckets["target"], "Key": key}
        try:
            got = s3.get_object(**where, ChecksumMode="ENABLED")
        except botocore.exceptions.ClientError as error:
            return {"Stored": error.response["Error"]["Code"]}
        tags = s3.get_object_tagging(**where)["TagSet"]
        shown = {name: got[name] for name in SHOWN if name in got}
        tags = sorted((t["Key"], t["Value"]) for t in tags)
        return {**shown, "Body": got["Body"].read(), "Tags": tags}


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: " to ".join(pair))
def two(
    request: pytest.FixtureRequest,
    running_stores: Callable[[str], Store],
    certificates: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Two]:
    """Each pair of stores, with a proxy in front of both."""
    source, target = request.param
    wanted = request.config.getoption("stores").split(",")
    if not {source, target} <= set(wanted):
        pytest.skip("not among --stores")
    folder = tmp_path_factory.mktemp("two")
    with ExitStack() as stack:
        first, second = running_stores(source), running_stores(target)
        if source == target:
            second = stack.enter_context(STORES[target](folder / "second"))
        buckets = {"from": first.make_bucket(), "near": second.make_bucket()}
        buckets["target"] = second.make_bucket()
        cos_map = {
            "from": first.entry(bucket=buckets["from"]),
            "near": second.entry(bucket=buckets["near"]),
            "target": second.entry(bucket=buckets["target"]),
        }
        server = stack.enter_context(osp.ProxyServer(settings(cos_map)))
        yield Two(first, second, Front(server, certificates.ca, folder), buckets)


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
    differences = []
    for key, (name, order) in itertools.product(SOURCES, grid()):
        if departs(two.target.name, name, key):
            continue
        seen: list[dict[str, Any]] = []
        for entry, store in two.sources():
            two.clear()
            head = store.client().head_object(Bucket=two.buckets[entry], Key=key)
            seen.append(copied(two, entry, key, order(head)))
        if different := between(*seen):
            differences.append((key, name, different))
    assert not differences, differences


def copied(two: Two, entry: str, key: str, order: dict[str, Any]) -> dict[str, Any]:
    """What the client is told, and what there is then."""
    source = {"Bucket": entry, "Key": key}
    try:
        answer = two.front.boto().copy_object(Bucket="target", Key="k", CopySource=source, **order)
    except botocore.exceptions.ClientError as error:
        told = error.response
        status = told["ResponseMetadata"]["HTTPStatusCode"]
        return {"Status": status, "Code": told["Error"]["Code"], **two.stored()}
    result = answer["CopyObjectResult"]
    age = datetime.datetime.now(datetime.timezone.utc) - result["LastModified"]
    return {"Now": abs(age) < HOUR, "Told": result["ETag"], **two.stored()}


def between(near: dict[str, Any], far: dict[str, Any]) -> dict[str, Any]:
    """What differs, but for the time that MinIO forgets when it copies."""
    names = (near.keys() | far.keys()) - {"Expires"}
    both = {name: (near.get(name), far.get(name)) for name in names}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


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


RANGES = (None, "bytes=0-4", "bytes=1-2", "bytes=0-100", "bytes=3-1", "bytes=0-", "nonsense")


def test_a_copied_part_is_what_the_store_itself_would_have_made(two: Two) -> None:
    s3, differences = two.front.boto(), []
    for span in RANGES:
        if two.target.name == "versitygw" and span == "bytes=0-":
            continue  # it takes that for one byte more than there is
        seen: list[dict[str, Any]] = []
        for entry, _ in two.sources():
            upload = s3.create_multipart_upload(Bucket="target", Key="k")["UploadId"]
            seen.append(copied_part(two, upload, entry, span))
        if different := between(*seen):
            differences.append((span, different))
    assert not differences, differences


def copied_part(two: Two, upload: str, entry: str, span: str | None) -> dict[str, Any]:
    s3, where = two.front.boto(), {"Bucket": "target", "Key": "k", "UploadId": upload}
    order = {"CopySourceRange": span} if span else {}
    source = {"Bucket": entry, "Key": "filled"}
    two.clear()
    try:
        part = s3.upload_part_copy(**where, PartNumber=1, CopySource=source, **order)
    except botocore.exceptions.ClientError as error:
        return {"Code": error.response["Error"]["Code"]}
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    return {"Told": part["CopyPartResult"]["ETag"], **two.stored()}


def test_parts_have_the_checksum_of_their_upload(two: Two) -> None:
    """MinIO itself can't copy such parts."""
    s3, where = two.front.boto(), {"Bucket": "target", "Key": "summed"}
    upload = s3.create_multipart_upload(**where, ChecksumAlgorithm="CRC32C")["UploadId"]
    source = {"Bucket": "from", "Key": "large"}
    result = s3.upload_part_copy(**where, UploadId=upload, PartNumber=1, CopySource=source)
    part = {"PartNumber": 1, "ETag": result["CopyPartResult"]["ETag"]}
    part["ChecksumCRC32C"] = result["CopyPartResult"]["ChecksumCRC32C"]
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": [part]})
    assert s3.get_object(**where)["Body"].read() == SOURCES["large"]["Body"]


def test_an_upload_that_does_not_exist(two: Two) -> None:
    s3, order = two.front.boto(), {"Bucket": "target", "Key": "k", "PartNumber": 1}
    source = {"Bucket": "from", "Key": "filled"}
    answer = refused(s3.upload_part_copy, **order, UploadId="none", CopySource=source)
    assert (answer.status, answer.code) == (404, "NoSuchUpload")


def test_an_object_of_parts_is_copied_as_one(two: Two) -> None:
    body = random.Random(4).randbytes(11 * MIB)
    s3 = two.front.boto()
    upload = s3.create_multipart_upload(Bucket="from", Key="parts")["UploadId"]
    where, parts = {"Bucket": "from", "Key": "parts", "UploadId": upload}, []
    for number, at in enumerate((0, 6 * MIB), 1):
        piece = body[at : at + 6 * MIB]
        done = s3.upload_part(**where, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket="target", Key="k", CopySource={"Bucket": "from", "Key": "parts"})
    assert s3.get_object(Bucket="target", Key="k")["Body"].read() == body


def test_what_is_not_there_is_told_by_the_clients_names(two: Two) -> None:
    s3 = two.front.boto()
    source = {"Bucket": "from", "Key": "none"}
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.copy_object(Bucket="target", Key="k", CopySource=source)
    told = caught.value.response["Error"]
    assert (told["Code"], told["BucketName"], told["Key"]) == ("NoSuchKey", "from", "none")
    assert not any(name in str(told) for name in two.buckets.values())


class TestVersions:
    @pytest.fixture
    def versions(self, two: Two) -> list[str]:
        """Two versions of "versioned" and, on top, a delete marker."""
        if two.source.name != "minio":
            pytest.skip("the store has no versions")
        s3, bucket = two.source.client(), two.buckets["from"]
        on = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=on)
        where = {"Bucket": bucket, "Key": "versioned"}
        made = [
            s3.put_object(**where, Body=body, Tagging=f"v={body.decode()}")["VersionId"]
            for body in (b"one", b"two")
        ]
        return [*made, s3.delete_object(**where)["VersionId"]]

    def test_the_version_that_is_asked_for_is_copied_with_its_tags(
        self, two: Two, versions: list[str]
    ) -> None:
        for version, body in zip(versions, (b"one", b"two"), strict=False):
            source = {"Bucket": "from", "Key": "versioned", "VersionId": version}
            answer = two.front.boto().copy_object(Bucket="target", Key="k", CopySource=source)
            assert answer["CopySourceVersionId"] == version
            stored = two.stored()
            assert (stored["Body"], stored["Tags"]) == (body, [("v", body.decode())])

    def test_a_delete_marker_is_no_object(self, two: Two, versions: list[str]) -> None:
        s3, source = two.front.boto(), {"Bucket": "from", "Key": "versioned"}
        gone = refused(s3.copy_object, Bucket="target", Key="k", CopySource=source)
        assert (gone.status, gone.code) == (404, "NoSuchKey")
        source["VersionId"] = versions[-1]
        marker = refused(s3.copy_object, Bucket="target", Key="k", CopySource=source)
        assert (marker.status, marker.code) == (400, "InvalidRequest")


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


def test_copies_are_counted_and_logged(two: Two, serve: Any, tmp_path: Path) -> None:
    cos_map = {
        "from": two.source.entry(bucket=two.buckets["from"]),
        "target": two.target.entry(bucket=two.buckets["target"]),
    }
    log = tmp_path / "access.log"
    front = serve(cos_map, metrics_port=0, access_log=str(log))
    s3 = front.boto()
    for key in ("large", "none"):
        try:
            s3.copy_object(Bucket="target", Key="k", CopySource={"Bucket": "from", "Key": key})
        except botocore.exceptions.ClientError:
            assert key == "none"
    seen = scrape(front.server)
    labels = {"source": "from", "bucket": "target"}
    assert seen.value("osp_copies_total", **labels, outcome="copied") == 1
    assert seen.value("osp_copies_total", **labels, outcome="refused") == 1
    assert seen.value("osp_copied_bytes_total", **labels) == 300_000
    text = until(lambda: log.read_text() if log.exists() else "", "the log")
    assert '"copy_source":"from/large"' in text
    assert '"bytes_copied":300000' in text


def test_each_side_is_encrypted_with_its_own_key(
    request: pytest.FixtureRequest, serve: Any, certificates: Any, tmp_path: Path
) -> None:
    """MinIO takes such keys by TLS only."""
    if "minio" not in request.config.getoption("stores").split(","):
        pytest.skip("not among --stores")
    with ExitStack() as stack:
        stores = [stack.enter_context(minio(tmp_path / n, certificates)) for n in ("a", "b")]
        entries = {}
        for store, name in zip(stores, ("from", "target"), strict=True):
            store.client().create_bucket(Bucket=name)
            entries[name] = store.entry(ca_file=certificates.ca)
        s3 = serve(entries).boto("https")
        old, new = ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": k * 32} for k in "ab")
        s3.put_object(Bucket="from", Key="k", Body=b"secret", **old)
        source = {f"CopySource{name}": value for name, value in old.items()}
        order = {"Bucket": "target", "Key": "k", "CopySource": {"Bucket": "from", "Key": "k"}}
        answer = s3.copy_object(**order, **source, **new)
        assert answer["SSECustomerAlgorithm"] == "AES256"
        assert s3.get_object(Bucket="target", Key="k", **new)["Body"].read() == b"secret"
        assert refused(s3.get_object, Bucket="target", Key="k", **old).status in (400, 403)
        assert refused(s3.copy_object, **order, **new).status == 400  # without that of the source


def test_ibms_bearer_tokens_open_either_side(double: S3Double, serve: Any) -> None:
    """IBM takes no checksums, so the ETag that it returns shows that all has arrived."""
    with IamDouble({"key"}) as iam, S3Double(check=iam.problem_with_bearer) as cos:
        cos.answer = double.answer = untagged
        entries = {
            "ibm": cos.entry(access_key=None, secret_key=None, api_key="key"),
            "data": double.entry(),
        }
        s3 = serve(entries, iam_endpoint=iam.endpoint).boto()
        s3.copy_object(Bucket="ibm", Key="k", CopySource={"Bucket": "data", "Key": "k"})
        assert cos.objects == {b"/ibm/k": b"x"}
        assert not any("checksum" in name for name in cos.seen[-1].headers)
        s3.copy_object(Bucket="data", Key="back", CopySource={"Bucket": "ibm", "Key": "k"})
        assert double.objects[b"/data/back"] == b"x"
        assert (cos.problems, double.problems, iam.problems) == ([], [], [])


def untagged(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
    return (
        (404, {}, b"<Error><Code>NoSuchTagSet</Code></Error>") if "tagging" in seen.target else None
    )


class TestClients:
    """What moves objects from bucket to bucket need not know that these are at two stores."""

    @pytest.mark.slow
    def test_aws_cp_mv_and_sync(self, two: Two, tmp_path: Path) -> None:
        aws, here, back = two.front.aws(), tmp_path / "large", tmp_path / "back"
        here.write_bytes(random.Random(5).randbytes(20 * MIB))
        aws("s3", "cp", here, "s3://from/cli/large")  # in parts, as all of it is copied then
        aws("s3", "cp", "s3://from/cli/large", "s3://target/cli/large")
        aws("s3", "cp", "s3://target/cli/large", back)
        assert back.read_bytes() == here.read_bytes()
        aws("s3", "mv", "s3://from/filled", "s3://target/cli/moved")
        aws("s3", "mv", "s3://target/cli/moved", "s3://from/filled")
        aws("s3", "sync", "s3://from/cli", "s3://target/synced")
        assert aws("s3", "sync", "s3://from/cli", "s3://target/synced") == ""
        assert "large" in aws("s3", "ls", "s3://target/synced/")

    @pytest.mark.parametrize("name", ["rclone", "s3fs"])
    def test_a_client_of_the_pinned_ones(self, two: Two, tmp_path: Path, name: str) -> None:
        script = ROOT / "tests" / "clients" / f"between_{name}.py"
        done = subprocess.run(
            [ROOT / ".build" / "clients" / "bin" / "python", script],
            cwd=tmp_path,
            env=clean_environment(
                HOME=str(tmp_path),
                S3_ENDPOINT=two.front.url(),
                S3_ACCESS=CLIENT.access,
                S3_SECRET=CLIENT.secret,
                S3_BUCKET="from",
                S3_OTHER="target",
                S3_CA=str(two.front.ca),
            ),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.stdout.startswith("passed"), done.stdout + done.stderr


@pytest.fixture
def vast(tmp_path: Path) -> Iterator[tuple[VastStore, VastStore, Apart]]:
    """Two stores without limits, and a proxy in a process of its own."""
    with ExitStack() as stack:
        source, target = (stack.enter_context(VastStore()) for _ in range(2))
        config = {
            "cos_map": {"source": source.entry(), "target": target.entry()},
            "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        }
        yield source, target, stack.enter_context(Apart(tmp_path / "proxy", config))


COUNT, SIZE = 100, 16 * MIB


def test_a_hundred_copies_at_once_take_no_memory(
    vast: tuple[VastStore, VastStore, Apart],
) -> None:
    """All wait in the middle of their bodies; of these a sixteenth may be in memory."""
    source, target, proxy = vast
    s3 = proxy.boto(CLIENT, max_pool_connections=COUNT, retries={"total_max_attempts": 1})
    copy(s3, SIZE)
    before = scrape(proxy).value("process_resident_memory_bytes")
    source.reading = 0
    source.flows.clear()
    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
        copies = [pool.submit(copy, s3, SIZE) for _ in range(COUNT)]
        until(lambda: source.reading == COUNT, "all copies under way", 60)
        during = scrape(proxy).value("process_resident_memory_bytes")
        source.flows.set()
        for one in copies:
            one.result()
    after = scrape(proxy).value("process_resident_memory_bytes")
    assert max(during, after) - before < COUNT * SIZE / 16
    assert target.taken == [SIZE] * (COUNT + 1)
    until(lambda: proxy.level().requests == 0, "the last copy's end")


def copy(s3: Any, size: int) -> Any:
    return s3.copy_object(
        Bucket="target", Key="k", CopySource={"Bucket": "source", "Key": str(size)}
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_gibibytes_are_copied_and_not_a_byte_more(
    vast: tuple[VastStore, VastStore, Apart],
) -> None:
    _, target, proxy = vast
    s3 = proxy.boto(CLIENT, read_timeout=300)
    answer = refused(copy, s3=s3, size=(5 << 30) + 1)
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    copy(s3, 5 << 30)
    assert target.taken == [5 << 30]
