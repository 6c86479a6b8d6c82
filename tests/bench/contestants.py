"""Who is measured: each in a process of its own, in front of the same stores."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.certificates import Certificates
from helpers.children import Child
from helpers.fleet import key
from helpers.ports import free_port
from helpers.valkey import Valkey, valkey

from bench import nginx, processes
from bench.signing import REGION
from bench.stores import Stores

OURS, ORIGINAL, NGINX, DIRECT = "ours", "original", "nginx", "no proxy"
AGAIN = "ours again"  # the same build in a second process: what they differ by is chance
RING = [key("k1", 1)]  # that of a shared state, and of those who take temporary keys
NEW_KEYS = "new"  # access keys that start like this have the client's secret, by hmac_fetcher
_SERVED = Path(__file__).with_name("served.py")
_THEIRS = _SERVED.parents[2] / ".build" / "bench" / "original" / "bin" / "python"
_SECONDS_TO_END = 1  # the original takes minutes to end when it is asked to


@dataclass(frozen=True)
class Entrant:
    """A contestant and the way in which it is started.

    threads None is the contestant's own default. busy adds a Python thread that
    never waits to the process; neighbour runs that loop in another process.
    fetcher: clients' secrets come from hmac_fetcher. shared: it has a shared state,
    in a Valkey of its own. slow: the validator takes its time and says in the log
    that it was asked. policy: a policy of a hundred statements decides, instead of
    the validator. sessions: it takes temporary keys. connections: that many requests
    may be at a store at a time. instead: fields of the case in which this entrant's
    differs from the others'.
    """

    name: str
    label: str = ""
    threads: int | None = 1
    busy: bool = False
    neighbour: bool = False
    fetcher: bool = False
    shared: bool = False
    slow: bool = False
    connections: int | None = None
    policy: bool = False
    sessions: bool = False
    instead: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}, {self.label}" if self.label else self.name


@dataclass(frozen=True)
class Running:
    """An entrant that listens. Without a proxy there is no child."""

    entrant: Entrant
    http: int
    https: int = 0
    child: Child | None = None

    @property
    def pids(self) -> list[int]:
        return processes.family(self.child.pid) if self.child else []

    def port(self, scheme: str) -> int:
        return self.http if scheme == "http" else self.https

    def alive(self) -> bool:
        return self.child is None or self.child.alive()

    @contextmanager
    def awake(self) -> Iterator[None]:
        """For one measurement: what never waits rests while others are measured."""
        neighbour = None
        if self.entrant.neighbour and self.child:
            loop = [sys.executable, "-c", "while True: pass"]
            neighbour = Child(loop, self.child.log.with_suffix(".loop"))
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)
            if neighbour:
                neighbour.stop()

    def _signal(self, number: signal.Signals) -> None:
        if self.entrant.busy and self.child and self.child.alive():
            os.kill(self.child.pid, number)

    def stop(self) -> None:
        if self.child:
            self._signal(signal.SIGCONT)
            self.child.stop(_SECONDS_TO_END)


@contextmanager
def started(
    entrant: Entrant, stores: Stores, bucket: str, certificates: Certificates, folder: Path
) -> Iterator[Running]:
    """An entrant that listens, until the block ends.

    Raises RuntimeError or TimeoutError when it does not come up.
    """
    if entrant.name == DIRECT:
        yield Running(entrant, stores.ports[bucket])
        return
    folder.mkdir(parents=True, exist_ok=True)
    http, https = free_port(), free_port()
    with ExitStack() as stack:
        if entrant.name == NGINX:
            child = nginx.proxy(folder, http, https, stores.ports, certificates, entrant.threads)
        else:
            state = stack.enter_context(valkey(folder / "state")) if entrant.shared else None
            child = _python(entrant, http, https, stores, certificates, folder, state)
        running = Running(entrant, http, https, child)
        stack.callback(_stop, running)
        child.listening(http)
        child.listening(https)
        running._signal(signal.SIGSTOP)
        yield running


def _stop(running: Running) -> None:
    with suppress(ProcessLookupError):
        running.stop()


def _python(
    entrant: Entrant,
    http: int,
    https: int,
    stores: Stores,
    certificates: Certificates,
    folder: Path,
    state: Valkey | None,
) -> Child:
    keys = {"access_key": stores.keys.access, "secret_key": stores.keys.secret}
    settings: dict[str, object] = {
        "cos_map": {
            bucket: {
                "host": "127.0.0.1",
                "port": port,
                "region": REGION,
                "addressing_style": "path",
                "is_tls_enabled": False,
                **keys,
                **({"connections": entrant.connections} if entrant.connections else {}),
            }
            for bucket, port in stores.ports.items()
        },
        "hmac_keystore": [keys],
        "http_port": http,
        "https_port": https,
    }
    if entrant.threads is not None:
        settings["threads"] = entrant.threads
    if entrant.name != ORIGINAL:
        settings["host"] = "127.0.0.1"  # the original has no such parameter
    if state is not None:
        settings |= {"shared_state": state.url, "shared_keys": RING}
    if entrant.sessions:
        settings["shared_keys"] = RING
    wanted = {
        "settings": settings,
        "busy": entrant.busy,
        "slow": entrant.slow,
        "prefix": NEW_KEYS if entrant.fetcher else "",
        "secret": stores.keys.secret,
        "policy": _policy(list(stores.ports)) if entrant.policy else None,
    }
    python = _THEIRS if entrant.name == ORIGINAL else sys.executable
    env = {"TLS_CERT_PATH": str(certificates.cert), "TLS_KEY_PATH": str(certificates.key)}
    args = [python, _SERVED, json.dumps(wanted)]
    return Child(args, folder / "proxy.log", env=env, cwd=folder)


def _policy(buckets: list[str]) -> dict[str, object]:
    """A folder for each of many teams, and all of the buckets for whoever is measured."""
    folders = [f"arn:aws:s3:::{buckets[0]}/teams/{number}/*" for number in range(99)]
    statements: list[tuple[object, object, object]] = [
        ({"Token": f"team-{number}-*"}, ["s3:GetObject", "s3:PutObject"], folder)
        for number, folder in enumerate(folders)
    ]
    objects = [f"arn:aws:s3:::{bucket}/*" for bucket in buckets]
    statements.append(({"Token": "*"}, ["s3:GetObject", "s3:PutObject"], objects))
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": who, "Action": actions, "Resource": resource}
            for who, actions, resource in statements
        ],
    }
