"""Eight replicas, while servers hang, restart and forget, and wires are cut.

Each replica is in a network of its own, with its clients and its store; a wire joins it to
that of Valkey. `./build.sh test fleet` runs it; OSP_HISTORY says for how many seconds.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
from helpers.children import Child
from helpers.clients import Keys
from helpers.double import S3Double
from helpers.fleet import get, key
from helpers.namespaces import Hub, Namespace, Wire, why_not
from helpers.scripts import scripts
from helpers.valkey import Valkey, valkey
from helpers.wait import until
from object_storage_proxy._fleet import revoke

SECONDS = float(os.environ.get("OSP_HISTORY", "60"))
REPLICAS, CLIENTS = 8, 4

pytestmark = [pytest.mark.fleet, pytest.mark.slow, pytest.mark.timeout(SECONDS + 120)]

# A client may do everything while there is a file of its name.
REPLICA = """
from pathlib import Path
server = osp.ProxyServer(config(validator=lambda token, bucket: Path("truth", token).exists()))
server.start()
print("at", server.http_url, flush=True)
time.sleep(3600)
"""


@dataclass
class Replica:
    url: str
    child: Child
    place: Namespace
    wire: Wire


@dataclass
class Client:
    """Who may do what, and whether all must know."""

    keys: Keys
    file: Path
    turn: int = 0  # how often it was allowed to
    revoked: bool = False  # an invalidate has returned since it is not any more


@dataclass
class Fleet:
    hub: Hub  # where Valkey is
    state: Valkey
    replicas: list[Replica]
    clients: list[Client]
    config: osp.ProxyServerConfig

    def revoke(self, client: Client) -> bool:
        """Whether it is certain that all replicas know."""
        try:
            revoke(self.config, client.keys.access, wait=6)
        except (TimeoutError, osp.SharedStateError):
            return False
        return True


@contextmanager
def replica(folder: Path, hub: Hub, **settings: Any) -> Iterator[Replica]:
    with Namespace() as place:
        inside = ExitStack()
        try:
            with place.entered():
                double = inside.enter_context(S3Double(objects={b"/data/k": b"x"}))
                run = inside.enter_context(scripts(folder))
                wire = hub.join(place)
                child = run(REPLICA, {"data": double.entry()}, http_port=0, **settings)
            found = until(lambda: re.search(r"at (http\S+)", child.output()), "a replica serves")
            yield Replica(found[1], child, place, wire)
        finally:
            with place.entered():
                inside.close()


@pytest.fixture
def fleet(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if reason := why_not():
        pytest.skip(f"no networks of their own for replicas: {reason}")
    truth = tmp_path / "truth"
    truth.mkdir()
    clients = [Client(Keys(f"client{i}", "s"), truth / f"client{i}") for i in range(CLIENTS)]
    keystore = [{"access_key": c.keys.access, "secret_key": c.keys.secret} for c in clients]
    keyring = [key("k1", 1)]
    socket = tmp_path_factory.mktemp("v") / "s"
    with ExitStack() as stack:
        hub = stack.enter_context(Hub())
        with hub.entered():
            where = ("--bind", "127.0.0.1", hub.address, "--protected-mode", "no")
            state = stack.enter_context(valkey(tmp_path / "state", *where, "--unixsocket", socket))
        replicas = []
        for i in range(REPLICAS):
            folder = tmp_path / str(i)
            folder.mkdir()
            (folder / "truth").symlink_to(truth)
            settings: dict[str, Any] = {
                "hmac_keystore": keystore,
                "shared_state": f"valkey://{hub.address}:{state.port}",
                "shared_keys": keyring,
            }
            replicas.append(stack.enter_context(replica(folder, hub, **settings)))
        # Whoever revokes has a sure way, a file: here are no networks, because threads of Go
        # stay for ever in that in which they begin.
        config = osp.ProxyServerConfig(
            cos_map={"data": {"host": "127.0.0.1", "port": 9, "api_key": "k"}},
            http_port=0,
            shared_state=f"unix://{socket}",
            shared_keys=keyring,
        )
        yield Fleet(hub, state, replicas, clients, config)


def pause(seconds: float) -> None:
    time.sleep(random.random() * seconds)


@contextmanager
def mended(fleet: Fleet) -> Iterator[Wire]:
    wire = random.choice(fleet.replicas).wire
    yield wire
    pause(4)
    wire.mend()


def cut(fleet: Fleet) -> None:
    with mended(fleet) as wire:
        wire.cut()


def lose_what_a_replica_says(fleet: Fleet) -> None:
    with mended(fleet) as wire:
        wire.lose("unheard")


def lose_what_a_replica_is_told(fleet: Fleet) -> None:
    with mended(fleet) as wire:
        wire.lose("untold")


def freeze(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    pause(4)
    os.kill(pid, signal.SIGCONT)


def freeze_replica(fleet: Fleet) -> None:
    freeze(random.choice(fleet.replicas).child.pid)


def freeze_server(fleet: Fleet) -> None:
    freeze(fleet.state.child.pid)


def restart_empty(fleet: Fleet) -> None:
    fleet.state.stop()
    pause(1)
    fleet.state.restart()


def restart_with_what_was_saved(fleet: Fleet) -> None:
    fleet.state.call("SAVE")
    pause(2)
    restart_empty(fleet)
    (fleet.state.folder / "dump.rdb").unlink()


def empty(fleet: Fleet) -> None:
    fleet.state.call("FLUSHALL")


def names(fleet: Fleet) -> list[bytes]:
    found = fleet.state.call("KEYS", "osp:*").split(b"\r\n")
    return [name for name in found if name.startswith(b"osp:")]


def evict(fleet: Fleet) -> None:
    for name in random.sample(found := names(fleet), len(found) // 2):
        fleet.state.call("DEL", name)


def swap(fleet: Fleet) -> None:
    """An enemy writes the values of answers over each other, and garbage."""
    values = [name for name in names(fleet) if b":value:" in name]
    random.shuffle(values)
    for one, other in pairwise(values):
        fleet.state.call("COPY", one, other, "REPLACE")
    if values:
        fleet.state.call("HSET", values[0], "sealed", "garbage")


FAULTS: list[Callable[[Fleet], None]] = [
    cut,
    lose_what_a_replica_says,
    lose_what_a_replica_is_told,
    freeze_replica,
    freeze_server,
    restart_empty,
    restart_with_what_was_saved,
    empty,
    evict,
    swap,
]


def test_no_replica_allows_what_was_revoked(fleet: Fleet) -> None:
    end = time.monotonic() + SECONDS
    seen: Counter[str] = Counter()
    wrong: list[str] = []

    def own(client: Client) -> None:
        while time.monotonic() < end:
            client.turn += 1
            client.file.touch()
            fleet.revoke(client)  # refusals
            pause(0.5)
            client.file.unlink()
            client.revoked = fleet.revoke(client)
            seen["certain" if client.revoked else "uncertain"] += 1
            pause(0.5)
            client.revoked = False

    def use(replica: Replica) -> None:
        with replica.place.entered():
            while time.monotonic() < end:
                ask(replica, random.choice(fleet.clients))

    def ask(replica: Replica, client: Client) -> None:
        turn, revoked = client.turn, client.revoked
        try:
            got = get(replica.url, client.keys)
        except OSError:  # it is frozen
            seen["broken"] += 1
            return
        seen[str(got)] += 1
        # It came after a revocation had returned, and ended before the next right was given.
        if got == 200 and revoked and client.revoked and client.turn == turn:
            wrong.append(f"{client} at {replica.url}")

    def fail() -> None:
        with fleet.hub.entered():
            while time.monotonic() < end:
                fault = random.choice(FAULTS)
                seen[fault.__name__] += 1
                fault(fleet)
                pause(2)

    threads = [threading.Thread(target=own, args=(client,)) for client in fleet.clients]
    threads += [threading.Thread(target=use, args=(r,)) for r in fleet.replicas for _ in range(2)]
    threads.append(threading.Thread(target=fail))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(dict(seen))
    assert not wrong
    assert seen["200"] + seen["403"] > 50 * SECONDS
    assert min(seen["200"], seen["403"], seen["certain"]) > 0
