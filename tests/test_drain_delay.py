"""drain_delay: a stop is announced before it begins, and nobody is turned away meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, settings
from helpers import raw
from helpers.double import S3Double, Seen
from helpers.monitor import get
from helpers.ports import free_port
from helpers.scripts import Run, ended
from helpers.served import Served
from helpers.wait import accepts, until

FOREVER = 3600.0  # what waits for its end, hangs


class Held:
    """What a store gets, and does not respond to until it is told."""

    def __init__(self, double: S3Double) -> None:
        self.asked, self.release = threading.Event(), threading.Event()
        double.answer = self._answer

    def _answer(self, seen: Seen) -> None:
        self.asked.set()
        assert self.release.wait(60)


@pytest.fixture
def held(double: S3Double) -> Iterator[Held]:
    held = Held(double)
    yield held
    held.release.set()


def ask(url: str) -> raw.Answer:
    """A request over a connection of its own."""
    return raw.send(url, "GET", "/data/k", raw.sign("GET", f"{url}/data/k", CLIENT))


def cut_off(url: str) -> None:
    with pytest.raises(ConnectionError):
        ask(url)


def in_background(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    return thread, results


class TestSignals:
    @pytest.fixture
    def served(self, tmp_path: Path, double: S3Double) -> Iterator[Served]:
        (folder := tmp_path / "here").mkdir()
        with ExitStack() as stack:
            served = Served(folder, stack)
            self.metrics = f"http://127.0.0.1:{(metrics := free_port())}"
            served.configure(
                cos_map={"data": double.entry()},
                metrics_port=metrics,
                drain_delay=FOREVER,
                drain_timeout=FOREVER,
            )
            served.start()
            served.up()
            self.url = f"http://127.0.0.1:{served.port}"
            yield served
            served.child.process.kill()

    def ready(self) -> int:
        return httpx.get(self.metrics + "/readyz", trust_env=False).status_code

    def terminate(self, served: Served) -> None:
        served.child.process.send_signal(signal.SIGTERM)

    def test_the_first_only_announces_the_stop(self, served: Served) -> None:
        answer = ask(self.url)
        assert (answer.status, answer.headers.get("connection"), self.ready()) == (200, None, 200)
        self.terminate(served)
        until(lambda: self.ready() == 503, "it is not ready any more")
        for answer in (ask(self.url), raw.send(self.url, "GET", "/", {"Host": "h"})):
            assert answer.headers["connection"] == "close"
            assert answer.status == (200 if answer.body == b"x" else 403)
        assert served.child.alive()

    def test_the_second_lets_requests_in_flight_end(self, served: Served, held: Held) -> None:
        client, answers = in_background(lambda: ask(self.url))
        assert held.asked.wait(20)
        self.terminate(served)
        until(lambda: self.ready() == 503, "the announcement")
        self.terminate(served)
        until(lambda: not accepts(served.port), "the port is closed")
        assert served.child.alive()
        held.release.set()
        client.join(20)
        assert answers[0].body == b"x"
        assert served.ended() == 0

    def test_the_third_cuts_them_off(self, served: Served, held: Held) -> None:
        client, _ = in_background(lambda: cut_off(self.url))
        assert held.asked.wait(20)
        for _ in range(2):
            self.terminate(served)
            until(lambda: self.ready() == 503, "the announcement")
        until(lambda: not accepts(served.port), "the port is closed")
        self.terminate(served)
        assert served.ended() == 0
        client.join(20)

    def test_configuration_and_keys_still_change_meanwhile(self, served: Served) -> None:
        self.terminate(served)
        until(lambda: self.ready() == 503, "the announcement")
        served.child.process.send_signal(signal.SIGHUP)
        served.said("the configuration was reloaded")


class TestStop:
    @pytest.fixture
    def server(self, double: S3Double) -> Iterator[osp.ProxyServer]:
        config = settings({"data": double.entry()}, metrics_port=0, drain_delay=FOREVER)
        server = osp.ProxyServer(config)
        server.start()
        yield server
        server.stop(0)

    def test_it_serves_on_until_another_one_hurries_it(self, server: osp.ProxyServer) -> None:
        stopping, _ = in_background(server.stop)
        until(lambda: get(server, "/readyz").status_code == 503, "it is not ready any more")
        assert ask(str(server.http_url)).headers["connection"] == "close"
        server.stop(20)
        stopping.join(20)
        assert server.http_url is None

    def test_with_a_time_of_its_own_it_has_no_delay(self, server: osp.ProxyServer) -> None:
        server.stop(20)
        assert server.http_url is None

    def test_it_ends_by_itself_when_the_delay_is_over(self, double: S3Double) -> None:
        config = settings({"data": double.entry()}, drain_delay=0.2, drain_timeout=FOREVER)
        with osp.ProxyServer(config) as server:
            assert ask(str(server.http_url)).status == 200
        assert server.http_url is None


@pytest.mark.parametrize(
    "code",
    [
        # Coroutines could not answer while their loop waits.
        """
        async def validator(token, bucket): return True
        async def main():
            server = osp.ProxyServer(config(
                http_port=0, validator=validator, event_loop=asyncio.get_running_loop()))
            server.start()
            server.stop()
        import asyncio
        asyncio.run(main())
        """,
        # Python ends, whatever the proxy would like.
        "osp.ProxyServer(config(http_port=0)).start()",
    ],
    ids=["on the thread of the event loop", "at the end of the interpreter"],
)
def test_there_is_no_delay_where_it_would_help_nobody(run_script: Run, code: str) -> None:
    child = run_script(code, drain_delay=FOREVER, drain_timeout=FOREVER)
    assert ended(child) == 0, child.output()
