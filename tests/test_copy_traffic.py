"""Copies between two stores as clients make them, many at a time, and as the owner sees them."""

from __future__ import annotations

import concurrent.futures
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from conftest import CLIENT, ROOT
from helpers.apart import Apart
from helpers.children import clean_environment
from helpers.clients import refused
from helpers.double import S3Double, Seen
from helpers.ibm import IamDouble
from helpers.monitor import scrape
from helpers.pair import Two
from helpers.vast import VastStore
from helpers.wait import until

MIB = 1 << 20


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
