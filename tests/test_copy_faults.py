"""Copies between two stores of which one fails, at each stage: nothing is stored, nothing stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
import pytest
from conftest import CLIENT
from helpers import faulty
from helpers.apart import Apart
from helpers.clients import refused
from helpers.faulty import BROKEN_OFF, NO_ANSWER, Ask, Fault, FaultyStore
from helpers.scene import HASTE, LARGE, SMALL
from helpers.stores import Store
from helpers.wait import until

slow = [pytest.mark.slow]


@dataclass(frozen=True)
class Between:
    """ "from" and "target" are reached by ways that can be made to fail."""

    source: FaultyStore
    target: FaultyStore
    proxy: Apart
    s3: Any  # one client, whose connection is one
    store: Store  # behind both
    buckets: dict[str, str]

    def copy(self, key: str = "large", **order: Any) -> Any:
        return self.s3.copy_object(
            Bucket="target", Key="k", CopySource={"Bucket": "from", "Key": key}, **order
        )

    def stored(self) -> bytes | None:
        """What the real store has of the target."""
        try:
            got = self.store.client().get_object(Bucket=self.buckets["target"], Key="k")
        except botocore.exceptions.ClientError:
            return None
        return bytes(got["Body"].read())


@pytest.fixture(scope="module")
def running(
    running_stores: Callable[[str], Store],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Between]:
    store = running_stores(request.config.getoption("stores").split(",")[0])
    buckets = {"from": store.make_bucket(), "target": store.make_bucket()}
    for key, body in {"small": SMALL, "large": LARGE}.items():
        store.client().put_object(Bucket=buckets["from"], Key=key, Body=body, Tagging="a=b")
    with ExitStack() as stack:
        source, target = (stack.enter_context(FaultyStore(store)) for _ in range(2))
        hasty = {"answer_timeout": HASTE}
        keys = {"access_key": store.keys.access, "secret_key": store.keys.secret}
        cos_map = {
            "from": source.entry(bucket=buckets["from"], **keys, **hasty),
            "target": target.entry(bucket=buckets["target"], **keys, **hasty),
        }
        pair = {"access_key": CLIENT.access, "secret_key": CLIENT.secret}
        config = {"cos_map": cos_map, "hmac_keystore": [pair]}
        proxy = stack.enter_context(Apart(tmp_path_factory.mktemp("proxy") / "p", config))
        s3 = proxy.boto(CLIENT, retries={"total_max_attempts": 1})
        made = Between(source, target, proxy, s3, store, buckets)
        made.copy()
        before = proxy.level().goroutines
        yield made
        until(lambda: proxy.level().goroutines <= before + 2, "no goroutine stays of them all")


@pytest.fixture
def between(running: Between) -> Iterator[Between]:
    """Each test ends with a good copy."""
    running.store.client().delete_object(Bucket=running.buckets["target"], Key="k")
    yield running
    running.source.heal()
    running.target.heal()
    running.copy()
    assert running.stored() == LARGE


def honest(ask: Ask) -> None:
    """No fault: the real answer, on a connection that ends after it."""
    ask.link.send(ask.answer())


def few(faults: dict[str, Fault], *quick: str) -> list[Any]:
    return [
        pytest.param(fault, id=name, marks=[] if name in quick else slow)
        for name, fault in faults.items()
    ]


def fails(between: Between, *statuses: int, key: str = "large") -> None:
    answer = refused(between.copy, key=key)
    assert answer.status in statuses
    assert answer.code in ("BadGateway", "GatewayTimeout", "SlowDown")
    assert not any(name in answer.message for name in between.buckets.values())
    assert between.stored() is None


@pytest.mark.parametrize("fault", few(NO_ANSWER, "resets", "says noise"))
def test_a_source_that_gives_no_answer(between: Between, fault: Fault) -> None:
    between.source.set(fault)
    fails(between, 502)


@pytest.mark.parametrize("fault", few(NO_ANSWER, "resets", "says noise"))
def test_a_source_that_does_not_tell_the_tags(between: Between, fault: Fault) -> None:
    between.source.set(honest, fault)
    fails(between, 502)


@pytest.mark.parametrize("fault", few(BROKEN_OFF, "hangs up in the body"))
@pytest.mark.parametrize("key", ["small", "large"])
def test_a_source_that_breaks_off(between: Between, fault: Fault, key: str) -> None:
    between.source.set(fault)
    fails(between, 502, key=key)


@pytest.mark.parametrize("fault", few(NO_ANSWER, "resets", "says noise"))
def test_a_target_that_gives_no_answer(between: Between, fault: Fault) -> None:
    between.target.set(fault)
    fails(between, 502)


@pytest.mark.parametrize("fault", [faulty.hangs_up_in_an_upload, faulty.resets_an_upload])
def test_a_target_that_leaves_in_the_middle(between: Between, fault: Fault) -> None:
    between.target.set(fault)
    fails(between, 502)


def test_a_target_that_refuses_before_it_has_everything(between: Between) -> None:
    between.target.set(faulty.refuses_an_upload)
    fails(between, 503)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_store_that_is_silent_gets_a_bounded_wait(between: Between, side: str) -> None:
    getattr(between, side).set(faulty.silent)
    fails(between, 504)


def test_a_target_that_reads_nothing_gets_a_bounded_wait(between: Between) -> None:
    between.target.set(faulty.deaf)
    fails(between, 504)
