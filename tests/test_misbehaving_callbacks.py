"""Callbacks that do what they should not: one request is refused, the rest goes on."""

from __future__ import annotations

import collections
import gc
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT, Front
from helpers.apart import Apart
from helpers.clients import Keys
from helpers.double import KEYS, S3Double
from helpers.raw import Answer, send, sign
from helpers.wait import until


def ask(url: str, key: str = "k", keys: Keys = CLIENT) -> Answer:
    return send(url, "GET", f"/data/{key}", sign("GET", f"{url}/data/{key}", keys))


# --- what is raised --------------------------------------------------------


def deeper() -> Any:
    return deeper()


RAISED: dict[str, Callable[[], Any]] = {
    "SystemExit": lambda: sys.exit(7),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "GeneratorExit": lambda: _raise(GeneratorExit()),
    "StopIteration": lambda: _raise(StopIteration(True)),
    "MemoryError": lambda: _raise(MemoryError()),
    "RecursionError": deeper,
    "an exception that can't be shown": lambda: _raise(Unspeakable()),
}


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise SystemExit(8)

    __repr__ = __str__


def _raise(error: BaseException) -> Any:
    raise error


CALLBACKS = ["validator", "hmac_fetcher", "bucket_creds_fetcher"]
ONE_AND_OTHERS = [CALLBACKS[0], *(pytest.param(c, marks=pytest.mark.slow) for c in CALLBACKS[1:])]
GOOD: dict[str, Any] = {
    "validator": True,
    "hmac_fetcher": "s",
    "bucket_creds_fetcher": {"access_key": KEYS.access, "secret_key": KEYS.secret},
}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("which", ONE_AND_OTHERS)
@pytest.mark.parametrize("what", RAISED)
def test_whatever_is_raised_refuses_one_request(
    serve: Any, double: S3Double, what: str, which: str, asynchronous: bool
) -> None:
    calls = iter([RAISED[what], lambda: GOOD[which]])

    def plain(*args: Any) -> Any:
        return next(calls)()

    async def later(*args: Any) -> Any:
        return plain()

    refuses_once(serve, double, which, later if asynchronous else plain)


def refuses_once(
    serve: Any, double: S3Double, which: str, function: Any, code: str = "AccessDenied"
) -> None:
    """The first request of two is refused; the other callbacks do as they should."""
    given: dict[str, Any] = {name: lambda *args, name=name: GOOD[name] for name in CALLBACKS}
    given[which] = function
    front: Front = serve({"data": double.entry(access_key=None, secret_key=None)}, **given)
    url, keys = front.url(), Keys("fetched", "s")
    answer = ask(url, keys=keys)
    assert answer.status == 403
    assert answer.code == code
    assert double.seen == []
    front.server.invalidate()  # a key that is not known is remembered as such
    assert ask(url, keys=keys).body == b"x"


# --- what is returned ------------------------------------------------------


class Lies:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __bool__(self) -> bool:
        raise SystemExit("no")

    def __str__(self) -> str:
        raise SystemExit("no")

    __repr__ = __str__


class Awaits:
    """Can be awaited, and fails at once."""

    def __await__(self) -> Any:
        raise GeneratorExit


class Traps(collections.abc.Mapping[str, Any]):
    """A mapping that fails when it is read."""

    def __getitem__(self, key: str) -> Any:
        raise SystemExit(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["secret_key", "access_key"])

    def __len__(self) -> int:
        return 2


def generator() -> Iterator[bool]:
    yield True


LOOP: dict[str, Any] = {}
LOOP["access_key"] = LOOP
RETURNED: dict[str, Any] = {
    "an object that lies": Lies(),
    "an awaitable that fails": Awaits(),
    "a mapping that fails": Traps(),
    "a generator": generator(),
    "nothing": None,
    "a class": Lies,
    "a module": types,
    "the end of a float": float("nan"),
    "a mapping that holds itself": LOOP,
    "bytes": b"True",
    "a lone surrogate": "\udc80",
    "an exception": ValueError("True"),
    "NotImplemented": NotImplemented,
    "an Ellipsis": ...,
}


@pytest.mark.parametrize("which", ONE_AND_OTHERS)
@pytest.mark.parametrize("what", RETURNED)
def test_whatever_is_returned_refuses_one_request(
    serve: Any, double: S3Double, what: str, which: str
) -> None:
    answers = iter([RETURNED[what], GOOD[which]])
    # That there is no such key is an answer, too.
    unknown = (what, which) == ("nothing", "hmac_fetcher")
    code = "InvalidAccessKeyId" if unknown else "AccessDenied"
    refuses_once(serve, double, which, lambda *args: next(answers), code)


# --- what is done meanwhile ------------------------------------------------


def test_a_callback_may_delete_itself(serve: Any, double: S3Double) -> None:
    """Whoever it was given to keeps it."""
    module = types.ModuleType("owners")

    def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
        vars(module).pop("validator", None)
        gc.collect()
        return True

    module.validator = validator  # type: ignore[attr-defined]
    del validator
    front: Front = serve({"data": double.entry()}, validator=module.validator)
    assert [ask(front.url(), key).status for key in "kl"] == [200, 200]
    assert not hasattr(module, "validator")


def test_a_callback_may_ask_the_server_itself(serve: Any, double: S3Double) -> None:
    """By HTTP, and by the methods that a running server has."""
    answers: list[int] = []

    def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
        if request["key"] == "k":
            server.invalidate()
            server.update(cos_map={"data": double.entry()})
            answers.append(ask(server.http_url or "", "l").status)
        return True

    server = serve({"data": double.entry()}, validator=validator).server
    assert ask(server.http_url).body == b"x"
    assert answers == [200]


def test_a_callback_may_start_another_server(serve: Any, double: S3Double) -> None:
    bodies: list[bytes] = []

    def validator(token: str, bucket: str) -> bool:
        bodies.append(ask(serve({"data": double.entry()}).url()).body)
        return True

    front: Front = serve({"data": double.entry()}, validator=validator)
    assert ask(front.url()).body == b"x"
    assert bodies == [b"x"]


def test_callbacks_that_all_hang_refuse_until_one_returns(serve: Any, double: S3Double) -> None:
    free = threading.Event()

    def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
        return request["key"] == "k" or free.wait(20)

    front: Front = serve(
        {"data": double.entry()}, validator=validator, callback_concurrency=2, callback_timeout=0.3
    )
    url = front.url()
    assert ask(url).body == b"x"
    with ThreadPoolExecutor() as pool:
        hung = list(pool.map(ask, [url] * 3, ["a", "b", "c"]))
    assert {(a.status, a.code) for a in hung} == {(503, "SlowDown")}
    assert ask(url).body == b"x"  # what is remembered needs no callback
    assert ask(url, "d").code == "SlowDown"
    free.set()
    assert ask(url, "l").body == b"x"


def test_a_scan_with_random_keys_leaves_the_callbacks_to_known_clients(
    serve: Any, double: S3Double
) -> None:
    free = threading.Event()
    asked = threading.Semaphore(0)

    def hmac_fetcher(access_key: str) -> str | None:
        if access_key != CLIENT.access:
            asked.release()
            free.wait(20)
            return None
        return CLIENT.secret

    front: Front = serve(
        {"data": double.entry()},
        hmac_keystore=None,
        hmac_fetcher=hmac_fetcher,
        validator=lambda token, bucket: True,
        callback_concurrency=16,
        callback_queue=8,
    )
    url = front.url()
    assert ask(url).body == b"x"  # the client is known from here on
    with ThreadPoolExecutor(20) as pool:
        scan = [pool.submit(ask, url, "k", Keys(f"random-{n}", "x")) for n in range(20)]
        assert asked.acquire(timeout=20)
        assert asked.acquire(timeout=20)  # two of the callbacks are the scan's, and one waits
        front.server.invalidate()
        assert ask(url).body == b"x"  # the secret is asked for again, and the permission
        free.set()
        codes = collections.Counter(s.result(20).code for s in scan)
    assert set(codes) <= {"InvalidAccessKeyId", "SlowDown"}
    assert codes["InvalidAccessKeyId"] >= 3


STOPS = """
def validator(token, bucket):
    {how}
    return True
"""
# How its own request ends (None: its connection does), and how the process.
ENDS: dict[str, tuple[int | None, int | None]] = {
    "server.stop()": (200, 0),  # the request may end; wait() returns, and with it the script
    "server.stop(0)": (None, 0),
    "sys.exit(3)": (403, None),  # one refusal among others
    "os.kill(os.getpid(), 15)": (None, -15),  # nobody has asked for the signal to be handled
}


@pytest.mark.parametrize("how", ENDS)
def test_a_callback_may_stop_the_server(tmp_path: Path, double: S3Double, how: str) -> None:
    """It waits for itself, and so not for ever."""
    status, ended = ENDS[how]
    with proxy(tmp_path, double, STOPS.format(how=how)) as apart:
        if status is None:
            with pytest.raises(ConnectionError):
                ask(apart.http_url)
        else:
            assert ask(apart.http_url).status == status
        if ended is None:
            assert ask(apart.http_url).status == status
        else:
            assert apart.process.wait(20) == ended, apart.output()


FORKS = """
import asyncio

def fork():
    pid = os.fork()
    if pid == 0:
        {child}
        return
    print("child:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)

def validator(token, bucket, request):
    fork()
    return True

async def later(token, bucket, request):
    await asyncio.sleep(0)
    fork()
    return True

tasks = set()

async def behind(token, bucket, request):
    async def left():
        fork()
    tasks.add(asyncio.create_task(left()))
    list(request["headers"])  # so that it is asked about each request
    return True
"""
CHILDREN = {
    "ends at once": ("os._exit(5)", 5),
    "ends as Python does": ("sys.exit(6)", 6),
    "ends with a text": ("sys.exit('text')", 1),
    "returns": ("pass", 1),
    "raises": ("raise ValueError", 1),
    "uses the server": ("server.stop()", 1),
    "runs something else": ("os.execv('/bin/true', ['true'])", 0),
}


@pytest.mark.parametrize(
    "function",
    ["validator", *(pytest.param(f, marks=pytest.mark.slow) for f in ("later", "behind"))],
)
@pytest.mark.parametrize("child", CHILDREN)
def test_a_callback_may_fork(tmp_path: Path, double: S3Double, child: str, function: str) -> None:
    """A child that comes back ends there, and answers nobody's client."""
    code, status = CHILDREN[child]
    with proxy(tmp_path, double, FORKS.format(child=code), function) as apart:
        for key in "klk":
            assert ask(apart.http_url, key).body == b"x"

        def said() -> list[str]:
            return re.findall(r"^child: (.*)$", apart.output(), re.MULTILINE)

        until(lambda: len(said()) == 3, "the ends of the children")
        assert said() == [str(status)] * 3  # the child may have looked at a header


def proxy(tmp_path: Path, double: S3Double, code: str, function: str = "validator") -> Apart:
    settings = {
        "cos_map": {"data": double.entry()},
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "drain_timeout": 0.5,
    }
    more = f'{{"validator": {function}}}'
    return Apart(tmp_path / "proxy", settings, before=code, more=more)
