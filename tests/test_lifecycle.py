"""Starting, stopping, forking and exiting, each in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import textwrap
import threading
from contextlib import ExitStack
from typing import Any

import botocore.exceptions
import pytest
from conftest import CLIENT
from helpers.clients import boto
from helpers.double import S3Double
from helpers.ports import free_port
from helpers.raw import connect, head_bytes, sign
from helpers.scripts import Run, ended
from helpers.wait import accepts, until


class SlowStore:
    """A store that holds its answer back until it is let go."""

    def __init__(self, stack: ExitStack) -> None:
        self.asked, self.release = threading.Event(), threading.Event()
        self.double = stack.enter_context(S3Double(answer=self._answer))

    def _answer(self, seen: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.set()
        self.release.wait(20)
        return 200, {}, b"late but whole"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_requests_in_flight_end(run_script: Run, number: signal.Signals) -> None:
    with ExitStack() as stack:
        slow = SlowStore(stack)
        stack.callback(slow.release.set)
        port = free_port()
        child = run_script(
            "osp.start_server(config()); print('returned', flush=True)",
            {"data": slow.double.entry()},
            http_port=port,
        )
        child.listening(port)
        got: list[bytes] = []
        s3 = boto(f"http://127.0.0.1:{port}", CLIENT, retry=False)
        reader = threading.Thread(
            target=lambda: got.append(s3.get_object(Bucket="data", Key="k")["Body"].read())
        )
        reader.start()
        slow.asked.wait(20)
        child.process.send_signal(number)
        until(lambda: not accepts(port), "the port is free")
        assert child.alive(), child.output()
        slow.release.set()
        reader.join(20)
        assert got == [b"late but whole"]
        assert ended(child) == 0, child.output()
        assert "returned" in child.output()


def test_a_second_ctrl_c_cuts_requests_off(run_script: Run) -> None:
    with ExitStack() as stack:
        slow = SlowStore(stack)
        stack.callback(slow.release.set)
        port = free_port()
        child = run_script(
            "osp.start_server(config())", {"data": slow.double.entry()}, http_port=port
        )
        child.listening(port)
        failed = threading.Event()
        s3 = boto(f"http://127.0.0.1:{port}", CLIENT, retry=False)

        def read() -> None:
            try:
                s3.get_object(Bucket="data", Key="k")
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                failed.set()

        reader = threading.Thread(target=read)
        reader.start()
        slow.asked.wait(20)
        child.process.send_signal(signal.SIGINT)
        until(lambda: not accepts(port), "the port is free")
        child.process.send_signal(signal.SIGINT)
        assert ended(child) == 0, child.output()
        reader.join(20)
        assert failed.is_set()


def test_an_idle_server_ends_at_once(run_script: Run) -> None:
    port = free_port()
    child = run_script("osp.start_server(config())", http_port=port)
    child.listening(port)
    with socket.create_connection(("127.0.0.1", port)):  # a client that keeps its connection
        child.process.send_signal(signal.SIGTERM)
        assert ended(child, 15) == 0, child.output()


def test_it_starts_again_after_a_stop(run_script: Run) -> None:
    child = run_script(
        """
        import socket
        port = 0
        for _ in range(3):  # on the same port, which each stop must have freed
            with osp.ProxyServer(config(http_port=port)) as server:
                port = int(server.http_url.rpartition(":")[2])
            assert server.http_url is None
            server.stop()
        timer = threading.Timer(0.5, os.kill, (os.getpid(), 2))
        timer.start()
        osp.start_server(config(http_port=port))
        print("done")
        """
    )
    assert ended(child) == 0, child.output()
    assert "done" in child.output()


@pytest.mark.slow
def test_fifty_starts_leave_nothing_behind(run_script: Run) -> None:
    child = run_script(
        """
        import gc, urllib.request
        def look():
            gc.collect()
            open_files, tasks = (len(os.listdir(f"/proc/self/{of}")) for of in ("fd", "task"))
            return open_files, tasks, threading.active_count()
        def cycle():
            with osp.ProxyServer(config(http_port=0)) as server:
                try:
                    urllib.request.urlopen(server.http_url + "/data/k")
                except urllib.error.HTTPError as refusal:
                    assert refusal.code == 403
                    refusal.close()
        for _ in range(10):
            cycle()
        fds, tasks, threads = look()
        for _ in range(50):
            cycle()
        after = look()
        print("before", (fds, tasks, threads), "after", after)
        assert after[0] <= fds + 2 and after[1] <= tasks + 4 and after[2] <= threads, after
        """
    )
    assert ended(child, 60) == 0, child.output()


def test_a_fork_is_told_so_and_never_hangs(run_script: Run) -> None:
    child = run_script(
        """
        server = osp.ProxyServer(config(http_port=0))
        server.start()
        pid = os.fork()
        if pid == 0:
            told = 0
            another = osp.ProxyServer(config(http_port=0))
            for use in (server.stop, another.start, osp.get_request_count,
                        osp.enable_request_counting):
                try:
                    use()
                except RuntimeError as error:
                    told += "fork" in str(error)
            print("told", told, flush=True)
            sys.exit(0)  # runs atexit in the child too
        assert os.waitpid(pid, 0)[1] == 0
        server.stop()
        """
    )
    assert ended(child) == 0, child.output()
    assert "told 4" in child.output()


def test_a_fork_before_the_first_start_is_no_matter(run_script: Run) -> None:
    child = run_script(
        """
        pid = os.fork()
        with osp.ProxyServer(config(http_port=0)) as server:
            assert server.http_url
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
        """
    )
    assert ended(child) == 0, child.output()


@pytest.mark.parametrize("how", ["returns", "raises", "exits"])
def test_the_interpreter_exits_with_a_callback_under_way(run_script: Run, how: str) -> None:
    end = {"returns": "", "raises": "raise ValueError('end')", "exits": "sys.exit(3)"}[how]
    child = run_script(
        f"""
        import socket, urllib.request
        asked = threading.Event()
        def hmac_fetcher(key):
            asked.set()
            time.sleep(3600)
        more = {{"hmac_fetcher": hmac_fetcher, "drain_timeout": 0.2}}
        server = osp.ProxyServer(config(http_port=0, **more))
        server.start()
        port = int(server.http_url.rpartition(":")[2])
        link = socket.create_connection(("127.0.0.1", port))
        link.sendall(
            b"GET /data/k HTTP/1.1\\r\\nHost: a\\r\\nX-Amz-Date: 20260101T000000Z\\r\\n"
            b"X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\\r\\nAuthorization: AWS4-HMAC-SHA256 "
            b"Credential=k/20260101/us-east-1/s3/aws4_request, "
            b"SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
            b"Signature=" + b"0" * 64 + b"\\r\\n\\r\\n")
        assert asked.wait(10)
        print("asked", flush=True)
        {end}
        """
    )
    assert ended(child) == {"returns": 0, "raises": 1, "exits": 3}[how], child.output()
    assert "asked" in child.output()
    assert "Fatal" not in child.output()


def test_the_interpreter_does_not_wait_for_a_line_of_the_log(run_script: Run) -> None:
    """The thread that hands lines on waits for the next one for longer than the test."""
    child = run_script(
        """
        import logging
        from object_storage_proxy import _drain
        _drain._PAUSE = 3600
        logging.basicConfig(level=logging.INFO)
        with osp.ProxyServer(config(http_port=0)):
            pass
        """
    )
    assert ended(child) == 0, child.output()
    assert "serving" in child.output()


ENDS = {
    "returns": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "sys.exit with a text": ("sys.exit('the end')", 1),
    "raises": ("raise ValueError('the end')", 1),
    "os._exit": ("os._exit(4)", 4),
    "os.abort": ("os.abort()", -signal.SIGABRT),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)", -signal.SIGTERM),
    "SIGINT": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(20)", -signal.SIGINT),
    "SIGINT twice": (
        "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "os.kill(os.getpid(), signal.SIGINT); time.sleep(20)",
        None,
    ),
    "daemon threads that go on": (
        "threading.Thread(target=lambda: [sum(range(10_000)) for _ in iter(int, 1)],"
        " daemon=True).start()",
        0,
    ),
}
LOADED = """
    import signal
    def validator(token, bucket, request):
        return True
    async def fetcher(token, bucket):
        return {"access_key": "double-owner", "secret_key": "double-owner-secret"}
    more = {"validator": validator, "bucket_creds_fetcher": fetcher, "drain_timeout": 0.5}
    server = osp.ProxyServer(config(access_log="access.log", **more))
    server.start()
    while not os.path.exists("enough"):
        time.sleep(0.01)
"""


@pytest.mark.parametrize(
    "how", [pytest.param(h, marks=[] if h == "returns" else pytest.mark.slow) for h in ENDS]
)
def test_the_interpreter_ends_under_load(run_script: Run, how: str) -> None:
    """Small requests, whose callbacks are asked each time, and uploads that are under way."""
    code, status = ENDS[how]
    with S3Double() as double, ExitStack() as stack:
        port = free_port()
        entry = {**double.entry(access_key=None, secret_key=None), "ttl": 0}
        child = run_script(LOADED + textwrap.indent(code, "    "), {"data": entry}, http_port=port)
        child.listening(port)
        served, stop = threading.Event(), threading.Event()
        url = f"http://127.0.0.1:{port}"

        def load(size: int) -> None:
            s3 = boto(url, CLIENT, retry=False)
            while not stop.is_set():
                try:
                    s3.put_object(Bucket="data", Key="k", Body=b"x" * size)
                    served.set()
                except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                    pass

        for n in range(3):  # uploads of which no more will come
            link = stack.enter_context(connect(url))
            length = {"Content-Length": "1000000", "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
            headers = sign("PUT", f"{url}/data/never-{n}", CLIENT, headers=length)
            link.sendall(head_bytes("PUT", f"/data/never-{n}", headers) + b"x" * 400_000)
        threads = [threading.Thread(target=load, args=(size,)) for size in (1000, 1000, 2_000_000)]
        for thread in threads:
            thread.start()
        try:
            assert served.wait(20)
            (child.log.parent / "enough").touch()
            ended_with = ended(child)
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
    output = child.output()
    if status is None:  # the second may come while Python is ending already
        assert ended_with in (1, -signal.SIGINT), output
    else:
        assert ended_with == status, output
    assert "SIGSEGV" not in output
    assert "panic" not in output
    if how != "os.abort":
        assert "Fatal" not in output
    assert not [name for name in double.objects if b"never" in name]


def test_importing_loads_no_library_and_starts_no_thread(run_script: Run) -> None:
    child = run_script(
        """
        osp.enable_request_counting()
        assert osp.get_request_count() == 0
        assert "libosp" not in open("/proc/self/maps").read()
        assert threading.active_count() == 1
        with osp.ProxyServer(config(http_port=0)):
            assert "libosp" in open("/proc/self/maps").read()
        """
    )
    assert ended(child) == 0, child.output()


def test_threads_are_the_processors_that_the_library_uses(run_script: Run) -> None:
    more_than_all = (os.cpu_count() or 1) + 1
    child = run_script(
        f"""
        if "GODEBUG" not in os.environ:  # the library sees what the process began with
            os.environ["GODEBUG"] = "schedtrace=20"
            os.execv(sys.executable, sys.orig_argv)
        for threads in (None, {more_than_all}, 0):
            with osp.ProxyServer(config(http_port=0, threads=threads)):
                while not os.path.exists(f"seen {{threads}}"):
                    time.sleep(0.01)
        """
    )

    def uses(threads: int) -> bool:
        assert child.alive(), child.output()
        return re.findall(r"gomaxprocs=(\d+)", child.output())[-1:] == [str(threads)]

    all_of_them = len(os.sched_getaffinity(0))  # a cgroup may allow fewer
    until(lambda: any(uses(n) for n in range(1, all_of_them + 1)), "the default")
    (child.log.parent / "seen None").touch()
    until(lambda: uses(more_than_all), "the number that was given")
    (child.log.parent / f"seen {more_than_all}").touch()
    until(lambda: any(uses(n) for n in range(1, all_of_them + 1)), "the default again")
    (child.log.parent / "seen 0").touch()
    assert ended(child) == 0, child.output()
