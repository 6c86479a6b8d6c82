"""UploadPartCopy between two stores: what one store does by itself, done by the proxy."""

from __future__ import annotations

import random
from typing import Any

import botocore.exceptions
import pytest
from helpers.clients import refused
from helpers.pair import SOURCES, Two, differences

MIB = 1 << 20
RANGES = (None, "bytes=0-4", "bytes=1-2", "bytes=0-100", "bytes=3-1", "bytes=0-", "nonsense")


def test_a_copied_part_is_what_the_store_itself_would_have_made(two: Two) -> None:
    s3, found = two.front.boto(), []
    for span in RANGES:
        if two.target.name == "versitygw" and span == "bytes=0-":
            continue  # it takes that for one byte more than there is
        seen: list[dict[str, Any]] = []
        for entry, _ in two.sources():
            upload = s3.create_multipart_upload(Bucket="target", Key="k")["UploadId"]
            seen.append(copied_part(two, upload, entry, span))
        if different := differences(*seen):
            found.append((span, different))
    assert not found, found


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


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32C", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
    ],
)
def test_parts_have_the_checksum_of_their_upload(two: Two, algorithm: str, kind: str) -> None:
    """MinIO itself can't copy such parts."""
    s3, where, name = (
        two.front.boto(),
        {"Bucket": "target", "Key": "summed"},
        f"Checksum{algorithm}",
    )
    asked = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    upload = s3.create_multipart_upload(**where, **asked)["UploadId"]
    source = {"Bucket": "from", "Key": "large"}
    result = s3.upload_part_copy(**where, UploadId=upload, PartNumber=1, CopySource=source)
    part = {"PartNumber": 1, "ETag": result["CopyPartResult"]["ETag"]}
    part[name] = result["CopyPartResult"][name]
    s3.complete_multipart_upload(
        **where, UploadId=upload, MultipartUpload={"Parts": [part]}, ChecksumType=kind
    )
    got = s3.get_object(**where, ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumType"]) == (SOURCES["large"]["Body"], kind)


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
