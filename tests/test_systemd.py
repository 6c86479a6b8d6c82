"""What a service manager hears from the proxy: sd_notify(3)."""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.children import Child
from helpers.cli import PROGRAM, write_toml
from helpers.ports import free_port
from helpers.wait import accepts

RELOADING = re.compile(r"RELOADING=1\nMONOTONIC_USEC=\d+")


class Manager:
    """The socket of a service manager."""

    def __init__(self, folder: Path, abstract: bool) -> None:
        name = str(folder / "notify")
        self.address = f"@{name}" if abstract else name
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._link.bind(f"\0{name}" if abstract else name)
        self._link.settimeout(30)

    def hears(self) -> str:
        return self._link.recv(4096).decode()

    def close(self) -> None:
        self._link.close()


@pytest.fixture(params=["a path", "an abstract name"])
def manager(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Manager]:
    manager = Manager(tmp_path, request.param == "an abstract name")
    yield manager
    manager.close()


def test_serve_tells_of_start_reload_and_stop(manager: Manager, tmp_path: Path) -> None:
    port = free_port()
    write_toml(tmp_path / "proxy.toml", {"host": "127.0.0.1", "http_port": port, "cos_map": {}})
    env = {"NOTIFY_SOCKET": manager.address}
    with Child([PROGRAM, "serve"], tmp_path / "serve.log", env=env, cwd=tmp_path) as child:
        assert manager.hears() == "READY=1", child.output()
        assert accepts(port)
        child.process.send_signal(signal.SIGHUP)
        assert RELOADING.fullmatch(manager.hears())
        assert manager.hears() == "READY=1"
        child.process.send_signal(signal.SIGTERM)
        assert manager.hears() == "STOPPING=1"
        assert child.process.wait(30) == 0, child.output()


def test_start_server_tells_of_start_and_stop(manager: Manager, tmp_path: Path) -> None:
    port = free_port()
    script = f"""
import object_storage_proxy as osp
osp.start_server(osp.ProxyServerConfig(
    cos_map={{}}, http_port={port}, host="127.0.0.1", access_log="access.log"))
"""
    env = {"NOTIFY_SOCKET": manager.address}
    args = [sys.executable, "-c", script]
    with Child(args, tmp_path / "child.log", env=env, cwd=tmp_path) as child:
        assert manager.hears() == "READY=1", child.output()
        assert accepts(port)
        child.process.send_signal(signal.SIGHUP)
        assert RELOADING.fullmatch(manager.hears())
        assert manager.hears() == "READY=1"
        child.process.send_signal(signal.SIGINT)
        assert manager.hears() == "STOPPING=1"
        assert child.process.wait(30) == 0, child.output()


def test_a_manager_that_is_gone_is_no_matter(tmp_path: Path) -> None:
    port = free_port()
    write_toml(tmp_path / "proxy.toml", {"host": "127.0.0.1", "http_port": port, "cos_map": {}})
    env = {"NOTIFY_SOCKET": str(tmp_path / "nobody")}
    with Child([PROGRAM, "serve"], tmp_path / "serve.log", env=env, cwd=tmp_path) as child:
        child.listening(port)
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(30) == 0, child.output()
        assert "Traceback" not in child.output()
