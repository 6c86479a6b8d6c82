"""Several processes on one port, under the supervisors whose files are in docs/deploy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.children import Child, clean_environment
from helpers.cli import PROGRAM, write_toml
from helpers.clients import CLIENT, boto
from helpers.double import S3Double
from helpers.fleet import key
from helpers.monitor import scrape
from helpers.pages import DOCS
from helpers.ports import free_port
from helpers.valkey import valkey
from helpers.wait import accepts, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="connections are spread by Linux"),
]

BIN = Path(sys.executable).parent
PROCESSES = 4


def free_prefix() -> str:
    """All but the last digit of ports that nobody else is given."""
    while True:
        first = str(free_port())
        if first[-1] == "1" and [first, *(str(free_port()) for _ in range(1, PROCESSES))] == [
            str(port) for port in ports(first[:-1])
        ]:
            return first[:-1]


def ports(prefix: str) -> list[int]:
    return [int(f"{prefix}{number}") for number in range(1, PROCESSES + 1)]


@dataclass
class Watched:
    """A process of which only the metrics port is known."""

    metrics_url: str | None


class Supervised:
    """The processes of docs/deploy/supervisord.conf, with a folder and ports of their own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.port, self.prefix = folder, free_port(), free_prefix()
        where = {"host": "127.0.0.1", "http_port": self.port}
        write_toml(folder / "proxy.toml", {**where, "cos_map": {}, **settings})
        text = (DOCS / "deploy" / "supervisord.conf").read_text()
        for there, here in {
            "/opt/object-storage-proxy/bin/object-storage-proxy": str(PROGRAM),
            "/etc/object-storage-proxy": str(folder),
            "/var/log": str(folder),
            "/run/": f"{folder}/",
            "--metrics-port 909": f"--metrics-port {self.prefix}",
            "user = object-storage-proxy\n": "",  # the user of the tests
            "minfds = 65536\n": "",  # who need not be allowed so many
        }.items():
            assert there in text
            text = text.replace(there, here)
        self.conf = folder / "supervisord.conf"
        self.conf.write_text(text)

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [BIN / "supervisord", "--nodaemon", "--configuration", self.conf]
        with Child(command, self.folder / "supervisor.log") as child:
            for port in ports(self.prefix):
                child.listening(port)
            yield

    def control(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "supervisorctl", "--configuration", self.conf, *args],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def pid(self, number: int) -> int:
        """0: it does not run."""
        return int(self.control("pid", f"object-storage-proxy:{number}").stdout)

    def ask(self) -> int:
        """A request on a connection of its own, repeated as SDKs repeat it."""
        for _ in range(3):
            try:
                return httpx.get(f"http://127.0.0.1:{self.port}/", trust_env=False).status_code
            except httpx.TransportError:
                continue
        return 0


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    supervised = Supervised(tmp_path)
    with supervised.running():
        yield supervised


def test_supervisord_spreads_connections_over_processes(supervised: Supervised) -> None:
    def all_had_some() -> bool:
        assert supervised.ask() == 403  # nobody can sign
        watched = [Watched(f"http://127.0.0.1:{port}") for port in ports(supervised.prefix)]
        return all(scrape(each).value("osp_refusals_total") for each in watched)

    until(all_had_some, "each process has had a request")


def test_processes_are_replaced_one_by_one_while_clients_are_served(supervised: Supervised) -> None:
    before = [supervised.pid(number) for number in (1, 2)]
    ended = threading.Event()
    answers: list[int] = []

    def client() -> None:
        while not ended.is_set():
            answers.append(supervised.ask())

    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
    for number in (1, 2):
        done = supervised.control("restart", f"object-storage-proxy:{number}")
        assert done.returncode == 0, done.stdout
    ended.set()
    for each in clients:
        each.join()
    assert [supervised.pid(number) for number in (1, 2)] != before
    assert set(answers) == {403}


def test_a_process_that_dies_is_started_again(supervised: Supervised) -> None:
    pid = supervised.pid(3)
    os.kill(pid, 9)
    until(lambda: supervised.pid(3) not in (0, pid), "another process")
    until(lambda: accepts(ports(supervised.prefix)[2]), "its metrics port")


def test_processes_that_share_a_valkey_count_presigned_uses_together(
    tmp_path: Path, double: S3Double
) -> None:
    with valkey(tmp_path / "valkey") as state:
        supervised = Supervised(
            tmp_path,
            cos_map={"data": double.entry()},
            hmac_keystore=[{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
            max_presign_url_usage_attempts=3,
            shared_state=state.url,
            shared_keys=[key("k1", 1)],
            shared_timeout=2.0,
        )
        with supervised.running():
            s3 = boto(f"http://127.0.0.1:{supervised.port}", CLIENT, signature_version="s3v4")
            given = {"Bucket": "data", "Key": "k"}
            url = s3.generate_presigned_url("get_object", Params=given)
            used = [httpx.get(url, trust_env=False).status_code for _ in range(40)]
    assert Counter(used) == {200: 3, 403: 37}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not there")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    unit = (DOCS / "deploy" / "object-storage-proxy.service").read_text()
    unit = unit.replace("/opt/object-storage-proxy/bin/object-storage-proxy", str(PROGRAM))
    (tmp_path / "object-storage-proxy.service").write_text(unit)
    template = tmp_path / "object-storage-proxy@.service"
    template.write_text(unit)
    folder = tmp_path / f"{template.name}.d"
    folder.mkdir()
    shutil.copy(DOCS / "deploy" / "instances.conf", folder)
    for name in ("object-storage-proxy.service", "object-storage-proxy@3.service"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / name],
            env=clean_environment(SYSTEMD_UNIT_PATH=f"{tmp_path}:/usr/lib/systemd/system"),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
