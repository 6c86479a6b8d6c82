"""Three replicas behind a load balancer that docs/deploy/balancers configures.

Its files run as they stand there, but for the ports. The replicas are processes of the
program's `serve` on loopback addresses of their own, as hosts have them.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from helpers import raw
from helpers.certificates import Certificates
from helpers.children import Child
from helpers.cli import PROGRAM, write_toml
from helpers.clients import CLIENT
from helpers.names import DOMAIN
from helpers.ports import free_port
from helpers.wait import until

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "docs" / "deploy" / "balancers"
BROUGHT = ROOT / ".build" / "balancers" / "bin"
REPLICAS = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
# That of the balancer, and those of each replica, in the files.
BALANCER, CLIENTS, METRICS = 8000, 8080, 9090
DRAIN_DELAY = 3.0  # seconds; the balancers look at /readyz each second
SILENCE = 30.0  # seconds that a client may be silent, by the files


@dataclass(frozen=True)
class Kind:
    """A program, and how it is told its file.

    Attributes:
        looks: at /readyz.
        waits: with `100 Continue` until a replica says so.
    """

    program: str
    command: Sequence[str]
    suffix: str
    looks: bool = True
    waits: bool = True


KINDS = {
    "haproxy": Kind("haproxy", ("-db", "-f"), "cfg"),
    "nginx": Kind(
        "nginx",
        ("-e", "stderr", "-g", "daemon off; pid nginx.pid;", "-p", ".", "-c"),
        "conf",
        looks=False,
        waits=False,
    ),
    "envoy": Kind("envoy", ("--use-dynamic-base-id", "--concurrency", "2", "-c"), "yaml"),
    "traefik": Kind("traefik", ("--configfile",), "yaml"),
}

# What Debian has is part of `./build.sh test`.
EACH_KIND = [
    kind if kind in ("haproxy", "nginx") else pytest.param(kind, marks=pytest.mark.fleet)
    for kind in KINDS
]


def program(name: str) -> str:
    """Where a balancer is; skips the test where it is not."""
    if sys.platform != "linux":
        pytest.skip("only Linux has all of 127.0.0.0/8")
    found = shutil.which(str(BROUGHT / name)) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if found is None:
        pytest.skip(f"{name} is not here: `./build.sh test fleet` brings it along")
    return found


class Fleet:
    """Serves between its start and its end; a context manager.

    Args:
        folder: for everything that it writes.
        kind: of KINDS.
        cos_map: of the replicas.
        tls: they speak it, behind a balancer that passes connections on and says whose they are.
        more: parameters of the replicas.
    """

    def __init__(
        self,
        folder: Path,
        kind: str,
        cos_map: Mapping[str, Any],
        tls: Certificates | None = None,
        **more: Any,
    ) -> None:
        self.folder, self.kind, self.tls = folder, KINDS[kind], tls
        self._ports = {role: free_port() for role in (BALANCER, CLIENTS, METRICS)}
        self._program = program(kind)
        self._settings = {
            "cos_map": cos_map,
            "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
            "https_port" if tls else "http_port": self._ports[CLIENTS],
            "metrics_port": self._ports[METRICS],
            "trusted_proxies": ["127.0.0.1"],
            "proxy_protocol": tls is not None,
            "access_log": "stderr",
            "domain": DOMAIN,
            "drain_delay": DRAIN_DELAY,
            **more,
        }
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._ports[BALANCER]}"
        self._stack = ExitStack()
        self.replicas: list[Child] = []

    def __enter__(self) -> Fleet:
        with ExitStack() as stack:
            self._stack = stack
            self.replicas = [self._started(address) for address in REPLICAS]
            for address in REPLICAS:
                self.ready(address)
            self.balancer = stack.enter_context(self._balancer())
            self.balancer.listening(self._ports[BALANCER])
            until(self.all_serve, f"all replicas behind {self.kind.program}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _started(self, address: str) -> Child:
        folder = self.folder / address
        folder.mkdir(exist_ok=True)
        hosts = {"host": address, "metrics_host": address}
        write_toml(folder / "proxy.toml", {**self._settings, **hosts})
        env = {}
        if self.tls:
            env = {"TLS_CERT_PATH": str(self.tls.cert), "TLS_KEY_PATH": str(self.tls.key)}
        log = self.folder / f"{address}.log"
        return self._stack.enter_context(Child([PROGRAM, "serve"], log, env, folder))

    def _balancer(self) -> Child:
        name = f"{self.kind.program}-tcp" if self.tls else self.kind.program
        for file in FILES.glob(f"{name}*"):
            ports = re.sub(r"\b(8000|8080|9090)\b", self._port, file.read_text())
            (self.folder / file.name).write_text(ports)
        command = [self._program, *self.kind.command, f"{name}.{self.kind.suffix}"]
        return Child(command, self.folder / "balancer.log", cwd=self.folder)

    def _port(self, found: re.Match[str]) -> str:
        return str(self._ports[int(found[0])])

    def readiness(self, address: str) -> int:
        """What /readyz of a replica says; 0: there is none."""
        try:
            url = f"http://{address}:{self._ports[METRICS]}/readyz"
            return httpx.get(url, trust_env=False, timeout=20).status_code
        except httpx.TransportError:
            return 0

    def ready(self, address: str) -> None:
        """Waits until a replica is ready."""
        until(lambda: self.readiness(address) == 200, f"{address} is ready", 40)

    def served(self, address: str) -> int:
        """How many requests a replica has served."""
        return (self.folder / f"{address}.log").read_text().count('{"time":')

    def all_serve(self) -> bool:
        """Asks once; whether each replica has served requests since its start."""
        try:
            with self.connect() as link, link.makefile("rb") as stream:
                link.sendall(raw.head_bytes("GET", "/", {"Host": "h", "Connection": "close"}))
                raw.read_answer(stream)
        except OSError:  # the balancer is not there yet
            return False
        return all(map(self.served, REPLICAS))

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A client's connection to the balancer, from an address of its own."""
        to = ("127.0.0.1", self._ports[BALANCER])
        link = socket.create_connection(to, timeout=60, source_address=(source, 0))
        if self.tls is None:
            return link
        return ssl.create_default_context(cafile=self.tls.ca).wrap_socket(
            link, server_hostname="127.0.0.1"
        )

    def clients_of(self, key: str) -> list[str]:
        """The addresses of those who asked for a key, once there are any in the access logs."""

        def look() -> list[str]:
            logs = [(self.folder / f"{address}.log").read_text() for address in REPLICAS]
            lines = [
                json.loads(line) for log in logs for line in log.splitlines() if line[0] == "{"
            ]
            return [line["client"] for line in lines if line["key"] == key]

        return until(look, f"a request for {key}")

    def restart(self, number: int) -> int:
        """Ends a replica by SIGTERM, starts it anew; returns the status of the end."""
        address = REPLICAS[number]
        self.replicas[number].process.terminate()
        until(lambda: self.readiness(address) != 200, f"{address} is about to stop")
        status = self.replicas[number].process.wait(60)
        self.replicas[number] = self._started(address)
        self.ready(address)
        return status
