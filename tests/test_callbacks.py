"""Forms that a callback may take, where it runs, and how many answer at a time."""

from __future__ import annotations

import asyncio
import functools
import logging
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT
from helpers.clients import Keys, refused
from helpers.double import KEYS, S3Double
from helpers.raw import send, sign


class Rules:
    """Each form of a validator; each allows the bucket "data" to CLIENT."""

    def method(self, token: str, bucket: str) -> bool:
        return token == CLIENT.access and bucket == "data"

    def method_of_three(self, token: str, bucket: str, request: dict[str, Any]) -> bool:
        return self.method(token, bucket) and request["bucket"] == bucket

    async def coroutine(self, token: str, bucket: str) -> bool:
        await asyncio.sleep(0)
        return self.method(token, bucket)

    @classmethod
    def of_the_class(cls, token: str, bucket: str) -> bool:
        return cls().method(token, bucket)

    @staticmethod
    async def static_coroutine(token: str, bucket: str, request: dict[str, Any]) -> osp.Decision:
        return osp.Decision(token == CLIENT.access and request["operation"] == "GetObject")


class PlainCallable:
    def __call__(self, token: str, bucket: str) -> bool:
        return Rules().method(token, bucket)


class AsyncCallable:
    async def __call__(self, token: str, bucket: str, *more: Any) -> bool:
        return Rules().method(token, bucket) and len(more) == 1


def with_more(user: str, token: str, bucket: str) -> bool:
    return user == "u" and Rules().method(token, bucket)


FORMS: dict[str, Any] = {
    "lambda": lambda token, bucket: token == CLIENT.access,
    "bound method": Rules().method,
    "bound method of three": Rules().method_of_three,
    "bound coroutine": Rules().coroutine,
    "class method": Rules.of_the_class,
    "static coroutine": Rules.static_coroutine,
    "partial": functools.partial(with_more, "u"),
    "partial by name": functools.partial(Rules.static_coroutine),
    "object": PlainCallable(),
    "async object": AsyncCallable(),
    "optional third": lambda token, bucket, request=None: request is not None,
    "lambda that returns a coroutine": lambda token, bucket: Rules().coroutine(token, bucket),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_validator_works(serve: Any, double: S3Double, form: str) -> None:
    other = Keys("another", "secret")
    pairs = [{"access_key": k.access, "secret_key": k.secret} for k in (CLIENT, other)]
    front = serve({"data": double.entry()}, validator=FORMS[form], hmac_keystore=pairs)
    assert front.boto(retry=False).get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    if form not in ("optional third",):
        refusal = refused(front.boto(keys=other, retry=False).get_object, Bucket="data", Key="k")
        assert refusal.code == "AccessDenied"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_every_callback_may_be_a_method_or_a_coroutine(
    serve: Any, double: S3Double, asynchronous: bool
) -> None:
    class Owner:
        def secret(self, access_key: str) -> str | None:
            return {"fetched": "s"}.get(access_key)

        def creds(self, token: str, bucket: str) -> dict[str, Any]:
            return {"access_key": KEYS.access, "secret_key": KEYS.secret}

        async def async_secret(self, access_key: str) -> str | None:
            return self.secret(access_key)

        async def async_creds(self, token: str, bucket: str) -> dict[str, Any]:
            return self.creds(token, bucket)

    owner = Owner()
    front = serve(
        {"data": double.entry(access_key=None, secret_key=None)},
        hmac_fetcher=owner.async_secret if asynchronous else owner.secret,
        bucket_creds_fetcher=owner.async_creds if asynchronous else owner.creds,
    )
    s3 = front.boto(keys=Keys("fetched", "s"), retry=False)
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    assert double.problems == []


class TestTheOwnersLoop:
    @pytest.fixture
    def loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="owners-loop")
        thread.start()
        yield loop
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def test_coroutines_run_on_it_and_it_outlives_the_proxy(
        self, serve: Any, double: S3Double, loop: asyncio.AbstractEventLoop
    ) -> None:
        ran: list[Any] = []

        async def may(token: str, bucket: str) -> bool:
            ran.append((asyncio.get_running_loop(), threading.current_thread().name))
            return True

        front = serve({"data": double.entry()}, validator=may, event_loop=loop)
        assert front.boto(retry=False).head_object(Bucket="data", Key="k")
        assert ran == [(loop, "owners-loop")]
        front.server.stop()
        assert (
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "alive"), loop).result(5) == "alive"
        )

    def test_a_stop_cancels_what_runs_on_it(
        self, serve: Any, double: S3Double, loop: asyncio.AbstractEventLoop
    ) -> None:
        begun, cancelled = threading.Event(), threading.Event()

        async def may(token: str, bucket: str) -> bool:
            begun.set()
            try:
                await asyncio.sleep(3600)
            finally:
                cancelled.set()
            return True

        front = serve({"data": double.entry()}, validator=may, event_loop=loop, drain_timeout=0.1)
        s3 = front.boto(retry=False)
        client = threading.Thread(target=lambda: refuses(s3))
        client.start()
        assert begun.wait(10)
        front.server.stop()
        assert cancelled.wait(10)
        client.join(10)

    def test_a_loop_that_is_closed_refuses(self, serve: Any, double: S3Double) -> None:
        closed = asyncio.new_event_loop()
        closed.close()

        async def may(token: str, bucket: str) -> bool:
            return True

        front = serve({"data": double.entry()}, validator=may, event_loop=closed)
        refusal = refused(front.boto(retry=False).get_object, Bucket="data", Key="k")
        assert refusal.code == "AccessDenied"

    def test_it_must_be_a_loop(self, double: S3Double) -> None:
        config = osp.ProxyServerConfig({"data": double.entry()}, http_port=0)
        config.event_loop = "uvloop"  # type: ignore[assignment]
        with pytest.raises(osp.ConfigError, match="event_loop: must be an event loop"):
            osp.ProxyServer(config).start()


def refuses(s3: Any) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - a 5xx or a broken connection
        s3.get_object(Bucket="data", Key="k")


def test_an_exception_is_logged_with_its_traceback_at_most_once_a_second(
    serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture
) -> None:
    def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
        raise LookupError("the directory is down")

    caplog.set_level(logging.ERROR, "object_storage_proxy")
    s3 = serve({"data": double.entry()}, validator=may).boto(retry=False)
    begun = time.monotonic()
    for n in range(20):
        assert refused(s3.get_object, Bucket="data", Key=str(n)).code == "AccessDenied"
    records = [r for r in caplog.records if r.name == "object_storage_proxy" and r.exc_info]
    assert 1 <= len(records) <= 1 + (time.monotonic() - begun)
    assert "the directory is down" in caplog.text
    assert "test_callbacks.py" in caplog.text
    assert double.seen == []


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_answer_that_comes_too_late_is_no_answer(
    serve: Any, double: S3Double, asynchronous: bool
) -> None:
    late, begun = threading.Event(), threading.Event()

    def think() -> bool:
        begun.set()
        return late.wait(20)

    async def may_async(token: str, bucket: str) -> bool:
        return late.is_set() or await asyncio.to_thread(think)

    def may(token: str, bucket: str) -> bool:
        return late.is_set() or think()

    front = serve(
        {"data": double.entry()},
        validator=may_async if asynchronous else may,
        callback_timeout=0.2,
    )
    refusal = refused(front.boto(retry=False).get_object, Bucket="data", Key="k")
    assert begun.is_set()
    assert (refusal.status, refusal.code) == (503, "SlowDown")
    assert double.seen == []
    late.set()  # and nothing of it was kept
    assert front.boto().get_object(Bucket="data", Key="k")["Body"].read() == b"x"


def test_past_the_queue_clients_are_told_to_slow_down(serve: Any, double: S3Double) -> None:
    free = threading.Event()

    def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
        return free.wait(20)

    front = serve({"data": double.entry()}, validator=may, callback_concurrency=1, callback_queue=1)
    answers: queue.Queue[Any] = queue.Queue()

    def get(key: str) -> None:
        headers = sign("HEAD", f"{front.url()}/data/{key}", CLIENT)
        answers.put(send(front.url(), "HEAD", f"/data/{key}", headers))

    clients = [threading.Thread(target=get, args=(f"key-{n}",)) for n in range(5)]
    for client in clients:
        client.start()
    told = [answers.get(timeout=15) for _ in range(3)]  # one is asked about, one waits
    free.set()
    assert [(a.status, a.headers["retry-after"]) for a in told] == [(503, "1")] * 3
    for client in clients:
        client.join(20)
    assert [answers.get(timeout=1).status for _ in range(2)] == [404, 404]
