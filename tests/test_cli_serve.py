"""`serve`: starting from a file, SIGHUP, --reload, Ctrl-C."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from conftest import CLIENT
from helpers.cli import Run, mistaken, runner
from helpers.clients import Keys, refused
from helpers.double import S3Double
from helpers.ports import free_port
from helpers.served import Served
from helpers.wait import accepts, until

FAILED = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
ALLOW = "def may(token, bucket):\n    return True\n"
REFUSE = ALLOW.replace("True", "False")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(tmp_path, stack)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


def get(s3: Any, bucket: str = "data") -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key="k")["Body"].read())


def test_it_serves_what_the_file_says(served: Served, double: S3Double) -> None:
    (served.folder / "rules.py").write_text(
        "def may(token, bucket, request):\n    return request['method'] == 'GET'\n"
    )
    (served.folder / ".env").write_text(f"STORE_SECRET={double.keys.secret}\n")
    served.configure(
        validator="rules:may", cos_map={"data": double.entry(secret_key="${STORE_SECRET}")}
    )
    served.start()
    served.up()
    assert get(served.boto()) == b"x"
    assert refused(served.boto().put_object, Bucket="data", Key="k").code == "AccessDenied"
    assert not double.problems
    served.child.process.send_signal(signal.SIGTERM)
    assert served.ended() == 0, served.child.output()
    assert "Traceback" not in served.child.output()


def test_options_go_before_the_environment_and_the_file(served: Served, double: S3Double) -> None:
    file, port = served.port, free_port()
    served.configure(cos_map={"data": double.entry()}, server_name="file")
    served.port = port
    served.start("--http-port", str(port), OSP_HTTP_PORT="1", OSP_SERVER_NAME="environment")
    served.up()
    answer = served.boto().get_object(Bucket="data", Key="k")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["server"] == "environment"
    assert not accepts(file)


def test_mistakes_end_it_before_it_serves(served: Served, run: Run) -> None:
    served.configure(cos_map={"data": {"host": "h"}}, threads=-1)
    assert mistaken(run("serve")) == [
        "proxy.toml:4: cos_map.data.port: is required",
        "proxy.toml:5: threads: must be between 0 and 1024, got -1",
    ]
    lines = mistaken(run("serve", "--http-port", "70000", OSP_COS_MAP="{}", OSP_THREADS="1"))
    assert lines == ["--http-port: http_port: must be between 0 and 65535, got 70000"]


def test_a_port_in_use_is_one_line(served: Served, run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", served.port))
        taken.listen()
        served.configure(cos_map={})
        done = run("serve")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "in use" in done.stderr.splitlines()[-1]


class TestHangup:
    def test_stores_and_keys_are_swapped(self, served: Served, double: S3Double) -> None:
        served.configure(cos_map={"data": double.entry()})
        served.start()
        served.up()
        eve = Keys("eve", "eve-secret")
        assert refused(served.boto(eve).get_object, Bucket="data", Key="k").code == (
            "InvalidAccessKeyId"
        )
        served.configure(
            cos_map={"more": double.entry(bucket="data")},
            hmac_keystore=[{"access_key": eve.access, "secret_key": eve.secret}],
            server_name="later",
        )
        served.child.process.send_signal(signal.SIGHUP)
        served.said("the configuration was reloaded")
        assert get(served.boto(eve), "more") == b"x"
        assert refused(served.boto(eve).get_object, Bucket="data", Key="k").code == "NoSuchBucket"
        assert refused(served.boto().get_object, Bucket="more", Key="k").code == (
            "InvalidAccessKeyId"
        )
        served.said("changed, but needs a restart: server_name")

    def test_what_callbacks_said_is_forgotten(self, served: Served, double: S3Double) -> None:
        (served.folder / "rules.py").write_text(
            "import os\ndef may(token, bucket):\n    return os.path.exists('open')\n"
        )
        (served.folder / "open").touch()
        served.configure(cos_map={"data": double.entry()}, validator="rules:may")
        served.start()
        served.up()
        assert get(served.boto()) == b"x"
        (served.folder / "open").unlink()
        assert get(served.boto()) == b"x"
        served.child.process.send_signal(signal.SIGHUP)
        served.said("the configuration was reloaded")
        assert refused(served.boto().get_object, Bucket="data", Key="k").code == "AccessDenied"

    def test_mistakes_change_nothing(self, served: Served, double: S3Double) -> None:
        served.configure(cos_map={"data": double.entry()})
        served.start()
        served.up()
        served.configure(cos_map={"data": double.entry(port=0)}, hmac_keystore=[])
        served.child.process.send_signal(signal.SIGHUP)
        served.said("proxy.toml:4: cos_map.data.port: must be between 1 and 65535")
        served.said("the configuration was not reloaded")
        assert get(served.boto()) == b"x"

    def test_a_new_dotenv_file_counts(self, served: Served, double: S3Double) -> None:
        pair = {"access_key": CLIENT.access, "secret_key": "${SECRET}"}
        (served.folder / ".env").write_text("SECRET=old\n")
        served.configure(cos_map={"data": double.entry()}, hmac_keystore=[pair])
        served.start()
        served.up()
        assert get(served.boto(Keys(CLIENT.access, "old"))) == b"x"
        (served.folder / ".env").write_text("SECRET=new\n")
        served.child.process.send_signal(signal.SIGHUP)
        served.said("the configuration was reloaded")
        assert get(served.boto(Keys(CLIENT.access, "new"))) == b"x"


@pytest.mark.slow
class TestReload:
    """For development: each change starts the server anew."""

    @pytest.fixture
    def developed(self, served: Served, double: S3Double) -> Served:
        self.write(served, "rules.py", ALLOW)
        served.configure(cos_map={"data": {**double.entry(), "ttl": 0}}, validator="rules:may")
        served.start("--reload")
        served.up()
        return served

    def write(self, served: Served, name: str, text: str) -> None:
        new = served.folder / f"{name}.new"
        new.write_text(text)
        new.replace(served.folder / name)

    def allows(self, served: Served) -> Callable[[], bool]:
        def look() -> bool:
            try:
                return get(served.boto()) == b"x"
            except FAILED:
                return False

        return look

    def test_a_module_changes(self, developed: Served) -> None:
        assert self.allows(developed)()
        self.write(developed, "rules.py", REFUSE)
        developed.said("rules.py changed: restarting")
        developed.said("serving", 2)
        developed.up()
        assert refused(developed.boto().get_object, Bucket="data", Key="k").code == "AccessDenied"

    def test_a_mistake_waits_for_the_next_change(self, developed: Served) -> None:
        self.write(developed, "rules.py", "def may(:\n")
        developed.said("rules.py:1: invalid syntax")
        developed.said("waiting for a change")
        assert developed.child.alive()
        self.write(developed, "rules.py", "import other\nmay = other.may\n")
        developed.said("ModuleNotFoundError: No module named 'other'")
        developed.said("waiting for a change", 2)
        self.write(developed, "other.py", ALLOW)
        until(self.allows(developed), "the rules allow again")

    def test_the_configuration_changes(self, developed: Served) -> None:
        was = developed.port
        developed.port = free_port()
        developed.configure(cos_map={}, threads=2)
        developed.up()
        until(lambda: not accepts(was), "the old port is free")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_both(self, developed: Served, number: signal.Signals) -> None:
        developed.child.process.send_signal(number)
        assert developed.ended() == 0, developed.child.output()
        until(lambda: not accepts(developed.port), "nobody listens")

    def test_the_server_ends_when_its_parent_is_gone(self, developed: Served) -> None:
        developed.child.process.kill()
        developed.ended()
        until(lambda: not accepts(developed.port), "nobody listens")


def test_a_second_ctrl_c_does_not_wait_for_anything(served: Served, double: S3Double) -> None:
    """Neither for a request in flight nor for a callback that hangs."""
    (served.folder / "rules.py").write_text(
        "import time\ndef may(token, bucket):\n    open('asked', 'w')\n    time.sleep(3600)\n"
    )
    served.configure(
        cos_map={"data": double.entry()},
        validator="rules:may",
        drain_timeout=3600,
        callback_timeout=3600,
    )
    served.start()
    served.up()
    cut_off = threading.Event()

    def read() -> None:
        try:
            get(served.boto())
        except FAILED:
            cut_off.set()

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: (served.folder / "asked").exists(), "the callback hangs")
    served.child.process.send_signal(signal.SIGINT)
    until(lambda: not accepts(served.port), "it stops to accept")
    assert served.child.alive(), served.child.output()
    served.child.process.send_signal(signal.SIGINT)
    assert served.ended() == 0, served.child.output()
    reader.join(30)
    assert cut_off.is_set()
    assert "Traceback" not in served.child.output()


def test_the_log_level(served: Served, double: S3Double) -> None:
    served.configure(cos_map={"data": double.entry()})
    served.start("--log-level", "warning", OSP_SKIP_SIGNATURE_VALIDATION="true")
    served.up()
    served.said("skip_signature_validation is on")
    assert "INFO" not in served.child.output()
    assert re.search(r"^\d{4}-\d\d-\d\d .* WARNING ", served.child.output(), re.MULTILINE)
