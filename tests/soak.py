"""Mixed traffic for minutes, while stores, clients and the owner of a proxy misbehave.

    .build/venv/bin/python tests/soak.py --minutes 10

Each thread of clients knows what its own objects may hold, and checks all that it reads;
what nobody can know is whether a request that failed was done. Every error must be due to a
fault that was set. At the end the store is compared with what the clients know, and the
proxy with how it was at the beginning. The exit status is 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from helpers import certificates as pki
from helpers import faulty
from helpers.apart import Level
from helpers.faulty import BROKEN_OFF, NO_ANSWER, FaultyStore
from helpers.monitor import scrape
from helpers.restless import EXPLAINED, GONE, Http2Reader, Tally, Vanisher, Worker, digest
from helpers.scene import Scene, scene
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
    before: Level,
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
