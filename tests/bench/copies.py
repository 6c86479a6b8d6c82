"""`./build.sh bench copies`: copies between two stores by the proxy, and by a client.

The aws command copies from bucket to bucket, or down and up again; both through the same proxy,
in turn. docs/performance.md quotes the ratios.
"""

from __future__ import annotations

import random
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from helpers.apart import Apart
from helpers.clients import CLIENT, AwsCli
from helpers.stores import versitygw

from bench import processes

ROUNDS = 5
MIB, BLOCK = 1 << 20, 64 << 10


@dataclass(frozen=True)
class Cost:
    """Seconds of time, and of CPU of the client and the proxy together."""

    time: float
    cpu: float


@dataclass(frozen=True)
class Shape:
    """So many files of so many bytes."""

    title: str
    files: int
    size: int


SHAPES = (Shape("1 x 256 MiB", 1, 256 * MIB), Shape("200 x 64 KiB", 200, BLOCK))


def cost(proxy: Apart, work: Callable[[], None]) -> Cost:
    """What it costs to do the work."""
    client, ours = _children(), processes.cpu([proxy.pid])
    begun = time.perf_counter()
    work()
    took = time.perf_counter() - begun
    return Cost(took, _children() - client + processes.cpu([proxy.pid]) - ours)


def _children() -> float:
    """Of those that have ended: the stores and the proxy have not."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ratio(pairs: list[tuple[Cost, Cost]], of: Callable[[Cost], float]) -> float:
    """The median of the ratios of each round, the client's by the proxy's."""
    return statistics.median(of(client) / of(proxy) for proxy, client in pairs)


def compare(proxy: Apart, aws: AwsCli, folder: Path, shape: Shape) -> list[tuple[Cost, Cost]]:
    """A pair for each round: by the proxy, and down and up."""
    here, between = folder / "here", folder / "between"
    here.mkdir()
    for number in range(shape.files):
        block = random.Random(number).randbytes(BLOCK)
        (here / str(number)).write_bytes(block * (shape.size // BLOCK))
    top = f"s3://from/{shape.files}"
    aws("s3", "cp", "--recursive", here, top)

    def across() -> None:
        aws("s3", "cp", "--recursive", top, f"s3://target/across-{shape.files}")

    def down_and_up() -> None:
        aws("s3", "cp", "--recursive", top, between)
        aws("s3", "cp", "--recursive", between, f"s3://target/up-{shape.files}")

    across()
    down_and_up()
    pairs = [(cost(proxy, across), cost(proxy, down_and_up)) for _ in range(ROUNDS)]
    subprocess.run(["rm", "-rf", here, between], check=True)
    return pairs


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source, target = (stack.enter_context(versitygw(folder / name)) for name in "ab")
        for store, bucket in ((source, "from"), (target, "target")):
            store.client().create_bucket(Bucket=bucket)
        keys = [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}]
        cos_map = {"from": source.entry(), "target": target.entry()}
        config = {"cos_map": cos_map, "hmac_keystore": keys}
        proxy = stack.enter_context(Apart(folder / "proxy", config))
        aws = AwsCli(proxy.url(), CLIENT, folder)
        print("| files | by the proxy | down and up | times as fast | of the CPU |")
        print("|---|---|---|---|---|")
        for shape in SHAPES:
            pairs = compare(proxy, aws, folder, shape)
            ours, theirs = (statistics.median(p[i].time for p in pairs) for i in (0, 1))
            faster, cpu = ratio(pairs, lambda c: c.time), 1 / ratio(pairs, lambda c: c.cpu)
            print(f"| {shape.title} | {ours:.2f} s | {theirs:.2f} s | {faster:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
