"""Mixed traffic for minutes, while stores, clients and the owner of a proxy misbehave.

    .build/venv/bin/python tests/soak.py --minutes 10

Each thread of clients knows what its own objects may hold, and checks all that it reads;
what nobody can know is whether a request that failed was done. Every error must be due to a
fault that was set. At the end the store is compared with what the clients know, and the
proxy with how it was at the beginning. The exit status is 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore.exceptions
import httpx
from bench import signing
from helpers import certificates as pki
from helpers import faulty, raw
from helpers.clients import boto
from helpers.faulty import BROKEN_OFF, NO_ANSWER, FaultyStore
from helpers.monitor import scrape
from helpers.scene import CLIENT, Scene, scene
from helpers.stores import versitygw

PATIENCE = 5.0  # seconds; answer_timeout of the stores
PACE = 0.01  # seconds between two requests of a client, so that the load is bounded
FAULTS = [
    *NO_ANSWER.values(),
    *BROKEN_OFF.values(),
    faulty.hangs_up_in_an_upload,
    faulty.resets_an_upload,
    faulty.refuses_an_upload,
    faulty.silent,
    faulty.trickles,
    faulty.late(0.5),
]
# What a fault may come to for the client whose request meets it.
EXPLAINED = {"502 BadGateway", "504 GatewayTimeout", "503 SlowDown", "broken off"}
CODES = {"BadGateway", "GatewayTimeout", "ClientClosedRequest", "IncompleteBody"}
OWNER = """
def validator(token, bucket, request):
    return True

async def bucket_creds_fetcher(token, bucket):
    return {"access_key": "store-owner", "secret_key": "store-owner-secret"}
"""
MEANWHILE = """
    cos_map = json.loads(sys.argv[1])["cos_map"]
    turn = 0
    while not server.wait(0.25):
        turn += 1
        if turn % 2:
            server.invalidate(bucket="data" if turn % 4 == 1 else None)
        else:
            server.update(cos_map={name: {**e, "ttl": turn % 9} for name, e in cos_map.items()})
"""


class Tally:
    """What has happened so far, by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []

    def count(self, what: Counter[str], name: str) -> None:
        with self._lock:
            what[name] += 1

    def blame(self, text: str) -> None:
        with self._lock:
            self.wrong.append(text)


def kind_of(status: int, code: str) -> str:
    names = {"502": "BadGateway", "503": "SlowDown", "504": "GatewayTimeout"}
    return f"{status} {names.get(code, code)}"


GONE = ""  # stands for the digest of an object that is not there


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Worker:
    """One client with keys of its own in one bucket, and what each of them may hold."""

    def __init__(self, here: Scene, tally: Tally, number: int, seed: int) -> None:
        self.random = random.Random(f"{seed}/{number}")
        self.bucket = ("data", "secure")[number % 2]
        scheme = ("http", "https")[number // 2 % 2]
        ca = here.ca if scheme == "https" else None
        self.s3 = boto(here.proxy.url(scheme), CLIENT, ca=ca, retry=False, read_timeout=90)
        self.tally = tally
        self.names = [f"w{number}/{n:02}" for n in range(20)]
        self.may: dict[str, set[str]] = {name: {GONE} for name in self.names}
        self.serial = itertools.count()

    def body(self, most: int) -> bytes:
        """Bytes that no other body has."""
        size = self.random.choice((0, 100, 8_000, 200_000, most))
        seed = f"{self.names[0]} {next(self.serial)} ".encode()
        return (seed * (size // len(seed) + 1))[: max(size, len(seed))]

    def step(self) -> None:
        often, some = [self.put, self.get], [self.part, self.head, self.copy, self.listing]
        action = self.random.choice(
            [*often, *often, *some, self.remove, self.remove_some, self.multipart]
        )
        try:
            action(self.random.choice(self.names))
        except botocore.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code = error.response["Error"]["Code"]
            # boto3 takes the status for a code where it can't read a document: an answer
            # to HEAD has none, others were broken off.
            readable = action == self.head or code != str(status)
            self.failed(kind_of(status, code) if readable else "broken off")
        except (botocore.exceptions.BotoCoreError, OSError):
            self.failed("broken off")
        else:
            self.tally.count(self.tally.done, action.__name__)

    def close(self) -> None:
        self.s3.close()

    def failed(self, kind: str) -> None:
        self.tally.count(self.tally.errors, kind)

    def holds(self, name: str, what: str) -> None:
        """Somebody has seen what an object holds."""
        if what not in self.may[name]:
            self.tally.blame(f"{self.bucket}/{name} is not what was put there")
        self.may[name] = {what}

    def change(self, name: str, what: str, request: Callable[[], Any]) -> None:
        """A request after which an object holds this; when it fails, perhaps."""
        self.may[name] = self.may[name] | {what}
        request()
        self.may[name] = {what}

    def put(self, name: str) -> None:
        body = self.body(2_000_000)
        where = {"Bucket": self.bucket, "Key": name}
        self.change(name, digest(body), lambda: self.s3.put_object(**where, Body=body))

    def _read(self, name: str, **more: Any) -> bytes | None:
        try:
            return bytes(self.s3.get_object(Bucket=self.bucket, Key=name, **more)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            self.holds(name, GONE)
            return None

    def get(self, name: str) -> None:
        body = self._read(name)
        if body is not None:
            self.holds(name, digest(body))

    def part(self, name: str) -> None:
        """A range is a part of what the whole is."""
        whole = self._read(name)
        if whole:
            self.holds(name, digest(whole))
            begin = self.random.randrange(len(whole))
            if self._read(name, Range=f"bytes={begin}-") != whole[begin:]:
                self.tally.blame(f"a range of {self.bucket}/{name} is another one")

    def head(self, name: str) -> None:
        try:
            self.s3.head_object(Bucket=self.bucket, Key=name)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            self.holds(name, GONE)

    def copy(self, name: str) -> None:
        source = self.random.choice(self.names)
        known = self.may[source]
        if name == source or len(known) != 1 or GONE in known:
            return
        where = {"Bucket": self.bucket, "Key": name}
        self.change(
            name,
            next(iter(known)),
            lambda: self.s3.copy_object(**where, CopySource=f"{self.bucket}/{source}"),
        )

    def remove(self, name: str) -> None:
        where = {"Bucket": self.bucket, "Key": name}
        self.change(name, GONE, lambda: self.s3.delete_object(**where))

    def remove_some(self, name: str) -> None:
        names = {name, self.random.choice(self.names)}
        for each in names:
            self.may[each] = self.may[each] | {GONE}
        objects = {"Objects": [{"Key": each} for each in names]}
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete=objects)
        assert not answer.get("Errors"), answer["Errors"]
        for each in names:
            self.may[each] = {GONE}

    def listing(self, name: str) -> None:
        prefix = name.split("/")[0] + "/"
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        there = {item["Key"] for item in answer.get("Contents", [])}
        for each in self.names:
            if each in there:
                self.may[each] = self.may[each] - {GONE}
            elif GONE in self.may[each]:
                self.may[each] = {GONE}
            else:
                self.tally.blame(f"a list lacks {self.bucket}/{each}")
            if not self.may[each]:
                self.tally.blame(f"a list has {self.bucket}/{each}, which is gone")

    def multipart(self, name: str) -> None:
        parts = [b"part one " * 600_000, self.body(100_000)]
        where = {"Bucket": self.bucket, "Key": name}
        upload = {**where, "UploadId": self.s3.create_multipart_upload(**where)["UploadId"]}
        try:
            sent = [
                {
                    "PartNumber": n,
                    "ETag": self.s3.upload_part(**upload, PartNumber=n, Body=p)["ETag"],
                }
                for n, p in enumerate(parts, 1)
            ]
        except BaseException:
            with suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                self.s3.abort_multipart_upload(**upload)
            raise
        self.change(
            name,
            digest(b"".join(parts)),
            lambda: self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": sent}),
        )


class Http2Reader:
    """Gets one object again and again, several at a time on one connection."""

    BODY = b"over one connection " * 5_000

    def __init__(self, here: Scene, tally: Tally) -> None:
        self.url, self.tally = here.proxy.https_url, tally
        here.s3.put_object(Bucket="data", Key="shared", Body=self.BODY)
        self.http = httpx.Client(http2=True, verify=here.context("https"), trust_env=False)  # type: ignore[arg-type]

    def step(self) -> None:
        target = f"{self.url}/data/shared"
        try:
            answer = self.http.get(target, headers=raw.sign("GET", target, CLIENT))
        except httpx.HTTPError:
            self.tally.count(self.tally.errors, "broken off")
            return
        if answer.status_code != 200:
            code = ET.fromstring(answer.content).findtext("Code")
            self.tally.count(self.tally.errors, kind_of(answer.status_code, code or ""))
        elif answer.content != self.BODY:
            self.tally.blame("data/shared over HTTP/2 is not what was put there")
        else:
            self.tally.count(self.tally.done, "http2_get")

    def close(self) -> None:
        self.http.close()


class Vanisher:
    """A client that leaves in the middle of everything."""

    def __init__(self, here: Scene, tally: Tally, seed: int) -> None:
        self.here, self.tally, self.random = here, tally, random.Random(f"{seed}/vanisher")
        self.serial = itertools.count()

    def step(self) -> None:
        scheme = self.random.choice(("http", "https"))
        url = self.here.proxy.url(scheme)
        method = self.random.choice(("PUT", "GET"))
        key = f"never/{next(self.serial)}" if method == "PUT" else "shared"
        body = b"never " * 50_000 if method == "PUT" else b""
        payload = self.random.choice((signing.UNSIGNED, signing.CHUNKS, signing.TRAILER, "hash"))
        keys = signing.Keys(CLIENT.access, CLIENT.secret)
        host = url.partition("://")[2]
        request = signing.sign(method, host, f"/data/{key}", keys, body, payload)
        length = {"content-length": str(len(request.body))} if request.body else {}
        head = raw.head_bytes(method, request.path, {**request.headers, **length})
        # All of a body but its last byte is the most that it may send.
        data = (head + request.body)[: self.random.randrange(1, len(head) + len(request.body))]
        with suppress(OSError), raw.connect(url, context=self.here.context(scheme)) as link:
            link.sendall(data if body or self.random.random() < 0.3 else head)
            link.settimeout(self.random.choice((0.001, 0.1)))
            link.recv(100)
        self.tally.count(self.tally.done, "vanished")

    def close(self) -> None:
        """It keeps nothing."""


def compare(here: Scene, workers: list[Worker]) -> list[str]:
    """What of the store's objects nobody has put there, and what is missing."""
    found: dict[tuple[str, str], str] = {}
    for bucket in ("data", "secure"):
        for key in here.store.keys_in(bucket):
            body = here.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            found[bucket, key] = digest(body)
    wrong = [f"{bucket}/{key} is there" for bucket, key in found if key.startswith("never/")]
    for worker in workers:
        wrong += [
            f"{worker.bucket}/{name} is not what was put there"
            for name, may in worker.may.items()
            if found.get((worker.bucket, name), GONE) not in may
        ]
    return wrong


def resident(pid: int) -> float:
    """The memory of a process in MiB."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096 / (1 << 20)


def soak(here: Scene, minutes: float, seed: int, threads: int) -> int:
    tally, enough = Tally(), threading.Event()
    workers = [Worker(here, tally, n, seed) for n in range(threads)]
    steppers: list[Any] = [*workers, Http2Reader(here, tally), Vanisher(here, tally, seed)]
    stores = [here.plain, here.tls]
    for bucket in ("data", "secure"):
        here.works(bucket)
    before, memory = here.proxy.level(), resident(here.proxy.pid)

    def run(each: Any) -> None:
        try:
            while not enough.wait(PACE):
                each.step()
        except BaseException as error:
            tally.blame(f"{type(each).__name__}: {error!r}")

    def misbehave() -> None:
        chance = random.Random(f"{seed}/faults")
        while not enough.wait(chance.uniform(0.05, 0.5)):
            chance.choice(stores).add(chance.choice(FAULTS))

    running = [threading.Thread(target=run, args=(each,)) for each in steppers]
    running.append(threading.Thread(target=misbehave))
    begun = time.monotonic()
    for thread in running:
        thread.start()
    while (left := begun + minutes * 60 - time.monotonic()) > 0 and here.proxy.alive():
        enough.wait(min(10, left))
        tell(here, tally, stores, time.monotonic() - begun)
    enough.set()
    for store in stores:
        store.heal()
    for thread in running:
        thread.join(100)
    for each in steppers:
        each.close()
    return judge(here, tally, workers, stores, before, memory)


def tell(here: Scene, tally: Tally, stores: list[FaultyStore], seconds: float) -> None:
    level = here.proxy.level()
    print(
        f"{seconds:5.0f} s: {tally.done.total()} done, {sum(s.meetings for s in stores)} faults,"
        f" {tally.errors.total()} errors, {len(tally.wrong)} wrong;"
        f" {resident(here.proxy.pid):.0f} MiB, {level.goroutines} goroutines,"
        f" {level.threads} threads, {level.sockets + level.descriptors} descriptors",
        flush=True,
    )


def judge(
    here: Scene,
    tally: Tally,
    workers: list[Worker],
    stores: list[FaultyStore],
    before: Any,
    memory: float,
) -> int:
    """Prints the figures; returns the exit status."""
    wrong = list(tally.wrong)
    partial = compare(here, workers)
    meetings, failures = (sum(getattr(s, of) for s in stores) for of in ("meetings", "failures"))
    unexplained = sum(n for kind, n in tally.errors.items() if kind not in EXPLAINED)
    unexplained = max(0, unexplained - failures, tally.errors.total() - meetings - failures)
    codes: Counter[str] = Counter()
    for labels, n in scrape(here.proxy).matching("osp_request_errors_total").items():
        codes[dict(labels)["error"]] += int(n)
    for store in stores:
        store.hang_up()
    for bucket in ("data", "secure"):
        here.works(bucket)
    leaked = ""
    try:
        here.proxy.settles(before)
    except TimeoutError as late:
        leaked = str(late)
    after = here.proxy.level()
    print(f"operations: {tally.done.total()}: {dict(sorted(tally.done.items()))}")
    print(f"faults met: {meetings}; failures of the real store: {failures}")
    print(f"errors of clients: {dict(sorted(tally.errors.items()))}")
    print(f"errors by the proxy's metrics: {dict(codes)}")
    print(f"errors that no fault explains: {unexplained}")
    print(f"wrong answers: {len(wrong)}", *wrong[:10], sep="\n  ")
    print(f"objects that are wrong or partial: {len(partial)}", *partial[:10], sep="\n  ")
    print(f"memory: {memory:.0f} MiB at the start, {resident(here.proxy.pid):.0f} at the end")
    print(f"start: {before}\nend:   {after}")
    bad = bool(unexplained or wrong or partial or leaked or not here.proxy.alive())
    if unknown := codes.keys() - CODES:
        print(f"codes that nobody expects: {unknown}")
        bad = True
    if leaked:
        print(f"leaked: {leaked}")
    print("something is WRONG" if bad else "all is well")
    return int(bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--threads", type=int, default=4, help="clients that check what they get")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates = pki.make(folder / "pki")
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        tls = {"tls_cert_path": certificates.cert, "tls_key_path": certificates.key}
        with (
            versitygw(folder) as store,
            scene(
                folder,
                store,
                certificates,
                entry={
                    "answer_timeout": PATIENCE,
                    "access_key": None,
                    "secret_key": None,
                },
                config=tls,
                before=OWNER,
                more='{"validator": validator, "bucket_creds_fetcher": bucket_creds_fetcher}',
                meanwhile=MEANWHILE,
            ) as here,
        ):
            return soak(here, options.minutes, options.seed, options.threads)


if __name__ == "__main__":
    sys.exit(main())
