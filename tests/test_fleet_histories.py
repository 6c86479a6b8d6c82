"""Eight replicas, while servers hang, restart and forget, and links are cut.

`./build.sh test fleet` runs it; OSP_HISTORY says for how many seconds.
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
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import object_storage_proxy as osp
import pytest
from helpers.children import Child
from helpers.clients import Keys
from helpers.double import S3Double
from helpers.fleet import get, key
from helpers.link import Link
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
    link: Link


@dataclass
class Client:
    """Who may do what, and whether all must know."""

    keys: Keys
    file: Path
    turn: int = 0  # how often it was allowed to
    revoked: bool = False  # an invalidate has returned since it is not any more


@dataclass
class Fleet:
    state: Valkey
    replicas: list[Replica]
    clients: list[Client]
    config: osp.ProxyServerConfig

    def revoke(self, client: Client) -> bool:
        """Whether it is certain that all replicas know."""
        try:
            revoke(self.config, client.keys.access, None, 6)
        except (TimeoutError, osp.SharedStateError):
            return False
        return True


@pytest.fixture
def fleet(tmp_path: Path, double: S3Double) -> Iterator[Fleet]:
    truth = tmp_path / "truth"
    truth.mkdir()
    clients = [Client(Keys(f"client{i}", "s"), truth / f"client{i}") for i in range(CLIENTS)]
    entries = {"data": double.entry()}
    keyring = [key("k1", 1)]
    with ExitStack() as stack:
        state = stack.enter_context(valkey(tmp_path / "state"))
        replicas = []
        for i in range(REPLICAS):
            folder = tmp_path / str(i)
            folder.mkdir()
            (folder / "truth").symlink_to(truth)
            link = stack.enter_context(Link(state.port))
            child = stack.enter_context(scripts(folder))(
                REPLICA,
                entries,
                http_port=0,
                hmac_keystore=[
                    {"access_key": c.keys.access, "secret_key": c.keys.secret} for c in clients
                ],
                shared_state=f"valkey://127.0.0.1:{link.port}",
                shared_keys=keyring,
            )
            found = until(
                lambda c=child: re.search(r"at (http\S+)", c.output()), "a replica serves"
            )
            replicas.append(Replica(found[1], child, link))
        config = osp.ProxyServerConfig(
            cos_map=entries, http_port=0, shared_state=state.url, shared_keys=keyring
        )
        yield Fleet(state, replicas, clients, config)


def pause(seconds: float) -> None:
    time.sleep(random.random() * seconds)


def cut(fleet: Fleet) -> None:
    link = random.choice(fleet.replicas).link
    link.cut()
    pause(4)
    link.mend()


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
        while time.monotonic() < end:
            client = random.choice(fleet.clients)
            turn, revoked = client.turn, client.revoked
            try:
                got = get(replica.url, client.keys)
            except OSError:  # it is frozen
                seen["broken"] += 1
                continue
            seen[str(got)] += 1
            # It came after a revocation had returned, and ended before the next right was given.
            if got == 200 and revoked and client.revoked and client.turn == turn:
                wrong.append(f"{client} at {replica.url}")

    def fail() -> None:
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
