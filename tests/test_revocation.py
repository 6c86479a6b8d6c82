"""Rights that come and go under load: update(), invalidate() and what requests make of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from conftest import Front
from helpers.clients import Keys
from helpers.double import S3Double, Seen
from helpers.ibm import IamDouble
from helpers.raw import send, sign
from helpers.rights import Pace, Right, Stamped, now

T = TypeVar("T")

CHANGES = 40  # of each kind
CLIENTS = 8  # that send requests at the same time
KEYSTORE, DIRECTORY = ("alice", "bob"), ("carol", "dave")  # where proxies find their secrets
ROGUE = "mallory"  # in a list that was given before, but in no update
BUCKETS = ("data", "more", "ibm")
FILL = {f"filler-{n:04}": n for n in range(300)}  # so that an update takes its time


@dataclass(frozen=True)
class Served:
    """One request and what became of it."""

    client: str
    bucket: str
    begun: int
    ended: int
    status: int
    used: str | None  # the key with which it came to the store


class World:
    """The owner of a proxy, all of whose answers come late now and then."""

    def __init__(self, double: S3Double, iam: IamDouble, seed: int) -> None:
        self.double, self.iam = double, iam
        self.random = random.Random(seed)
        self.server: Any = None
        self.keys = {name: Right(f"key of {name}") for name in (*KEYSTORE, *DIRECTORY, ROGUE)}
        self.buckets = {name: Right(f"bucket {name}") for name in BUCKETS}
        self.permissions = {
            (c, b): Right(f"permission of {c} in {b}") for c in self.keys for b in BUCKETS
        }
        self.store_keys: dict[str, Right] = {}
        self.forgotten: list[tuple[int, int]] = []  # when tokens of the bucket "ibm" were
        self.used: dict[str, str] = {}
        self.directory = set(DIRECTORY)
        self.allowed = set(self.permissions)
        self.pairs = [{"access_key": name, "secret_key": name} for name in KEYSTORE]
        self.entries = {
            "data": self.entry(),
            "more": self.entry(),
            "ibm": self.entry(api_key="api-key"),
            **{name: self.entry(ttl=n) for name, n in FILL.items()},
        }
        self.rotate()
        for name, right in self.keys.items():
            if name != ROGUE:
                right.grant()
        for right in (*self.buckets.values(), *self.permissions.values()):
            right.grant()

    def entry(self, **more: Any) -> dict[str, Any]:
        return self.double.entry(**{"access_key": None, "secret_key": None, **more})

    # What the proxy asks: the answer is made, and comes some time later.

    def secret(self, access_key: str) -> str | None:
        return self.late(access_key if access_key in self.directory else None)

    def may(self, token: str, bucket: str) -> bool:
        return self.late((token, bucket) in self.allowed)

    def credentials(self, token: str, bucket: str) -> dict[str, str]:
        return self.late({"access_key": self.store_key, "secret_key": "s"})

    def late(self, answer: Any) -> Any:
        time.sleep(self.random.choice((0, 0, 0.002, 0.02)))
        return answer

    # What the owner changes.

    def change_keystore(self, choice: random.Random) -> None:
        """Always in the same list, to which is added what is in no update."""
        self.pairs[:] = [pair for pair in self.pairs if pair["access_key"] != ROGUE]
        name = pick(choice, KEYSTORE, {pair["access_key"] for pair in self.pairs})
        there = any(pair["access_key"] == name for pair in self.pairs)
        if there:
            self.pairs[:] = [pair for pair in self.pairs if pair["access_key"] != name]
        else:
            self.pairs.append({"access_key": name, "secret_key": name})
        change = self.keys[name].end if there else self.keys[name].grant
        change(lambda: self.server.update(hmac_keystore=self.pairs))
        self.pairs.append({"access_key": ROGUE, "secret_key": ROGUE})

    def change_stores(self, choice: random.Random) -> None:
        entries, right = {**self.entries, "data": self.entry(ttl=300)}, self.buckets["more"]
        if "more" in entries:
            del entries["more"]
            right.end(lambda: self.server.update(cos_map=entries))
        else:
            entries["more"] = self.entry()
            right.grant(lambda: self.server.update(cos_map=entries))
        self.entries = entries

    def change_directory(self, choice: random.Random) -> None:
        name = pick(choice, DIRECTORY, self.directory)

        def change() -> None:
            self.directory ^= {name}
            self.server.invalidate(token=name)

        (self.keys[name].end if name in self.directory else self.keys[name].grant)(change)

    def change_permissions(self, choice: random.Random) -> None:
        pair = token, bucket = pick(choice, sorted(self.permissions), self.allowed)
        about = choice.choice(
            ({}, {"token": token}, {"bucket": bucket}, {"token": token, "bucket": bucket})
        )

        def change() -> None:
            self.allowed ^= {pair}
            self.server.invalidate(**about)

        right = self.permissions[pair]
        (right.end if pair in self.allowed else right.grant)(change)

    def change_store_key(self, choice: random.Random) -> None:
        before = self.store_keys[self.store_key]

        def change() -> None:
            self.rotate()
            self.server.invalidate(bucket="data")
            self.server.invalidate(bucket="more")

        before.end(change)

    def rotate(self) -> None:
        name = f"store-key-{len(self.store_keys)}"
        self.store_keys[name] = Right(name)
        self.store_keys[name].grant()
        self.store_key = name

    def forget_tokens(self, choice: random.Random) -> None:
        begun = now()
        self.server.invalidate(bucket="ibm")
        self.forgotten.append((begun, now()))

    # What clients do.

    def notice(self, seen: Seen) -> None:
        """Called by the store: with which key a request came."""
        authorization = seen.headers["authorization"]
        used = authorization.partition("Credential=")[2].partition("/")[0]
        self.used[seen.headers["user-agent"]] = used or authorization.removeprefix("Bearer ")

    def request(self, front: Front, choice: random.Random) -> Served:
        client, bucket = choice.choice(sorted(self.keys)), choice.choice(BUCKETS)
        target, agent = f"/{bucket}/k", f"request-{choice.getrandbits(64):x}"
        headers = sign("GET", front.url() + target, Keys(client, client))
        begun = now()
        answer = send(front.url(), "GET", target, {**headers, "User-Agent": agent})
        return Served(client, bucket, begun, now(), answer.status, self.used.get(agent))

    # What is right.

    def violations(self, request: Served) -> list[str]:
        needed = (
            self.keys[request.client],
            self.buckets[request.bucket],
            self.permissions[request.client, request.bucket],
        )
        span = request.begun, request.ended
        if request.status != 200:
            if request.status in (403, 404) and not all(r.held_throughout(*span) for r in needed):
                return []
            return [f"{request} was refused although it had every right"]
        found = [f"{request} had no more {r.name}" for r in needed if not r.may_have_held(*span)]
        assert request.used is not None
        if request.bucket == "ibm":
            assert isinstance(self.iam.tokens, Stamped)
            given = self.iam.tokens.when[request.used]
            if any(given < begun and ended < request.begun for begun, ended in self.forgotten):
                found.append(f"{request} was served by a token that was forgotten")
        elif not self.store_keys[request.used].may_have_held(*span):
            found.append(f"{request} was served by an old key of the store")
        return found


def pick(choice: random.Random, names: Sequence[T], there: Set[T]) -> T:
    """One to take away or, most of the time, one to give back."""
    gone = [name for name in names if name not in there]
    return choice.choice(gone if gone and choice.random() < 0.8 else names)


def under_load(world: World, front: Front, seed: int) -> list[Served]:
    """Clients that send requests until all changes are made."""
    pace, done = Pace(), threading.Event()

    def work(number: int) -> list[Served]:
        choice, served = random.Random(seed + number), []
        while not done.is_set():
            served.append(world.request(front, choice))
            pace.step()
        return served

    def make(change: Callable[[random.Random], None]) -> None:
        choice = random.Random(f"{seed} {change.__name__}")
        for _ in range(CHANGES):
            change(choice)
            pace.wait(choice.randrange(8))

    changes = (
        world.change_keystore,
        world.change_stores,
        world.change_directory,
        world.change_permissions,
        world.change_store_key,
        world.forget_tokens,
    )
    with ThreadPoolExecutor(CLIENTS + len(changes)) as pool:
        clients = [pool.submit(work, number) for number in range(CLIENTS)]
        try:
            for made in [pool.submit(make, change) for change in changes]:
                made.result(120)
        finally:
            done.set()
        return [request for client in clients for request in client.result(60)]


@pytest.mark.slow
def test_nobody_is_served_by_a_right_that_had_ended(serve: Any) -> None:
    seed = random.randrange(2**32)
    with IamDouble({"api-key"}, tokens=Stamped()) as iam, S3Double() as double:
        double.objects = {f"/{bucket}/k".encode(): b"x" for bucket in BUCKETS}
        world = World(double, iam, seed)
        double.check = world.notice
        front: Front = serve(
            world.entries,
            hmac_keystore=list(world.pairs),
            hmac_fetcher=world.secret,
            validator=world.may,
            bucket_creds_fetcher=world.credentials,
            iam_endpoint=iam.endpoint,
        )
        world.server = front.server
        served = under_load(world, front, seed)
        found = [violation for request in served for violation in world.violations(request)]
        assert not found, f"{len(found)} of {len(served)} with seed {seed}: {found[:5]}"
        good = sum(request.status == 200 for request in served)
        assert 50 < good < len(served) - 50  # or it has shown nothing
        assert iam.problems == []
