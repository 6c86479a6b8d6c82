"""The aws command with its default settings, over http and https."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.clients import Keys


@pytest.fixture(params=["http", pytest.param("https", marks=pytest.mark.slow)])
def scheme(request: pytest.FixtureRequest) -> str:
    """Each command takes most of a second to start: the quick tests start it once."""
    return str(request.param)


@pytest.fixture
def aws(place: Any, scheme: str) -> Any:
    return place.front.aws(scheme)


@pytest.fixture
def prefix(place: Any, scheme: str, request: pytest.FixtureRequest) -> str:
    """An s3:// folder of the test's own."""
    return f"s3://{place.bucket}/cli/{scheme}/{request.node.originalname}"


def test_cp_up_and_down(aws: Any, prefix: str, tmp_path: Path) -> None:
    here, back = tmp_path / "a file ü+%.csv", tmp_path / "back"
    here.write_bytes(b"a,b\n" * 1000)
    aws("s3", "cp", here, f"{prefix}/{here.name}")
    aws("s3", "cp", f"{prefix}/{here.name}", back)
    assert back.read_bytes() == here.read_bytes()


def test_a_large_file_goes_in_parts(aws: Any, prefix: str, tmp_path: Path, place: Any) -> None:
    here, back = tmp_path / "large", tmp_path / "back"
    here.write_bytes(random.Random(2).randbytes(20 << 20))
    aws("s3", "cp", here, f"{prefix}/large")
    key = f"{prefix}/large".removeprefix(f"s3://{place.bucket}/")
    assert place.direct.head_object(Bucket=place.bucket, Key=key)["ETag"].endswith('-3"')
    aws("s3", "cp", f"{prefix}/large", back)
    assert back.read_bytes() == here.read_bytes()


def test_ls_shows_files_and_folders(aws: Any, prefix: str, tmp_path: Path) -> None:
    here = tmp_path / "x"
    here.write_bytes(b"12345")
    aws("s3", "cp", here, f"{prefix}/top")
    aws("s3", "cp", here, f"{prefix}/folder/inner")
    lines = [line.split() for line in aws("s3", "ls", f"{prefix}/").splitlines()]
    assert ["PRE", "folder/"] in lines
    assert [line[-2:] for line in lines if line[0] != "PRE"] == [["5", "top"]]


def test_ls_alone_lists_the_buckets(aws: Any, place: Any) -> None:
    assert place.bucket in aws("s3", "ls")


def test_sync_copies_what_changed_and_deletes_what_went(
    aws: Any, prefix: str, tmp_path: Path
) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    (source / "sub dir").mkdir(parents=True)
    for n in range(5):
        (source / "sub dir" / f"{n}.txt").write_text(f"file {n}")
    (source / "top.txt").write_text("top")
    for file in source.rglob("*.txt"):  # older than the store's answer, which has whole seconds
        os.utime(file, (time.time() - 3600,) * 2)
    assert aws("s3", "sync", source, prefix).count("upload:") == 6
    assert aws("s3", "sync", source, prefix) == ""
    (source / "top.txt").unlink()
    (source / "sub dir" / "0.txt").write_text("changed and longer")
    changed = aws("s3", "sync", "--delete", source, prefix)
    assert (changed.count("upload:"), changed.count("delete:")) == (1, 1)
    aws("s3", "sync", prefix, back)
    assert {p.relative_to(back): p.read_text() for p in back.rglob("*.txt")} == {
        p.relative_to(source): p.read_text() for p in source.rglob("*.txt")
    }


@pytest.mark.slow
def test_rm_and_mv(aws: Any, prefix: str, tmp_path: Path) -> None:
    here = tmp_path / "x"
    here.write_text("moved")
    for name in ("a", "b", "c"):
        aws("s3", "cp", here, f"{prefix}/{name}")
    aws("s3", "mv", f"{prefix}/a", f"{prefix}/moved")
    aws("s3", "rm", f"{prefix}/b")
    listed = aws("s3", "ls", f"{prefix}/")
    assert [line.split()[-1] for line in listed.splitlines()] == ["c", "moved"]
    aws("s3", "rm", "--recursive", prefix)
    assert aws.run("s3", "ls", f"{prefix}/").stdout == ""


def test_stdin_and_stdout_stream(aws: Any, prefix: str, tmp_path: Path) -> None:
    here = tmp_path / "x"
    here.write_text("streamed")
    aws("s3", "cp", here, f"{prefix}/x", "--content-type", "text/x-test", "--metadata", "a=b")
    assert aws("s3", "cp", f"{prefix}/x", "-") == "streamed"


def test_s3api_shows_the_metadata(aws: Any, place: Any, prefix: str, tmp_path: Path) -> None:
    here = tmp_path / "x"
    here.write_text("described")
    key = f"{prefix}/x".removeprefix(f"s3://{place.bucket}/")
    put = ["--bucket", place.bucket, "--key", key]
    aws("s3api", "put-object", *put, "--body", here, "--metadata", "owner=me")
    assert json.loads(aws("s3api", "head-object", *put))["Metadata"] == {"owner": "me"}


def test_presign_makes_a_url_that_works(aws: Any, place: Any, prefix: str, tmp_path: Path) -> None:
    here = tmp_path / "x"
    here.write_text("presigned")
    aws("s3", "cp", here, f"{prefix}/x")
    # Its default for URLs is still signature version 2, which S3 retired.
    aws("configure", "set", "default.s3.signature_version", "s3v4")
    url = aws("s3", "presign", f"{prefix}/x", "--expires-in", "60").strip()
    with httpx.Client(verify=place.front.tls_context(), trust_env=False) as http:
        assert http.get(url).text == "presigned"


def test_a_refusal_is_told_with_its_code(place: Any, scheme: str, tmp_path: Path) -> None:
    aws = place.front.aws(scheme, keys=Keys("nobody", "x"))
    done = aws.run("s3", "ls", f"s3://{place.bucket}/")
    assert done.returncode != 0
    assert "InvalidAccessKeyId" in done.stderr
