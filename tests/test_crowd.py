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
from pathlib import Path
from typing import Any

import pytest
from conftest import Front
from helpers.children import Child
from helpers.clients import Keys
from helpers.double import KEYS, S3Double
from helpers.raw import connect, head_bytes, send, sign
from helpers.wait import free_port, until


@pytest.mark.slow
@pytest.mark.parametrize("slow_one", ["validator", "bucket_creds_fetcher", "hmac_fetcher"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_one_slow_token_holds_up_nobody_else(serve: Any, slow_one: str, asynchronous: bool) -> None:
    """200 clients come and go while a callable thinks about one token."""
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
