"""A shadow: other rules are compared with those that decide, and have no effect."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Front
from helpers.clients import refused
from helpers.double import S3Double
from helpers.monitor import scrape
from helpers.served import Served
from helpers.wait import until

NAME = "osp_shadow_decisions_total"


def policy(effect: str, action: str, resource: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": "*", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


READS = policy("Allow", "s3:GetObject", "arn:aws:s3:::data/public/*")


def counted(front: Front, total: int) -> dict[str, int]:
    """Waits for that many comparisons, and returns them by their outcome."""

    def complete() -> dict[str, int]:
        found = scrape(front.server).matching(NAME)
        by_outcome = {dict(labels)["outcome"]: int(n) for labels, n in found.items()}
        return by_outcome if sum(by_outcome.values()) >= total else {}

    return until(complete, f"{total} comparisons")


@pytest.fixture
def double() -> Iterator[S3Double]:
    """A store with an object for each of the tests' keys."""
    keys = ("k", "yes", "public/a", "public/no", "private/a", *(f"k{n}" for n in range(8)))
    with S3Double() as running:
        running.objects = {f"/data/{key}".encode(): b"x" for key in keys}
        yield running


def get(s3: Any, key: str) -> None:
    s3.get_object(Bucket="data", Key=key)["Body"].read()


def test_a_policy_is_compared_with_the_validator(
    serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture
) -> None:
    front: Front = serve(
        {"data": double.entry()},
        validator=lambda token, bucket, request: request["key"] != "public/no",
        shadow_policy=READS,
        metrics_port=0,
    )
    s3 = front.boto(retry=False)
    get(s3, "public/a")
    get(s3, "private/a")
    assert refused(s3.get_object, Bucket="data", Key="public/no").code == "AccessDenied"
    assert counted(front, 3) == {"agreed": 1, "would_allow": 1, "would_refuse": 1}

    def lines() -> list[str]:
        told = [r.getMessage() for r in caplog.records if "decides otherwise" in r.getMessage()]
        return told if len(told) == 2 else []

    first, second = until(lines, "two lines")
    for text in (CLIENT.access, "GetObject", "data", "private/a", "no statement allows"):
        assert text in first
    assert "public/no" in second
    assert "allow" in second


@pytest.mark.parametrize("form", ["plain", "async", "two arguments"])
def test_a_validator_in_each_form(serve: Any, double: S3Double, form: str) -> None:
    def plain(token: str, bucket: str, request: dict[str, Any]) -> bool:
        return bool(request["key"] == "yes")

    async def coroutine(token: str, bucket: str, request: dict[str, Any]) -> osp.Decision:
        await asyncio.sleep(0)
        return osp.Decision(request["key"] == "yes", reason="not this one")

    def two(token: str, bucket: str) -> bool:
        return False

    shadow = {"plain": plain, "async": coroutine, "two arguments": two}[form]
    front: Front = serve({"data": double.entry()}, shadow_validator=shadow, metrics_port=0)
    s3 = front.boto(retry=False)
    get(s3, "yes")
    get(s3, "k")
    if form == "two arguments":
        assert counted(front, 2) == {"would_refuse": 2}
    else:
        assert counted(front, 2) == {"agreed": 1, "would_refuse": 1}


@pytest.mark.parametrize("asked_by", ["validator", "hmac_fetcher"])
def test_a_coroutine_that_blocks_its_loop_holds_no_other_up(
    serve: Any, double: S3Double, asked_by: str
) -> None:
    asked, go = threading.Event(), threading.Event()

    async def shadow(token: str, bucket: str) -> bool:
        asked.set()
        go.wait(30)
        return True

    async def validator(token: str, bucket: str) -> bool:
        return True

    async def hmac_fetcher(access_key: str) -> str:
        return CLIENT.secret

    callback: Any = {"validator": validator, "hmac_fetcher": hmac_fetcher}[asked_by]
    front: Front = serve(
        {"data": double.entry(ttl=0)},
        shadow_validator=shadow,
        **{"validator": lambda token, bucket: True, asked_by: callback},
        **({"hmac_keystore": [], "hmac_ttl": 0} if asked_by == "hmac_fetcher" else {}),
        metrics_port=0,
    )
    s3 = front.boto(retry=False)
    try:
        get(s3, "k")
        assert asked.wait(20)
        get(s3, "k")
    finally:
        go.set()


def test_nobody_waits_for_it_and_its_failures_refuse_nobody(
    serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture
) -> None:
    asked, go = threading.Event(), threading.Event()

    def shadow(token: str, bucket: str, request: dict[str, Any]) -> bool:
        asked.set()
        go.wait(30)
        raise ValueError("not ready")

    front: Front = serve(
        {"data": double.entry(ttl=0)},
        validator=lambda token, bucket: True,
        shadow_validator=shadow,
        callback_concurrency=1,
        callback_queue=0,
        metrics_port=0,
    )
    s3 = front.boto(retry=False)
    for number in range(8):  # more than there are places for the shadow
        get(s3, f"k{number}")
    assert asked.wait(20)
    go.set()
    assert counted(front, 8) == {"failed": 8}
    failures = [r.getMessage() for r in caplog.records if "shadow_validator" in r.getMessage()]
    assert failures
    assert all("there is nothing to compare" in text for text in failures)


def test_a_sample_of_nothing_turns_it_off(serve: Any, double: S3Double) -> None:
    front: Front = serve(
        {"data": double.entry()},
        shadow_validator=lambda token, bucket: pytest.fail("asked"),
        shadow_policy=READS,
        shadow_sample=0,
        metrics_port=0,
    )
    get(front.boto(retry=False), "k")
    assert not scrape(front.server).matching(NAME)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"shadow_sample": 1.5}, "shadow_sample"),
        ({"shadow_sample": "all"}, "shadow_sample"),
        ({"shadow_validator": lambda: True}, "shadow_validator"),
        (
            {"shadow_policy": policy("Allow", "s3:HeadObject", "*")},
            "shadow_policy.Statement[0].Action",
        ),
    ],
    ids=["above 1", "no number", "no parameters", "unknown action"],
)
def test_mistakes_have_their_path(wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(osp.ConfigError) as caught:
        osp.ProxyServer(osp.ProxyServerConfig(cos_map={}, http_port=0, **wrong)).check()
    assert [where for where, _ in caught.value.mistakes] == [path]


def test_updates_replace_its_policy(serve: Any, double: S3Double) -> None:
    front: Front = serve({"data": double.entry()}, metrics_port=0)
    s3 = front.boto(retry=False)
    get(s3, "k")
    front.server.update(shadow_policy=READS)
    get(s3, "k")
    assert counted(front, 1) == {"would_refuse": 1}
    front.server.update(shadow_policy=policy("Allow", "s3:*", "*"))
    get(s3, "k")
    assert counted(front, 2) == {"would_refuse": 1, "agreed": 1}


@pytest.mark.parametrize("by", ["SIGHUP", "--watch"])
def test_serve_reads_its_policy_again(tmp_path: Path, double: S3Double, by: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "new.json").write_text(json.dumps(policy("Allow", "s3:*", "*")))
    with ExitStack() as stack:
        served = Served(folder, stack)
        served.configure(cos_map={"data": double.entry()}, shadow_policy="new.json")
        served.start(*(["--watch"] if by == "--watch" else []))
        served.up()
        (folder / "new.json").write_text(json.dumps(READS))
        if by == "SIGHUP":
            served.child.process.send_signal(signal.SIGHUP)
        served.said("the configuration was reloaded")
        get(served.boto(), "k")
        served.said("the shadow decides otherwise")


def test_serve_takes_its_validator_by_name(tmp_path: Path, double: S3Double) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "rules.py").write_text("def never(token, bucket):\n    return False\n")
    with ExitStack() as stack:
        served = Served(folder, stack)
        served.configure(cos_map={"data": double.entry()}, shadow_validator="rules:never")
        served.start(OSP_SHADOW_SAMPLE="1.0")
        served.up()
        get(served.boto(), "k")
        served.said("the shadow decides otherwise")
        served.said("operation='GetObject' bucket='data' key='k' now='allow' shadow='refuse'")
