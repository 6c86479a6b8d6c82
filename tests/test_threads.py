"""The threads of the proxy outlive whatever the owner's code does on them."""

from __future__ import annotations

import pytest
from helpers.double import S3Double
from helpers.scripts import Run, completes

# Requests of a client that signs, from the very process.
CLIENT = """
import asyncio, logging, urllib.error, urllib.request
from datetime import datetime, timezone
from object_storage_proxy.cli.sigv4 import Credentials, presign

def status(server, key="k"):
    url = presign(
        Credentials("client-key", "client-secret"), "GET", "http",
        server.http_url.removeprefix("http://"), f"/data/{key}",
        region="us-east-1", expires=600, now=datetime.now(timezone.utc))
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code

def until(look):
    end = time.monotonic() + 20
    while not look():
        assert time.monotonic() < end
        time.sleep(0.01)

def alive(name):
    return any(thread.name == name for thread in threading.enumerate())
"""


@pytest.mark.parametrize("error", ["ValueError('no')", "SystemExit(3)", "KeyboardInterrupt"])
@pytest.mark.parametrize("where", ["filter", "handler", "factory"])
def test_logging_that_raises_ends_no_logging(run_script: Run, error: str, where: str) -> None:
    child = run_script(
        CLIENT
        + f"""
raising, seen = True, []
def may_raise(record):
    if raising:
        seen.append(record)
        raise {error}
    return True
class Handler(logging.Handler):
    def handle(self, record):
        if {where!r} == "handler":
            may_raise(record)
        seen.append(record)
class Record(logging.LogRecord):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if {where!r} == "factory":
            may_raise(self)
log = logging.getLogger("object_storage_proxy")
log.setLevel(logging.INFO)
log.addHandler(Handler())
if {where!r} == "filter":
    log.addFilter(may_raise)
logging.setLogRecordFactory(Record)
with osp.ProxyServer(config(http_port=0)) as server:
    until(lambda: seen)
    assert status(server, "/../k") in (400, 403)
    assert alive("osp-logs")
    raising = False
    seen.clear()
    with osp.ProxyServer(config(http_port=0)):
        until(lambda: any(record.getMessage().startswith("serving") for record in seen))
print("done")
"""
    )
    completes(child)
    assert child.output().count("Traceback") < 5  # at most one a second


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_callback_that_fails_may_be_logged_by_what_fails(
    run_script: Run, asynchronous: bool
) -> None:
    with S3Double() as double:
        double.objects = {b"/data/k": b"x"}
        child = run_script(
            CLIENT
            + f"""
def raises(record):
    raise SystemExit(3)
logging.getLogger("object_storage_proxy").addFilter(raises)
failing = True
{"async " if asynchronous else ""}def validator(token, bucket):
    if failing:
        raise LookupError
    return True
with osp.ProxyServer(config(http_port=0, validator=validator)) as server:
    assert [status(server) for _ in range(3)] == [403] * 3
    failing = False
    assert status(server) == 200
print("done")
""",
            {"data": double.entry()},
        )
        completes(child)


# What a callback may leave behind on the proxy's event loop.
TASKS = {
    "a task that exits": "left.append(loop.create_task(raises(SystemExit(3))))",
    "a task that is interrupted": "left.append(loop.create_task(raises(KeyboardInterrupt())))",
    "a call that exits": "loop.call_soon(sys.exit, 3)",
    "a loop that is stopped": "loop.stop()",
    "a task that exits when it is cancelled": "left.append(loop.create_task(stubborn()))",
}


@pytest.mark.parametrize("what", TASKS)
def test_the_event_loop_goes_on_after(run_script: Run, what: str) -> None:
    with S3Double() as double:
        double.objects = {b"/data/k": b"x"}
        child = run_script(
            CLIENT
            + f"""
left = []
async def raises(error):
    raise error
async def stubborn():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        raise SystemExit(3)
async def validator(token, bucket):
    loop = asyncio.get_running_loop()
    {TASKS[what]}
    await asyncio.sleep(0.01)
    return True
first, second = (osp.ProxyServer(config(http_port=0, validator=validator)) for _ in range(2))
first.start()
second.start()
for server in (first, second):
    assert [status(server) for _ in range(3)] == [200] * 3
first.stop()  # and the end of the interpreter stops the second
assert first.http_url is None
first.start()
assert status(first) == 200
print("done")
""",
            {"data": {**double.entry(), "ttl": 0}},
        )
        completes(child)
        assert "Exception ignored" not in child.output()
        told = "a task of a callback failed; the event loop goes on" in child.output()
        assert told == (what != "a loop that is stopped")


def test_a_task_that_can_not_be_made_is_a_refusal(run_script: Run) -> None:
    """At once: the time that a callback has is longer than the test."""
    child = run_script(
        CLIENT
        + """
def factory(loop, coroutine, **more):
    coroutine.close()
    raise SystemExit(3)
async def validator(token, bucket):
    asyncio.get_running_loop().set_task_factory(factory)
    return False
more = {"validator": validator, "callback_timeout": 3600}
with osp.ProxyServer(config(http_port=0, **more)) as server:
    assert [status(server, key) for key in "abc"] == [403] * 3
print("done")
""",
        {"data": {"host": "127.0.0.1", "port": 9, "api_key": "k", "ttl": 0}},
    )
    completes(child)
    assert "never awaited" not in child.output()
