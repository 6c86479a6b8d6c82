"""Clients that need a JVM: the AWS SDK for Java, Spark, Trino.

`./build.sh test clients` runs them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT, ROOT, Front
from helpers import table
from helpers.certificates import trusted_by_java
from helpers.children import Child, clean_environment
from helpers.monitor import scrape
from helpers.stores import Store
from helpers.wait import until

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(900)]

CLIENTS = ROOT / "tests" / "clients"
BUILT = ROOT / ".build" / "engines"
JOB = [BUILT / "spark" / "bin" / "python", CLIENTS / "spark" / "job.py"]
TRINO_JOB = [BUILT / "trino" / "bin" / "python", CLIENTS / "trino" / "use_trino.py"]


@pytest.fixture(scope="session")
def trust(certificates: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return trusted_by_java(certificates.ca, tmp_path_factory.mktemp("trust"))


def of_jvm(
    front: Front,
    bucket: str,
    folder: Path,
    scheme: str = "http",
    spark: dict[str, str] | None = None,
) -> dict[str, str]:
    """What the clients know: the proxy, keys, a bucket and what is to be set in Spark."""
    return clean_environment(
        HOME=str(folder),
        PYTHONPATH=f"{ROOT / 'tests'}{os.pathsep}{CLIENTS}",  # what the clients share
        S3_ENDPOINT=front.url(scheme),
        S3_ACCESS=CLIENT.access,
        S3_SECRET=CLIENT.secret,
        S3_BUCKET=bucket,
        S3_CA=str(front.ca),
        TRINO_HOME=str(BUILT / "trino-server"),
        SPARK_JARS=f"{BUILT / 'spark-jars'}/*",
        SPARK_SETTINGS=json.dumps(
            {f"spark.hadoop.fs.s3a.{k}": v for k, v in (spark or {}).items()}
        ),
    )


Environment = Callable[..., dict[str, str]]


@pytest.fixture
def jvm(serve: Any, store: Any, scheme: str, trust: dict[str, str], tmp_path: Path) -> Environment:
    bucket = store.make_bucket("engine")
    front: Front = serve({bucket: store.entry()})

    def make(spark: dict[str, str] | None = None) -> dict[str, str]:
        return {**of_jvm(front, bucket, tmp_path, scheme, spark), **trust}

    return make


def passes(command: list[Any], folder: Path, environment: dict[str, str]) -> str:
    """Runs a client that ends well, and returns the version that it tells."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    told = done.stdout + done.stderr[-6000:]
    assert done.returncode == 0, told
    last = done.stdout.strip().rpartition("\n")[2]
    assert last.startswith("passed "), told
    return last.removeprefix("passed ")


SDK, SPARK, TRINO = "aws-sdk-java v2", "Spark (hadoop-aws 3.4.2)", "Trino"
DOES = {
    SDK: "put, parts, conditional get, ranges, presigned URLs, transfer manager, DeleteObjects",
    SPARK: "batch with magic and directory committers, with and without Expect, with checksums; "
    "a stream that is killed and goes on, every row once",
    TRINO: "hive, iceberg and delta tables: create, insert, "
    "update, merge, delete, optimize, vacuum, drop",
}
results: dict[str, dict[tuple[str, str], str]] = {name: {} for name in DOES}


def test_the_aws_sdk_for_java(jvm: Environment, tmp_path: Path, store: Any, scheme: str) -> None:
    command = ["java", "-cp", f"{BUILT / 'jars'}/*", CLIENTS / "java" / "UseSdk.java"]
    results[SDK][store.name, scheme] = passes(command, tmp_path, jvm())


def test_the_aws_sdk_for_java_backs_off_and_ends_well(
    serve: Any, any_store: Store, tmp_path: Path
) -> None:
    """Its own retries suffice for a rate; a quota that is used up is worth none."""
    bucket = any_store.make_bucket()
    rules = {"write": {"requests": 20, "burst": 1}, "read": {"requests_per_day": 1}}
    front: Front = serve({bucket: any_store.entry()}, limits={"token": rules}, metrics_port=0)
    environment = clean_environment(
        AWS_ENDPOINT_URL=front.url(),
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID=CLIENT.access,
        AWS_SECRET_ACCESS_KEY=CLIENT.secret,
        S3_BUCKET=bucket,
    )
    command = ["java", "-cp", f"{BUILT / 'jars'}/*", CLIENTS / "java" / "Limited.java"]
    passes(command, tmp_path, environment)
    assert len(any_store.keys_in(bucket)) == 18
    seen = scrape(front.server)
    assert seen.value("osp_limited_total", rule="token.write", measure="requests") > 0
    assert seen.value("osp_limited_total", rule="token.read", measure="requests_per_day") == 1


def test_trino_keeps_tables(jvm: Environment, tmp_path: Path, store: Any, scheme: str) -> None:
    results[TRINO][store.name, scheme] = passes(TRINO_JOB, tmp_path, jvm())


SETTINGS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "without Expect": {"connection.expect.continue": "false"},
    "with checksums": {"create.checksum.algorithm": "CRC32C"},
}


@pytest.mark.parametrize("settings", SETTINGS)
def test_spark_writes_with_both_committers(jvm: Environment, tmp_path: Path, settings: str) -> None:
    passes([*JOB, "batch"], tmp_path, jvm(SETTINGS[settings]))


def test_spark_renames_in_an_entry_and_copies_between_two(
    serve: Any, any_store: Store, minio: Store, tmp_path: Path
) -> None:
    """The store does what the committer renames, below the folder of the entry.

    Hadoop knows no rename between two buckets: it reads and writes.
    """
    asked: dict[str, set[str]] = {"here": set(), "there": set()}

    def watch(token: str, bucket: str, request: dict[str, Any]) -> bool:
        asked[bucket].add(request["operation"])
        return True

    buckets = any_store.make_bucket(), minio.make_bucket()
    here = any_store.entry(bucket=buckets[0], prefix="folder/", ttl=0)
    there = minio.entry(bucket=buckets[1], ttl=0)
    front: Front = serve({"here": here, "there": there}, validator=watch, metrics_port=0)
    environment = {**of_jvm(front, "here", tmp_path), "S3_OTHER": "there"}
    passes([*JOB, "between"], tmp_path, environment)
    copies = {"CopyObject", "UploadPartCopy"}
    assert (asked["here"] & copies, asked["there"] & copies) == ({"CopyObject"}, set())
    assert scrape(front.server).value("osp_copies_total") == 0
    parts = [key for key in minio.keys_in(buckets[1]) if "part-" in key]
    assert len(parts) == 1
    left = [key for key in any_store.keys_in(buckets[0]) if "part-" in key]
    assert left == []


def test_a_stream_of_spark_survives_a_kill(
    jvm: Environment, tmp_path: Path, store: Any, scheme: str
) -> None:
    """Every number is there exactly once, although nothing was said before the end."""
    log = tmp_path / "stream.log"
    with Child([*JOB, "stream"], log, env=jvm(), cwd=tmp_path) as first:
        until(lambda: "\nbatch " in "\n" + first.output() or not first.alive(), "some batches", 300)
        assert first.alive(), first.output()[-4000:]
        first.process.kill()
        first.process.wait(30)
    results[SPARK][store.name, scheme] = passes([*JOB, "check"], tmp_path, jvm())


def test_the_table_says_what_was_seen(request: pytest.FixtureRequest) -> None:
    """It runs last, and only where all the others passed."""
    rows = {name: (DOES[name], seen) for name, seen in results.items()}
    if request.session.testsfailed or not table.complete(rows):
        pytest.skip("not everything ran and passed")
    has, should = table.section(
        "engines", table.render(rows), request.config.getoption("update_docs")
    )
    assert has == should
