"""Signals that come as early as they can, and as late."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pytest
from helpers.children import Child
from helpers.cli import PROGRAM, write_toml
from helpers.ports import free_port
from helpers.scripts import Run, ended
from helpers.wait import accepts, until
from object_storage_proxy._aside import aside

# The process sends itself a signal just before its port opens, and as soon as it is open.
EARLY = """
import os, signal, sys
from object_storage_proxy import _lib
number, when = signal.Signals[{name!r}], {when!r}
start = _lib.Library.start
def started(*args):
    if when == "before":
        os.kill(os.getpid(), number)
    start(*args)
    if when == "after":
        os.kill(os.getpid(), number)
_lib.Library.start = started
"""
SERVE = EARLY + "from object_storage_proxy.cli import main\nsys.exit(main(['serve']))"
WHEN = ["before", "after"]


def serve(folder: Path, name: str, when: str, port: int) -> Child:
    write_toml(folder / "proxy.toml", {"host": "127.0.0.1", "http_port": port, "cos_map": {}})
    code = SERVE.format(name=name, when=when)
    return Child([sys.executable, "-c", code], folder / "serve.log", cwd=folder)


@pytest.mark.parametrize("when", WHEN)
class TestServe:
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
    def test_it_stops(self, tmp_path: Path, name: str, when: str) -> None:
        with serve(tmp_path, name, when, free_port()) as child:
            assert ended(child) == 0, child.output()
            assert "serving" in child.output()

    def test_it_reads_its_configuration_again(self, tmp_path: Path, when: str) -> None:
        port = free_port()
        with serve(tmp_path, "SIGHUP", when, port) as child:
            until(lambda: "the configuration was reloaded" in child.output(), "the reload")
            assert accepts(port)
            child.process.terminate()
            assert ended(child) == 0, child.output()


@pytest.mark.parametrize("when", WHEN)
class TestStartServer:
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
    def test_it_stops(self, run_script: Run, name: str, when: str) -> None:
        code = EARLY.format(name=name, when=when)
        child = run_script(code + "osp.start_server(config(http_port=0))\nprint('returned')")
        assert ended(child) == 0, child.output()
        assert "returned" in child.output()

    def test_it_opens_its_access_log_again(self, run_script: Run, when: str) -> None:
        child = run_script(
            EARLY.format(name="SIGHUP", when=when)
            + """
def reopened(self, handle):
    print("reopened", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
_lib.Library.reopen_logs = reopened
osp.start_server(config(http_port=0, access_log="access.log"))
"""
        )
        assert ended(child) == 0, child.output()
        assert "reopened" in child.output()

    def test_handlers_of_the_application_stay(self, run_script: Run, when: str) -> None:
        child = run_script(
            EARLY.format(name="SIGTERM", when=when)
            + """
def mine(signum, frame):
    print("mine", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGTERM, mine)
osp.start_server(config(http_port=0))
assert signal.getsignal(signal.SIGTERM) is mine
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
        )
        assert ended(child) == 0, child.output()
        assert "mine" in child.output()


# The parent of `serve --reload` sends itself a signal where it starts its child.
RELOAD = """
import os, signal, subprocess, sys
number, when = signal.Signals[{name!r}], {when!r}
class Popen(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        if when == "before":
            os.kill(os.getpid(), number)
        super().__init__(*args, **kwargs)
        if when == "after":
            os.kill(os.getpid(), number)
subprocess.Popen = Popen
from object_storage_proxy.cli import main
sys.exit(main(["serve", "--reload"]))
"""


@pytest.mark.parametrize("when", WHEN)
class TestReload:
    """The child is not ready for signals yet."""

    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    def test_no_signal_is_lost_and_a_hangup_ends_nothing(
        self, tmp_path: Path, name: str, when: str
    ) -> None:
        port = free_port()
        write_toml(tmp_path / "proxy.toml", {"host": "127.0.0.1", "http_port": port, "cos_map": {}})
        code = RELOAD.format(name=name, when=when)
        with Child([sys.executable, "-c", code], tmp_path / "serve.log", cwd=tmp_path) as child:
            if name == "SIGHUP":
                until(lambda: "the configuration was reloaded" in child.output(), "the reload")
                assert accepts(port)
                child.process.terminate()
                assert ended(child) == 0, child.output()
            else:  # by its default, or by Ctrl-C's
                assert ended(child) in (128 + signal.SIGTERM, 130), child.output()
        until(lambda: not accepts(port), "nobody listens")


# A module of the configuration sends its process a signal when all is done but the
# interpreter's own end: as what is registered with atexit runs, or as modules are thrown away.
LATE = """
import atexit, os, signal
number, when = signal.Signals[{name!r}], {when!r}
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=int(number)):
        kill(pid, number)
if when == "in the end":
    late = Late()
else:
    atexit.register(os.kill, os.getpid(), number)
def may(token, bucket):
    return True
"""


def late(folder: Path, name: str, when: str) -> int:
    """Writes a configuration with such a module; returns its port."""
    port = free_port()
    (folder / "rules.py").write_text(LATE.format(name=name, when=when))
    settings = {"host": "127.0.0.1", "http_port": port, "cos_map": {}, "validator": "rules:may"}
    write_toml(folder / "proxy.toml", settings)
    return port


@pytest.mark.parametrize("when", ["at exit", "in the end"])
class TestLate:
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    def test_a_signal_changes_nothing(self, tmp_path: Path, name: str, when: str) -> None:
        port = late(tmp_path, name, when)
        with Child([PROGRAM, "serve"], tmp_path / "serve.log", cwd=tmp_path) as child:
            child.listening(port)
            child.process.terminate()
            assert ended(child) == 0, child.output()
            assert "Traceback" not in child.output()

    def test_a_hangup_at_a_change_does_not_end_what_reloads(
        self, tmp_path: Path, when: str
    ) -> None:
        port = late(tmp_path, "SIGHUP", when)
        command = [PROGRAM, "serve", "--reload"]
        with Child(command, tmp_path / "serve.log", cwd=tmp_path) as child:
            child.listening(port)
            (tmp_path / "rules.py").touch()
            until(lambda: child.output().count("serving") == 2, "the next child")
            child.process.terminate()
            assert ended(child) == 0, child.output()


def test_a_thread_that_does_not_end_is_cut_off_by_a_second_signal(tmp_path: Path) -> None:
    port = late(tmp_path, "SIGHUP", "at exit")
    with (tmp_path / "rules.py").open("a") as rules:
        rules.write("import threading\nthreading.Thread(target=threading.Event().wait).start()\n")
    with Child([PROGRAM, "serve"], tmp_path / "serve.log", cwd=tmp_path) as child:
        child.listening(port)
        child.process.terminate()
        until(lambda: not accepts(port), "it stops")
        until(lambda: not child.alive() or child.process.terminate(), "it ends")
        assert ended(child) == 0, child.output()


class TestCallsThatWait:
    """Those of the main thread, which are made on another one."""

    def test_a_handler_that_raises_makes_no_second_call(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = threading.Thread.start

        def interrupted(thread: threading.Thread) -> None:
            start(thread)
            raise RuntimeError("of a handler")  # while it waits for the thread

        monkeypatch.setattr(threading.Thread, "start", interrupted)
        made = threading.Semaphore(0)
        with pytest.raises(RuntimeError, match="of a handler"):
            aside(made.release)
        assert made.acquire(timeout=10)
        assert not made.acquire(blocking=False)

    def test_they_are_made_when_no_thread_can_be_started(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(thread: threading.Thread) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

        monkeypatch.setattr(threading.Thread, "start", refused)
        made: list[int] = []
        aside(lambda: made.append(threading.get_ident()))
        assert made == [threading.get_ident()]
