"""Stores that fail: what the client is told, and that nothing is left behind.

Each test ends with a good request through the same proxy, which then holds no more
goroutines, descriptors and threads than before.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers import certificates as pki
from helpers import faulty, raw
from helpers.certificates import Certificates
from helpers.double import S3Double
from helpers.faulty import BROKEN_OFF, NO_ANSWER, Fault
from helpers.ports import free_port
from helpers.scene import BUCKETS, HASTE, LARGE, OPERATIONS, SMALL, Request, Scene, scene
from helpers.scripted import Script, ScriptedStore
from helpers.stores import versitygw
from helpers.wait import until

slow = [pytest.mark.slow]
UPLOAD = Request("PUT", "/put", LARGE)


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("faults")
    with ExitStack() as stack:
        store = stack.enter_context(versitygw(folder))
        nowhere = unreachable(stack, folder, certificates)
        made = stack.enter_context(scene(folder, store, certificates, cos_map=nowhere))
        for bucket in BUCKETS:
            made.works(bucket)
            made.works(bucket, "https")
        before = made.proxy.level().goroutines
        yield made
        until(lambda: made.proxy.level().goroutines <= before + 2, "no goroutine stays of them all")


UNREACHABLE = {
    "down": 502,
    "has no name": 502,
    "accepts nobody": 504,
    "never shakes hands": 504,
    "hangs up in the handshake": 502,
    "speaks no TLS": 502,
    "has a certificate for others": 502,
    "has a certificate that has ended": 502,
    "has a certificate of an unknown authority": 502,
    "has a certificate that it signed itself": 502,
}


def unreachable(
    stack: ExitStack, folder: Path, certificates: Certificates
) -> dict[str, dict[str, Any]]:
    """Stores to which no connection comes to stand, each an entry of cos_map."""

    def at(port: int, host: str = "127.0.0.1", **more: Any) -> dict[str, Any]:
        keys = {"access_key": "a", "secret_key": "s", "addressing_style": "path"}
        hasty = {"connect_timeout": HASTE, "answer_timeout": HASTE}
        return {"host": host, "port": port, **keys, **hasty, **more}

    tls: dict[str, Any] = {
        "is_tls_enabled": True,
        "connect_timeout": 10,
    }  # certificates take some time

    def secure(made_in: str, **how: Any) -> dict[str, Any]:
        made = pki.make(folder / made_in, **how)
        double = stack.enter_context(S3Double(certificates=made))
        return at(double.port, **tls, ca_file=made.ca)

    def handshake(script: Script) -> dict[str, Any]:
        return at(stack.enter_context(ScriptedStore(then=script)).port, **tls)

    full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    stranger = stack.enter_context(S3Double(certificates=pki.make(folder / "stranger")))
    alone = pki.self_signed(folder / "alone")
    lonely = stack.enter_context(S3Double(certificates=alone))
    entries = {
        "down": at(free_port()),
        "has no name": at(80, "store.invalid", connect_timeout=10),
        "accepts nobody": at(full.getsockname()[1]),
        "never shakes hands": at(silent.getsockname()[1], is_tls_enabled=True),
        "hangs up in the handshake": handshake(lambda link: link.send(b"\x16\x03\x03\x00\x7a")),
        "speaks no TLS": handshake(lambda link: link.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        "has a certificate for others": secure("others", names=["elsewhere"], addresses=[]),
        "has a certificate that has ended": secure("ended", expired=True),
        "has a certificate of an unknown authority": at(
            stranger.port, **tls, ca_file=certificates.ca
        ),
        "has a certificate that it signed itself": at(lonely.port, **tls, ca_file=certificates.ca),
    }
    assert entries.keys() == UNREACHABLE.keys()
    return {name.replace(" ", "-"): entry for name, entry in entries.items()}


@pytest.fixture
def here(running: Scene, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The scene, with a look at what the proxy holds before and after."""
    params = getattr(request.node, "callspec", None)
    bucket = params.params.get("bucket", "data") if params else "data"
    running.restock()
    running.works(bucket)
    before = running.proxy.level()
    yield running
    for store in (running.plain, running.tls):  # else a write could meet the end of its connection
        store.over.set()
        assert not store.met.is_set() or store.ended.wait(20)
    running.works(bucket)
    running.proxy.settles(before)


def refuses(answer: raw.Answer, method: str, status: int, code: str) -> None:
    """The client got a whole answer with an S3 error in it."""
    assert answer.status == status
    if method == "HEAD":
        return
    assert answer.headers["content-type"] == "application/xml"
    assert answer.code == code


def combinations(faults: dict[str, Fault], operations: list[str], *chosen: str) -> list[Any]:
    """Each fault with each operation, and with a chosen few over TLS. The first is quick."""
    plain = [(f, o, "http", "data") for f in faults for o in operations]
    secure = [(f, o, "https", "secure") for f in faults for o in chosen]
    return [
        pytest.param(
            *each, id="-".join(each), marks=[] if each[1:3] == (chosen[0], "http") else slow
        )
        for each in plain + secure
    ]


@pytest.mark.parametrize(
    ("fault", "operation", "scheme", "bucket"),
    combinations(NO_ANSWER, list(OPERATIONS), "PutObject, large", "GetObject"),
)
def test_what_is_no_answer_is_a_bad_gateway(
    here: Scene, fault: str, operation: str, scheme: str, bucket: str
) -> None:
    request = OPERATIONS[operation](here, bucket)
    store, before = here.faulty(bucket), here.keys(bucket)
    store.set(NO_ANSWER[fault])
    refuses(here.ask(request, bucket, scheme), request.method, 502, "BadGateway")
    assert store.ended.wait(20)
    assert here.keys(bucket) == before


BODIES = [name for name in OPERATIONS if "Put" not in name and "Head" not in name]


@pytest.mark.parametrize(
    ("fault", "operation", "scheme", "bucket"),
    combinations(BROKEN_OFF, BODIES, "GetObject, large", "ListObjectsV2"),
)
def test_an_answer_that_breaks_off_never_looks_whole(
    here: Scene, fault: str, operation: str, scheme: str, bucket: str
) -> None:
    request = OPERATIONS[operation](here, bucket)
    store = here.faulty(bucket)
    store.set(BROKEN_OFF[fault])
    try:
        answer = here.ask(request, bucket, scheme)
    except ConnectionError:
        pass
    else:  # where nothing of it had been passed on yet
        refuses(answer, request.method, 502, "BadGateway")
    assert store.ended.wait(20)


@pytest.mark.parametrize("reset", [False, True], ids=["hangs up", "resets"])
@pytest.mark.parametrize("bucket", ["data", "secure"])
def test_an_upload_that_the_store_breaks_off_is_not_stored(
    here: Scene, bucket: str, reset: bool
) -> None:
    """The real store behind it has got half of the body by then."""
    store = here.faulty(bucket)
    store.set(faulty.resets_an_upload if reset else faulty.hangs_up_in_an_upload)
    refuses(here.ask(UPLOAD, bucket), "PUT", 502, "BadGateway")
    assert store.ended.wait(20)
    assert here.keys(bucket) == {"small", "large"}


def test_what_a_store_says_before_the_end_of_an_upload_reaches_the_client(here: Scene) -> None:
    here.plain.set(faulty.refuses_an_upload)
    refuses(here.ask(UPLOAD), "PUT", 503, "SlowDown")
    here.plain.over.set()
    assert here.keys("data") == {"small", "large"}


WORK = ("CopyObject", "CompleteMultipartUpload")


@pytest.mark.parametrize(
    "operation", [pytest.param(o, marks=slow if "Object, " not in o else []) for o in OPERATIONS]
)
def test_a_store_that_never_answers_gets_a_bounded_wait(here: Scene, operation: str) -> None:
    """Ten times as long where it has to work."""
    request = OPERATIONS[operation](here, "hasty")
    here.plain.set(faulty.silent)
    begun = time.monotonic()
    refuses(here.ask(request, "hasty"), request.method, 504, "GatewayTimeout")
    assert time.monotonic() - begun >= HASTE * (10 if operation in WORK else 1)
    assert here.plain.ended.wait(20)  # the proxy has left


def test_a_store_that_does_not_take_a_body_gets_a_bounded_wait(here: Scene) -> None:
    here.plain.set(faulty.deaf)
    refuses(here.ask(Request("PUT", "/put", LARGE * 4), "hasty"), "PUT", 504, "GatewayTimeout")
    here.plain.over.set()


@pytest.mark.parametrize(
    "operation", [pytest.param(o, marks=slow if "Get" not in o else []) for o in OPERATIONS]
)
def test_an_answer_that_trickles_comes_whole(here: Scene, operation: str) -> None:
    request = OPERATIONS[operation](here, "data")
    here.plain.set(faulty.trickles)
    answer = here.ask(request)
    assert answer.status == 200
    if operation.startswith("GetObject"):
        assert answer.body == (LARGE if "large" in operation else SMALL)


@pytest.mark.slow
def test_by_default_a_store_may_take_twenty_seconds(here: Scene) -> None:
    here.plain.set(faulty.late(20))
    answer = here.ask(Request("GET", "/small"), seconds=60)
    assert (answer.status, answer.body) == (200, SMALL)


@pytest.mark.parametrize("place", UNREACHABLE)
@pytest.mark.parametrize(
    "operation",
    ["GetObject", *(pytest.param(o, marks=slow) for o in ("HeadObject", "PutObject, large"))],
)
def test_a_store_that_cannot_be_reached(here: Scene, operation: str, place: str) -> None:
    bucket, status = place.replace(" ", "-"), UNREACHABLE[place]
    request = OPERATIONS[operation](here, bucket)
    code = "GatewayTimeout" if status == 504 else "BadGateway"
    refuses(here.ask(request, bucket), request.method, status, code)
