"""What is copied between two stores: versions, encrypted objects, all kinds of checksums."""

from __future__ import annotations

import itertools
import pprint
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from helpers.clients import refused
from helpers.pair import Two, differences
from helpers.stores import Store, minio

MIB = 1 << 20
UNKNOWN = "00000000-0000-4000-8000-000000000000"  # as MinIO's versions are called
BODY = random.Random(7).randbytes(5 * MIB + 1000)


def history(store: Store, bucket: str) -> dict[str, str]:
    """Two versions of "versioned" and, on top, a delete marker."""
    s3, where = store.client(), {"Bucket": bucket, "Key": "versioned"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made = {
        name: s3.put_object(**where, Body=name.encode(), Tagging=f"v={name}")["VersionId"]
        for name in ("one", "two")
    }
    return {**made, "marker": s3.delete_object(**where)["VersionId"]}


class TestVersions:
    @pytest.fixture
    def versions(self, two: Two) -> dict[str, str]:
        if two.source.name != "minio":
            pytest.skip("the store has no versions")
        return history(two.source, two.buckets["from"])

    def test_the_version_that_is_asked_for_is_copied_with_its_tags(
        self, two: Two, versions: dict[str, str]
    ) -> None:
        for name in ("one", "two"):
            source = {"Bucket": "from", "Key": "versioned", "VersionId": versions[name]}
            answer = two.front.boto().copy_object(Bucket="target", Key="k", CopySource=source)
            assert answer["CopySourceVersionId"] == versions[name]
            stored = two.stored()
            assert (stored["Body"], stored["Tags"]) == (name.encode(), [("v", name)])

    def test_a_delete_marker_is_no_object(self, two: Two, versions: dict[str, str]) -> None:
        s3, source = two.front.boto(), {"Bucket": "from", "Key": "versioned"}
        gone = refused(s3.copy_object, Bucket="target", Key="k", CopySource=source)
        assert (gone.status, gone.code) == (404, "NoSuchKey")
        source["VersionId"] = versions["marker"]
        marker = refused(s3.copy_object, Bucket="target", Key="k", CopySource=source)
        assert (marker.status, marker.code) == (400, "InvalidRequest")

    def test_a_version_is_copied_as_the_store_itself_would(
        self, two: Two, versions: dict[str, str]
    ) -> None:
        if two.target.name != "minio":
            pytest.skip("the store has no versions")
        near = history(two.target, two.buckets["near"])
        kept = {"from": versions, "near": near}
        first = two.copied({"Bucket": "near", "Key": "versioned", "VersionId": near["one"]}, {})
        orders: list[dict[str, Any]] = [
            {},
            {"CopySourceIfMatch": first["Told"]},
            {"CopySourceIfNoneMatch": first["Told"]},
            {"TaggingDirective": "REPLACE", "Tagging": "new=1"},
            {"MetadataDirective": "REPLACE", "Metadata": {"new": "1"}},
        ]
        found = []
        for name, order in itertools.product((None, "one", "two", "null", UNKNOWN), orders):
            seen = []
            for entry in ("near", "from"):
                two.clear()
                version = {"VersionId": kept[entry].get(name, name)} if name else {}
                one = two.copied({"Bucket": entry, "Key": "versioned", **version}, order)
                seen.append({**one, "Version": one.get("Version") == kept[entry].get(name or "")})
            if different := differences(*seen):
                found.append((name, order, different))
        assert not found, pprint.pformat(found, width=200)


@dataclass(frozen=True)
class Summed:
    """An object with a checksum of the whole, or of its parts, or put at once."""

    algorithm: str
    kind: str | None  # None: put at once

    @property
    def key(self) -> str:
        return f"summed/{self.algorithm}-{self.kind}"

    def put(self, store: Store, bucket: str) -> None:
        s3, where = store.client(), {"Bucket": bucket, "Key": self.key}
        asked = {"ChecksumAlgorithm": self.algorithm}
        if self.kind is None:
            # What boto3 can't calculate without more packages, the store can; but versitygw
            # gives an object that is copied onto itself the checksum of nothing.
            plain = {"Bucket": bucket, "Key": "plain"}
            s3.put_object(**plain, Body=BODY)
            s3.copy_object(**where, CopySource=plain, **asked)
            return
        upload = s3.create_multipart_upload(**where, **asked, ChecksumType=self.kind)
        where["UploadId"] = upload["UploadId"]
        parts, name = [], f"Checksum{self.algorithm}"
        for number, piece in enumerate((BODY[: 5 * MIB], BODY[5 * MIB :]), 1):
            done = s3.upload_part(**where, PartNumber=number, Body=piece, **asked)
            parts.append({"PartNumber": number, "ETag": done["ETag"], name: done[name]})
        s3.complete_multipart_upload(
            **where, MultipartUpload={"Parts": parts}, ChecksumType=self.kind
        )


SUMMED = [
    *(Summed(a, None) for a in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")),
    Summed("CRC32", "FULL_OBJECT"),
    *(Summed(a, "COMPOSITE") for a in ("CRC32", "SHA1", "SHA256")),
]


@pytest.mark.slow
def test_a_copy_has_the_checksum_that_the_store_itself_would_give_it(two: Two) -> None:
    """Of all bytes in a row, whatever the source has."""
    found = []
    for summed in SUMMED:
        for entry, store in two.sources():
            summed.put(store, two.buckets[entry])
        for wanted in (None, "CRC32C", "SHA256"):
            order = {"ChecksumAlgorithm": wanted} if wanted else {}
            seen = []
            for entry, _ in two.sources():
                two.clear()
                seen.append(two.copied({"Bucket": entry, "Key": summed.key}, order))
                seen[-1].pop("Version", None)  # which only some stores have
            if different := differences(*seen):
                different.pop("Body", None)
                found.append((summed, wanted, different))
    assert not found, pprint.pformat(found, width=200)


OLD, NEW, OTHER = (
    {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": letter * 32} for letter in "abc"
)


@dataclass(frozen=True)
class Locked:
    """The buckets "from", "near" and "target", the latter two at one MinIO, by TLS."""

    s3: Any  # through the proxy

    def copied(self, how: str, entry: str, source: dict[str, str], target: dict[str, str]) -> Any:
        """What the client is told of a copy, and what there is then."""
        where = {"Bucket": "target", "Key": "k"}
        given = {f"CopySource{name}": value for name, value in source.items()}
        self.s3.delete_object(**where)
        order = {**where, **given, **target, "CopySource": {"Bucket": entry, "Key": "k"}}
        try:
            if how == "copy_object":
                answer = self.s3.copy_object(**order)
            else:
                answer = self.part(where, order, target)
        except botocore.exceptions.ClientError as error:
            return {"Status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
        got = self.s3.get_object(**where, **target)
        return {"Encrypted": answer.get("SSECustomerAlgorithm"), "Body": got["Body"].read()}

    def part(self, where: dict[str, str], order: dict[str, Any], target: dict[str, str]) -> Any:
        upload = {
            **where,
            "UploadId": self.s3.create_multipart_upload(**where, **target)["UploadId"],
        }
        answer = self.s3.upload_part_copy(**order, UploadId=upload["UploadId"], PartNumber=1)
        parts = [{"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}]
        self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **target)
        return answer


@pytest.fixture
def locked(
    request: pytest.FixtureRequest, serve: Any, certificates: Any, tmp_path: Path
) -> Iterator[Locked]:
    """MinIO takes keys of clients by TLS only."""
    if "minio" not in request.config.getoption("stores").split(","):
        pytest.skip("not among --stores")
    with ExitStack() as stack:
        far, near = (stack.enter_context(minio(tmp_path / n, certificates)) for n in ("a", "b"))
        entries = {}
        for store, name in ((far, "from"), (near, "near"), (near, "target")):
            store.client().create_bucket(Bucket=name)
            entries[name] = store.entry(ca_file=certificates.ca)
        yield Locked(serve(entries).boto("https"))


def test_each_side_is_encrypted_with_its_own_key(locked: Locked) -> None:
    locked.s3.put_object(Bucket="from", Key="k", Body=b"secret", **OLD)
    seen = locked.copied("copy_object", "from", OLD, NEW)
    assert seen == {"Encrypted": "AES256", "Body": b"secret"}
    where = {"Bucket": "target", "Key": "k"}
    assert refused(locked.s3.get_object, **where, **OLD).status in (400, 403)
    assert locked.copied("copy_object", "from", {}, NEW) == {"Status": 400}


@pytest.mark.slow
def test_keys_of_clients_open_what_they_open_at_the_store_itself(locked: Locked) -> None:
    """Each key, another and none, on each side. MinIO itself copies parts with wrong ones."""
    found = []
    for kept in (OLD, {}):
        for entry in ("near", "from"):
            locked.s3.put_object(Bucket=entry, Key="k", Body=b"secret", **kept)
        for how, source, target, entry in itertools.product(
            ("copy_object", "upload_part_copy"), (OLD, OTHER, {}), (NEW, OLD, {}), ("near", "from")
        ):
            fits = source == kept
            if entry == "near" and how == "upload_part_copy" and not fits:
                continue
            seen = locked.copied(how, entry, source, target)
            if fits != (seen.get("Body") == b"secret"):
                found.append((how, entry, kept, source, target, seen))
    assert not found, pprint.pformat(found, width=200)
