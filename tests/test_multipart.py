"""Large objects in parts, as boto3's transfer manager makes them."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from helpers.clients import refused

MIB = 1 << 20


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(MIB):
            digest.update(block)
        return digest.hexdigest()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 MiB, in which no two blocks are alike."""
    path = tmp_path_factory.mktemp("big") / "big.bin"
    noise = random.Random(1)
    with path.open("wb") as stream:
        for _ in range(100):
            stream.write(noise.randbytes(MIB))
    return path


@pytest.mark.slow
def test_100_mib_up_and_down(place: Any, s3: Any, scheme: str, big: Path, tmp_path: Path) -> None:
    key, back = f"{scheme}/big.bin", tmp_path / "back.bin"
    s3.upload_file(str(big), place.bucket, key)
    head = place.direct.head_object(Bucket=place.bucket, Key=key)
    assert head["ContentLength"] == 100 * MIB
    assert head["ETag"].endswith('-13"')  # 8 MiB a part is boto3's default
    s3.download_file(place.bucket, key, str(back))
    assert sha256(back) == sha256(big)
    s3.delete_object(Bucket=place.bucket, Key=key)


def test_every_step_of_a_multipart_upload(place: Any, s3: Any, scheme: str) -> None:
    bucket, key = place.bucket, f"{scheme}/steps + ü"
    bodies = [b"a" * (5 * MIB), b"b" * 1000]
    made = s3.create_multipart_upload(Bucket=bucket, Key=key, Metadata={"by": "hand"})
    upload = {"Bucket": bucket, "Key": key, "UploadId": made["UploadId"]}
    pending = s3.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"]
    assert [u["UploadId"] for u in pending] == [made["UploadId"]]
    etags = [
        s3.upload_part(**upload, PartNumber=n, Body=body)["ETag"]
        for n, body in enumerate(bodies, 1)
    ]
    assert [p["Size"] for p in s3.list_parts(**upload)["Parts"]] == [len(b) for b in bodies]
    parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    got = place.direct.get_object(Bucket=bucket, Key=key)
    assert (got["Body"].read(), got["Metadata"]) == (b"".join(bodies), {"by": "hand"})


def test_a_part_may_be_copied_from_an_object(place: Any, s3: Any, scheme: str) -> None:
    bucket, source, key = place.bucket, f"{scheme}/part-source", f"{scheme}/part-target"
    body = bytes(range(256)) * (6 * MIB // 256)
    s3.put_object(Bucket=bucket, Key=source, Body=body)
    made = s3.create_multipart_upload(Bucket=bucket, Key=key)
    upload = {"Bucket": bucket, "Key": key, "UploadId": made["UploadId"]}
    copied = s3.upload_part_copy(
        **upload,
        PartNumber=1,
        CopySource={"Bucket": bucket, "Key": source},
        CopySourceRange="bytes=10-99",
    )
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert place.direct.get_object(Bucket=bucket, Key=key)["Body"].read() == body[10:100]


def test_an_aborted_upload_leaves_nothing(place: Any, s3: Any, scheme: str) -> None:
    bucket, key = place.bucket, f"{scheme}/aborted"
    made = s3.create_multipart_upload(Bucket=bucket, Key=key)
    upload = {"Bucket": bucket, "Key": key, "UploadId": made["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**upload)
    assert key not in place.store.keys_in(bucket)
    assert refused(s3.list_parts, **upload).code == "NoSuchUpload"
