"""Starts and stops: beside one another, on any thread or loop, by a callback, by the exit."""

from __future__ import annotations

import threading

import pytest
from conftest import CLIENT
from helpers.clients import boto
from helpers.double import S3Double
from helpers.ports import free_port
from helpers.scripts import SERVER, Run, completes, ended
from helpers.wait import accepts, until


def test_starts_and_stops_of_many_threads_at_the_same_time(run_script: Run) -> None:
    child = run_script(
        SERVER
        + """
started = []
for _ in range(30):
    barrier = threading.Barrier(4)
    def start():
        barrier.wait()
        try:
            server.start()
            started.append(1)
        except RuntimeError:
            pass
    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    threads = [threading.Thread(target=server.stop) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert server.http_url is None
assert len(started) == 30, started
works(server)
print("done")
"""
    )
    completes(child, 60)


def test_of_the_first_start_another_start_may_come(run_script: Run) -> None:
    """When modules are half imported, too."""
    child = run_script(
        """
        server = osp.ProxyServer(config(http_port=0))
        def trace(frame, event, arg):
            code = frame.f_code
            if code.co_name == "<module>" and code.co_filename.endswith("_document.py"):
                sys.settrace(None)
                for call in (server.start, server.update):
                    try:
                        call()
                    except RuntimeError as error:
                        print(error)
            return trace
        sys.settrace(trace)
        server.start()
        server.stop()
        """
    )
    assert ended(child) == 0, child.output()
    assert "this server is starting" in child.output()
    assert "this server is not running" in child.output()


def test_a_start_that_fails_may_be_tried_again(run_script: Run) -> None:
    child = run_script(
        SERVER
        + """
import socket
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    another = osp.ProxyServer(config(http_port=port))
    for _ in range(3):
        try:
            another.start()
        except OSError:
            pass
        another.stop()
works(another)
print("done")
"""
    )
    completes(child)


def test_after_a_start_that_ctrl_c_ended_the_port_is_free(run_script: Run) -> None:
    child = run_script(
        SERVER
        + f"""
from object_storage_proxy import _lib
ports = _lib.Library.ports
def interrupted(*args):
    raise KeyboardInterrupt
another = osp.ProxyServer(config(http_port={free_port()}))
for _ in range(30):
    _lib.Library.ports = interrupted
    try:
        another.start()
    except KeyboardInterrupt:
        pass
    _lib.Library.ports = ports
    works(another)
print("done")
"""
    )
    completes(child, 60)


def test_a_signal_handler_stops_while_a_stop_waits(run_script: Run) -> None:
    """The drain time is longer than the test: what hangs, fails."""
    child = run_script(
        """
        import signal
        def validator(token, bucket):
            print("asked", flush=True)
            time.sleep(3600)
        server = osp.ProxyServer(config(validator=validator, drain_timeout=3600))
        signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
        server.start()
        while not os.path.exists("enough"):
            time.sleep(0.01)
        print("stopping", flush=True)
        server.stop()
        print("stopped", server.http_url, flush=True)
        os._exit(0)  # the callback never ends
        """,
        http_port=(port := free_port()),
    )
    child.listening(port)
    ask(port)
    until(lambda: "asked" in child.output(), "the callback is asked")
    (child.log.parent / "enough").touch()
    until(lambda: not accepts(port), "it stops")
    child.process.terminate()
    assert ended(child) == 0, child.output()
    assert "stopped None" in child.output()


def ask(port: int) -> threading.Thread:
    """Asks for an object on a thread of its own; whether that is refused is no matter."""
    s3 = boto(f"http://127.0.0.1:{port}", CLIENT, retry=False)

    def get() -> None:
        try:
            s3.get_object(Bucket="data", Key="k")
        except Exception as error:  # a refusal, or a connection that broke
            print(error)

    thread = threading.Thread(target=get, daemon=True)
    thread.start()
    return thread


LOOPS = {
    "in a coroutine": "server.stop()",
    "in a signal handler": """
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)""",
    "in a signal handler of the loop": """
    done = asyncio.Event()
    def handle():
        server.stop()
        done.set()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, handle)
    os.kill(os.getpid(), signal.SIGTERM)
    await done.wait()""",
    "while a thread stops": """
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    await asyncio.sleep(0.2)
    server.stop()
    await stopping""",
    "when the loop has ended": "",
}


@pytest.mark.parametrize("how", LOOPS)
def test_a_stop_on_the_thread_of_the_owners_loop(run_script: Run, how: str) -> None:
    """A coroutine that waits there, for longer than the test, does not hold it up."""
    child = run_script(
        f"""
import asyncio, signal, warnings
warnings.simplefilter("error")
asked = False
async def validator(token, bucket):
    global asked
    asked = True
    await asyncio.sleep(3600)
async def main():
    global server
    more = {{"validator": validator, "event_loop": asyncio.get_running_loop()}}
    server = osp.ProxyServer(config(drain_timeout=3600, callback_timeout=7200, **more))
    server.start()
    while not asked:
        await asyncio.sleep(0.01)
    {LOOPS[how]}
asyncio.run(main())
server.stop()
print("stopped", server.http_url)
server.start()
server.stop()
""",
        http_port=(port := free_port()),
    )
    child.listening(port)
    client = ask(port)
    assert ended(child) == 0, child.output()
    client.join(20)
    assert not client.is_alive()
    assert "stopped None" in child.output()
    assert "RuntimeError" not in child.output()
    assert "never awaited" not in child.output()


@pytest.mark.parametrize("how", ["a function", "a coroutine", "a coroutine of the owner's loop"])
def test_a_callback_stops_the_server_that_asks_it(run_script: Run, how: str) -> None:
    with S3Double() as double:
        double.objects = {b"/data/k": b"x"}
        child = run_script(
            f"""
import asyncio
{"" if how == "a function" else "async "}def validator(token, bucket):
    server.stop()
    print("stopped", flush=True)
    return True
loop = None
if {how!r} == "a coroutine of the owner's loop":
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
server = osp.ProxyServer(config(validator=validator, event_loop=loop, drain_timeout=3600))
server.start()
server.wait()
while server.http_url:  # till its ports are free
    time.sleep(0.01)
server.start()
server.stop()
print("again")
""",
            {"data": double.entry()},
            http_port=(port := free_port()),
        )
        child.listening(port)
        client = ask(port)
        assert ended(child) == 0, child.output()
        client.join(20)
        assert not client.is_alive()
        assert "stopped" in child.output()
        assert "again" in child.output()
        # A function's own request ends as it would; one that waits for a coroutine does not.
        assert len(double.seen) == (1 if how == "a function" else 0)


def test_the_interpreter_that_exits_stops_every_server(run_script: Run) -> None:
    child = run_script(
        """
        import atexit
        servers = []
        atexit.register(lambda: print([s.http_url for s in servers]))  # after the package's own
        class Stubborn(osp.ProxyServer):
            def stop(self, drain=None):
                super().stop(drain)
                raise SystemExit(5)
        servers += [kind(config(http_port=0)) for kind in (Stubborn, osp.ProxyServer) * 3]
        for server in servers:
            server.start()
        """
    )
    assert ended(child) == 0, child.output()
    assert str([None] * 6) in child.output()
