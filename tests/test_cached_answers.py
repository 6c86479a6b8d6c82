"""Which answers are remembered, for whom, until when, and which serve one request alone."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import multiprocessing
import os
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Front
from helpers.clients import Keys, refused
from helpers.double import KEYS, S3Double
from helpers.raw import Answer, send, sign
from helpers.wait import until

Request = dict[str, Any]


def role_of(headers: Any) -> str:
    return str(headers.get("x-role", ""))


@dataclasses.dataclass
class Question:
    request: Request


def in_a_thread(request: Request) -> str:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(role_of, request["headers"]).result()


def in_a_child(request: Request) -> str:
    """What a fork looks at, the parent does not see."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, role_of(request["headers"]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        return pipe.read()


def by_slots(request: Request) -> str:
    """As serialisers do that know nothing of a class."""
    headers = request["headers"]
    assert not hasattr(headers, "__dict__")
    found = [getattr(headers, name) for name in type(headers).__slots__]
    return next(role for look in found if (role := role_of_any(look())))


def role_of_any(thing: Any) -> str:
    return role_of(thing) if hasattr(thing, "get") else ""


LOOKS: dict[str, Callable[[Request], str]] = {
    "get": lambda request: role_of(request["headers"]),
    "in": lambda request: "admin" if "x-admin" in request["headers"] else "",
    "items": lambda request: dict(request["headers"].items()).get("x-role", ""),
    "equal": lambda request: "admin" if {**request["headers"]}["x-role"] == "admin" else "",
    "repr": lambda request: "admin" if "'x-role': 'admin'" in repr(request) else "",
    "pop": lambda request: role_of(request.pop("headers")),
    "another dict": lambda request: role_of(dict(request)["headers"]),
    "copy": lambda request: role_of(copy.copy(request["headers"])),
    "deepcopy": lambda request: role_of(copy.deepcopy(request)["headers"]),
    "asdict": lambda request: role_of(dataclasses.asdict(Question(request))["request"]["headers"]),
    "pickle": lambda request: role_of(pickle.loads(pickle.dumps(request))["headers"]),
    "a copy of a pickle": lambda request: role_of(
        copy.deepcopy(pickle.loads(pickle.dumps(copy.copy(request["headers"]), protocol=2)))
    ),
    "slots": by_slots,
    "thread": in_a_thread,
    "fork": in_a_child,
}


def ask(front: Front, role: str, target: str = "/data/k") -> Answer:
    """A GET in a role, which a header says."""
    fields = {"X-Role": role} | ({"X-Admin": "1"} if role == "admin" else {})
    return send(
        front.url(), "GET", target, sign("GET", front.url() + target, CLIENT, headers=fields)
    )


def in_turn(front: Front, asked: list[str]) -> None:
    """Each role gets what it may have, whoever came before."""
    for role in ("admin", "guest", "admin", "guest"):
        assert ask(front, role).status == (200 if role == "admin" else 403)
    assert len(asked) == 4


@pytest.mark.parametrize("looking", LOOKS)
def test_what_a_header_decided_serves_one_request(
    serve: Any, double: S3Double, looking: str
) -> None:
    asked: list[str] = []

    def may(token: str, bucket: str, request: Request) -> bool:
        asked.append(role := LOOKS[looking](request))
        return role == "admin"

    in_turn(serve({"data": double.entry()}, validator=may), asked)


@pytest.mark.parametrize("looking", LOOKS)
def test_also_if_the_validator_waits(serve: Any, double: S3Double, looking: str) -> None:
    asked: list[str] = []

    async def may(token: str, bucket: str, request: Request) -> osp.Decision:
        await asyncio.sleep(0)
        asked.append(role := await asyncio.to_thread(LOOKS[looking], request))
        return osp.Decision(role == "admin")

    in_turn(serve({"data": double.entry()}, validator=may), asked)


def test_also_if_another_process_decides(serve: Any, double: S3Double) -> None:
    asked: list[str] = []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:

        def may(token: str, bucket: str, request: Request) -> bool:
            asked.append(role := pool.submit(role_of, request["headers"]).result())
            return role == "admin"

        in_turn(serve({"data": double.entry()}, validator=may), asked)


def test_a_reason_that_looks_when_it_is_spelled_is_for_one_client(
    serve: Any, double: S3Double
) -> None:
    def may(token: str, bucket: str, request: Request) -> osp.Decision:
        return osp.Decision(False, reason=request["headers"])

    front = serve({"data": double.entry()}, validator=may, show_reasons=True)
    bodies = {role: ask(front, role).body.decode() for role in ("admin", "guest")}
    assert {role: [r for r in bodies if r in body] for role, body in bodies.items()} == {
        role: [role] for role in bodies
    }


def test_who_hands_the_request_on_and_nobody_looks_is_asked_once(
    serve: Any, double: S3Double
) -> None:
    asked: list[Any] = []

    def may(token: str, bucket: str, request: Request) -> bool:
        asked.append((copy.deepcopy(request), dataclasses.asdict(Question(request))))
        return True

    front = serve({"data": double.entry()}, validator=may)
    for role in ("admin", "guest", "admin"):
        assert ask(front, role).status == 200
    assert len(asked) == 1


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """How many requests have come in since."""
    osp.enable_request_counting()
    before = osp.get_request_count()
    yield lambda: osp.get_request_count() - before
    osp.disable_request_counting()


def together(
    front: Front, requests: list[tuple[str, str]], arrived: threading.Event
) -> Counter[tuple[str, str, int]]:
    """Sends requests (role, target) at the same time; `arrived` is set once all are there."""
    with counted() as count, ThreadPoolExecutor(len(requests)) as pool:
        answers = [pool.submit(ask, front, *request) for request in requests]
        until(lambda: count() == len(requests), "all requests")
        arrived.set()
        return Counter(
            (*request, answer.result().status)
            for request, answer in zip(requests, answers, strict=True)
        )


def test_after_an_exception_those_who_waited_are_asked_about_themselves(
    serve: Any, double: S3Double
) -> None:
    arrived = threading.Event()
    asked: Counter[str] = Counter()

    def may(token: str, bucket: str, request: Request) -> bool:
        arrived.wait(20)
        asked[role := role_of(request["headers"])] += 1
        if role != "admin":
            raise PermissionError(role)
        return True

    front = serve({"data": double.entry()}, validator=may)
    roles = ["guest", "admin"] * 8
    statuses = together(front, [(role, "/data/k") for role in roles], arrived)
    assert statuses == {("guest", "/data/k", 403): 8, ("admin", "/data/k", 200): 8}
    assert asked == {"guest": 8, "admin": 8}


@pytest.mark.parametrize("how", ["of the entry", "of the decision"])
def test_with_ttl_0_nobody_gets_the_answer_of_another(
    serve: Any, double: S3Double, how: str
) -> None:
    arrived = threading.Event()
    double.objects[b"/data/secret"] = b"s"

    def may(token: str, bucket: str, request: Request) -> osp.Decision:
        arrived.wait(20)
        return osp.Decision(request["key"] == "k", ttl=0 if how == "of the decision" else None)

    entry = double.entry(ttl=0 if how == "of the entry" else 300)
    front = serve({"data": entry}, validator=may, auth_cache_by=["method"])
    targets = ["/data/k", "/data/secret"] * 8
    statuses = together(front, [("guest", target) for target in targets], arrived)
    assert statuses == {("guest", "/data/k", 200): 8, ("guest", "/data/secret", 403): 8}


def test_64_cold_clients_are_asked_about_once(serve: Any, double: S3Double) -> None:
    arrived = threading.Event()
    asked: list[str] = []

    def may(token: str, bucket: str) -> bool:
        arrived.wait(20)
        asked.append(token)
        return True

    def secret(access_key: str) -> str:
        asked.append(access_key)
        return CLIENT.secret

    front = serve({"data": double.entry()}, validator=may, hmac_fetcher=secret, hmac_keystore=None)
    statuses = together(front, [("guest", "/data/k")] * 64, arrived)
    assert statuses == {("guest", "/data/k", 200): 64}
    assert asked == [CLIENT.access] * 2


def test_how_long_a_secret_is_kept(serve: Any, double: S3Double) -> None:
    asked: Counter[str] = Counter()
    answers: dict[str, Any] = {
        "plain": "s",
        "kept": {"secret_key": "s", "ttl": 60},
        "short": {"secret_key": "s", "ttl": 0},
        "wrong": {"secret_key": "s", "ttl": True},
    }

    def secret(access_key: str) -> Any:
        asked[access_key] += 1
        return answers.get(access_key)

    for hmac_ttl, want in (
        (300, {"plain": 1, "kept": 1, "short": 3, "wrong": 3, "unknown": 1}),
        (0, {"plain": 3, "kept": 1, "short": 3, "wrong": 3, "unknown": 3}),
    ):
        asked.clear()
        front = serve({"data": double.entry()}, hmac_fetcher=secret, hmac_ttl=hmac_ttl)
        for name in want:
            for _ in range(3):
                headers = sign("GET", f"{front.url()}/data/k", Keys(name, "s"))
                status = send(front.url(), "GET", "/data/k", headers).status
                assert status == (403 if name in ("wrong", "unknown") else 200)
        assert asked == want


class TestInvalidate:
    def test_what_it_forgets(self, serve: Any, double: S3Double) -> None:
        asked: list[str] = []
        bob = Keys("bob", "b")

        def secret(key: str) -> str | None:
            asked.append(f"secret {key}")
            return {CLIENT.access: CLIENT.secret, "bob": "b"}[key]

        def may(token: str, bucket: str) -> bool:
            asked.append(f"may {token} {bucket}")
            return True

        def creds(token: str, bucket: str) -> dict[str, Any]:
            asked.append(f"creds {token} {bucket}")
            return {"access_key": KEYS.access, "secret_key": KEYS.secret}

        entry = double.entry(access_key=None, secret_key=None)
        double.objects[b"/more/k"] = b"x"
        front = serve(
            {"data": entry, "more": entry},
            hmac_keystore=None,
            hmac_fetcher=secret,
            validator=may,
            bucket_creds_fetcher=creds,
        )

        def use() -> set[str]:
            asked.clear()
            for keys in (CLIENT, bob):
                for bucket in ("data", "more"):
                    front.boto(keys=keys).head_object(Bucket=bucket, Key="k")
            return set(asked)

        everything = use()
        assert len(everything) == 10
        assert use() == set()
        front.server.invalidate(token="bob", bucket="more")
        assert use() == {"secret bob", "may bob more", "creds bob more"}
        front.server.invalidate(token="bob")
        assert use() == {a for a in everything if "bob" in a}
        front.server.invalidate(bucket="data")
        assert use() == {a for a in everything if "data" in a}
        front.server.invalidate(token="")
        assert use() == set()
        front.server.invalidate()
        assert use() == everything

    def test_a_refusal_ends_at_once(self, serve: Any, double: S3Double) -> None:
        granted = []
        front = serve({"data": double.entry()}, validator=lambda token, bucket: bool(granted))
        s3 = front.boto(retry=False)
        assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
        granted.append(True)
        assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
        front.server.invalidate(CLIENT.access)
        assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"

    def test_its_arguments_are_text(self, serve: Any, double: S3Double) -> None:
        server = serve({"data": double.entry()}).server
        for wrong in ({"token": 3}, {"bucket": b"data"}):
            with pytest.raises(TypeError, match=f"{next(iter(wrong))} must be a str or None"):
                server.invalidate(**wrong)
        server.invalidate(token="\udcff")  # a byte that was not UTF-8

    @pytest.mark.parametrize("sessions", [None, "", 0, {}, 1])
    def test_it_takes_nothing_for_leave_the_sessions_alone(
        self, serve: Any, double: S3Double, sessions: Any
    ) -> None:
        server = serve({"data": double.entry()}).server
        with pytest.raises(TypeError, match="sessions must be a bool"):
            server.invalidate(sessions=sessions)
        with pytest.raises(ValueError, match="leaves nothing to do"):
            server.invalidate(role="reader", sessions=False)

    def test_it_needs_a_server_that_runs(self, double: S3Double) -> None:
        server = osp.ProxyServer(osp.ProxyServerConfig({"data": double.entry()}, http_port=0))
        for call in (server.invalidate, server.update):
            with pytest.raises(RuntimeError, match="is not running"):
                call()
