"""Many clients at a time: nobody waits for somebody else's slow answer, and all fit."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT, Front
from helpers.apart import Apart
from helpers.children import Child
from helpers.clients import Keys
from helpers.double import KEYS, S3Double
from helpers.monitor import scrape
from helpers.ports import free_port
from helpers.raw import connect, head_bytes, read_answer, send, sign
from helpers.wait import until


@pytest.mark.slow
@pytest.mark.parametrize("slow_one", ["validator", "bucket_creds_fetcher", "hmac_fetcher"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_one_slow_token_holds_up_nobody_else(serve: Any, slow_one: str, asynchronous: bool) -> None:
    """200 clients come and go while a callback thinks about one token."""
    others_done, asked = threading.Event(), threading.Event()

    def think(name: str, token: str) -> None:
        if (name, token) == (slow_one, "slow"):
            asked.set()
            assert others_done.wait(60)

    def make(name: str, answer: Any) -> Any:
        async def later(token: str, bucket: str = "") -> Any:
            await asyncio.to_thread(think, name, token)
            return answer

        def now(token: str, bucket: str = "") -> Any:
            think(name, token)
            return answer

        return later if asynchronous else now

    with S3Double() as double:
        double.objects[b"/data/k"] = b"x"
        front: Front = serve(
            {"data": double.entry(access_key=None, secret_key=None)},
            validator=make("validator", True),
            bucket_creds_fetcher=make(
                "bucket_creds_fetcher",
                {"access_key": KEYS.access, "secret_key": KEYS.secret},
            ),
            hmac_fetcher=make("hmac_fetcher", "s"),
            callback_timeout=90,
        )

        def get(token: str) -> int:
            headers = sign("GET", f"{front.url()}/data/k", Keys(token, "s"))
            return send(front.url(), "GET", "/data/k", headers).status

        with ThreadPoolExecutor(50) as pool:
            slow = pool.submit(get, "slow")
            assert asked.wait(20)
            others = list(pool.map(get, [f"client-{n}" for n in range(200)]))
            assert not slow.done()
            others_done.set()
            assert others == [200] * 200
            assert slow.result(20) == 200


def test_one_callers_hang_up_does_not_fail_the_rest(serve: Any) -> None:
    """Callers with one key share a question; the first of them leaves."""
    asked, free = threading.Semaphore(0), threading.Event()

    def secret(access_key: str) -> str:
        asked.release()
        assert free.wait(20)
        return "s"

    with S3Double() as double:
        double.objects[b"/data/k"] = b"x"
        front: Front = serve({"data": double.entry()}, hmac_fetcher=secret)
        headers = sign("GET", f"{front.url()}/data/k", Keys("shared", "s"))

        def get() -> int:
            return send(front.url(), "GET", "/data/k", headers).status

        first = connect(front.url())
        first.sendall(head_bytes("GET", "/data/k", headers))
        assert asked.acquire(timeout=10)
        with ThreadPoolExecutor(5) as pool:
            rest = [pool.submit(get) for _ in range(5)]
            first.close()
            free.set()
            assert [r.result(20) for r in rest] == [200] * 5


CLIENTS = 10_000
PROXY = """
import json, os, sys, threading, time
import object_storage_proxy as osp

released = threading.Event()

def hmac_fetcher(access_key):
    released.wait()
    return "s"

osp.enable_request_counting()
config = osp.ProxyServerConfig(
    hmac_fetcher=hmac_fetcher, callback_timeout=250, drain_timeout=0, **json.loads(sys.argv[1])
)
with osp.ProxyServer(config) as server:
    while osp.get_request_count() < int(sys.argv[2]):
        time.sleep(0.05)
    print("all are in flight", flush=True)
    while not os.path.exists("release"):
        time.sleep(0.05)
    released.set()
    server.wait()
"""


@pytest.mark.slow
def test_10_000_keys_in_flight_take_bounded_threads_and_memory(tmp_path: Path) -> None:
    """Each client has a key of its own, and the fetcher thinks about all of them."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, CLIENTS + 500), most))
    port = free_port()
    settings = {
        "cos_map": {"data": {"host": "127.0.0.1", "port": 9, "access_key": "a", "secret_key": "s"}},
        "host": "127.0.0.1",
        "http_port": port,
        "callback_queue": 8 * CLIENTS,  # whoever has not signed before has an eighth of it
    }
    command = [sys.executable, "-c", PROXY, json.dumps(settings), str(CLIENTS)]
    with Child(command, tmp_path / "proxy.log", cwd=tmp_path) as proxy:
        proxy.listening(port)
        before = usage(proxy.pid)
        during: dict[str, int] = {}

        def all_wait() -> None:
            until(lambda: "in flight" in proxy.output(), "all requests", 120)
            during.update(usage(proxy.pid))
            (tmp_path / "release").touch()

        answers = asyncio.run(crowd(f"http://127.0.0.1:{port}", all_wait))
        assert answers == Counter({b"HTTP/1.1 200 OK": CLIENTS})
    print(f"{CLIENTS} clients in flight: {before} became {during}")
    assert during["Threads"] - before["Threads"] < 32 + 16  # callback_concurrency and Go's own
    assert (during["VmRSS"] - before["VmRSS"]) / CLIENTS < 64  # KiB for each


async def crowd(url: str, meanwhile: Callable[[], None]) -> Counter[bytes]:
    """Sends a request in the name of each client; returns the status lines."""
    connecting = asyncio.Semaphore(200)
    host, port = url.removeprefix("http://").split(":")

    async def one(n: int) -> bytes:
        headers = sign("GET", url + "/", Keys(f"client-{n}", "s"))
        async with connecting:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head_bytes("GET", "/", headers))
            await writer.drain()
        line = await reader.readline()
        writer.close()
        return line.strip()

    answers = asyncio.gather(*map(one, range(CLIENTS)))
    await asyncio.to_thread(meanwhile)
    return Counter(await answers)


def usage(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) for name in ("Threads", "VmRSS")}


IDLERS = """
import os, socket, sys, time
port, source, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
request = open("request", "rb").read()

def ask(link):
    link.sendall(request)
    return link.recv(1 << 16).split(b"\\r\\n", 1)[0]

links = []
for _ in range(count):
    links.append(socket.create_connection(("127.0.0.1", port), 60, (source, 0)))
    assert ask(links[-1]) == b"HTTP/1.1 200 OK"
print("all are open", flush=True)
while not os.path.exists("again"):
    time.sleep(0.05)
served = sum(ask(link) == b"HTTP/1.1 200 OK" for link in links)
print("served again:", served, flush=True)
"""
LOGS = """
import logging
logging.basicConfig(stream=sys.stderr)
"""
AT_A_TIME = 5_000  # connections of one process, which has a limit of its own


@pytest.mark.slow
@pytest.mark.parametrize("count", [12_000, 20_000])
def test_connections_that_wait_take_little_and_are_served_again(tmp_path: Path, count: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < count + 500:
        pytest.skip(f"a process may open {hard} files here, which is too few for {count} clients")
    settings = {
        "cos_map": {"data": {"host": "127.0.0.1", "port": 9, "access_key": "a", "secret_key": "s"}},
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "max_connections": count,
    }
    with ExitStack() as stack:
        proxy = stack.enter_context(Apart(tmp_path / "proxy", settings))
        before = usage(proxy.pid)
        port = int(proxy.http_url.rpartition(":")[2])
        request = head_bytes("GET", "/", sign("GET", f"{proxy.http_url}/", CLIENT))
        (tmp_path / "request").write_bytes(request)
        idlers = []
        for n in range(0, count, AT_A_TIME):
            source, some = f"127.0.0.{2 + n // AT_A_TIME}", min(AT_A_TIME, count - n)
            command = [sys.executable, "-c", IDLERS, str(port), source, str(some)]
            log = tmp_path / f"idlers-{n}.log"
            idlers.append(stack.enter_context(Child(command, log, cwd=tmp_path)))
        for each in idlers:
            until(lambda each=each: "open" in each.output() or not each.alive(), "all", 120)  # type: ignore[misc]
        assert all(each.alive() for each in idlers), [each.output() for each in idlers]
        during = usage(proxy.pid)
        assert scrape(proxy).value("osp_active_connections") == count
        (tmp_path / "again").touch()
        served = 0
        for each in idlers:
            assert each.process.wait(120) == 0, each.output()
            served += int(each.output().rpartition(":")[2])
        assert served == count
        until(lambda: scrape(proxy).value("osp_active_connections") == 0, "they are gone")
    each_takes = (during["VmRSS"] - before["VmRSS"]) / count
    print(f"{count} connections that wait: {each_takes:.1f} KiB for each")
    assert each_takes < 64
    assert during["Threads"] - before["Threads"] < 32


def test_past_the_limit_connections_wait_and_the_log_says_so(
    serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture
) -> None:
    front: Front = serve({"data": double.entry()}, max_connections=2)
    headers = sign("GET", f"{front.url()}/data/k", CLIENT)
    held = [connect(front.url()) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        for link in held:  # accepted: it is answered
            link.sendall(head_bytes("GET", "/data/k", headers))
            assert link.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
        third = pool.submit(send, front.url(), "GET", "/data/k", headers)
        until(lambda: "further ones wait" in caplog.text, "the log says so")
        assert not third.done()
        held.pop().close()
        assert third.result(20).status == 200
    held.pop().close()
    assert caplog.text.count("further ones wait") == 1


def test_without_descriptors_it_waits_for_some(tmp_path: Path, double: S3Double) -> None:
    """Clients take all that the process may open, and more."""
    settings = {
        "cos_map": {"data": double.entry()},
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "max_connections": 1000,
    }
    few = "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))"
    with Apart(tmp_path / "proxy", settings, before=LOGS + few) as proxy:
        url = proxy.http_url
        headers = sign("GET", f"{url}/data/k", CLIENT)
        held = [connect(url) for _ in range(150)]
        until(lambda: "can't be accepted" in proxy.output(), "the log says so")
        answers = []
        for link in held[:10]:  # accepted, but there is no way to the store
            link.sendall(head_bytes("GET", "/data/k", headers))
            with link.makefile("rb") as stream:
                answers.append(read_answer(stream))
        assert {(a.status, a.code) for a in answers} == {(503, "ServiceUnavailable")}
        for link in held:
            link.close()
        assert send(url, "GET", "/data/k", headers).body == b"x"
        assert proxy.output().count("can't be accepted") == 1
