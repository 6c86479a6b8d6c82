"""`./build.sh bench fleet`: a thousand replicas that share one Valkey, simulated.

What an operation costs the server is measured, by the benchmarks of go/shared
against a real one. The rest is drawn: which key is asked for when, in which
replica, and who waits behind whom at the server, which does one thing after
another. docs/scaling.md quotes the tables.
"""

from __future__ import annotations

import heapq
import math
import os
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

REPLICAS = 1_000
EACH = 100.0  # requests per second and replica
BEATS = 2.0  # heartbeats per second and replica: `interval` of go/shared
MOMENT = 0.04 + 0.1  # a revocation takes no less: `Moment` and `drift` of go/shared
ASKING = 0.005  # seconds that the validator takes
TTLS = (60.0, 300.0, 3_600.0)  # seconds
KEYS = (1_000, 10_000, 100_000, 1_000_000)  # of decisions, the n-th as popular as 1/n
SAMPLES, CYCLES = 400, 20  # keys that stand for the rest, and lives of an answer of each
REVOCATIONS = 200
FULL = 0.95  # of the server's thread: beyond, a queue grows without end
FIRST_LOOK, LAST_LOOK = 0.005, 0.1  # how often one who waits for another's answer looks
FIRST_POLL, LAST_POLL = 0.002, 0.05  # how often `invalidate` looks who has confirmed


@dataclass(frozen=True)
class Costs:
    """Seconds of the server's CPU."""

    take: float  # a look for an answer
    first: float  # a look that found none, and writing the answer
    beat: float


def measured() -> Costs:
    """Runs the benchmarks of go/shared."""
    command = ["go", "test", "./go/shared", "-run", "^$", "-bench", "."]
    output = subprocess.run(
        [*command, "-benchtime", "30000x"],
        cwd=ROOT,
        env={**os.environ, "GOFLAGS": ""},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = dict(
        re.findall(r"^Benchmark(\S+?)(?:-\d+)?\s.* (\S+) server-µs/op", output, re.MULTILINE)
    )
    if not found:
        raise SystemExit("there is no valkey-server: ./build.sh test brings it")
    print("\n".join(f"{name}: {value} µs of the server's CPU" for name, value in found.items()))
    micro = {name: float(value) / 1e6 for name, value in found.items()}
    return Costs(
        micro["SharedAnswer"], micro["FirstAnswer"], micro[f"Heartbeat/replicas={REPLICAS}"]
    )


@dataclass
class Load:
    """Of all keys together, per second."""

    alone: float = 0.0  # calls of validators when nothing is shared
    calls: float = 0.0  # calls of validators
    takes: float = 0.0  # looks for an answer that find one, or that another asks
    firsts: float = 0.0  # looks that find nothing

    def busy(self, costs: Costs) -> float:
        """The part of its one thread that the server needs."""
        work = self.takes * costs.take + self.firsts * costs.first
        return work + REPLICAS * BEATS * costs.beat


def life(draw: random.Random, rate: float, ttl: float) -> tuple[float, int]:
    """One life of an answer: its seconds, and how often other replicas looked for it.

    It begins with the first request, wherever; each other replica looks when it has its own
    first request, again and again while the answer is asked for.
    """
    each = rate / REPLICAS
    ever, early = (1 - math.exp(-each * seconds) for seconds in (ttl, ASKING))
    looks = others = binomial(draw, REPLICAS - 1, ever)
    for _ in range(binomial(draw, others, early / ever)):
        waits, step = ASKING * draw.random(), FIRST_LOOK
        while waits > 0:
            looks += 1
            waits -= step * (0.5 + draw.random() / 2)
            step = min(2 * step, LAST_LOOK)
    return ttl + draw.expovariate(rate), looks


def binomial(draw: random.Random, n: int, p: float) -> int:
    return sum(draw.random() < p for _ in range(n))


def load_of(draw: random.Random, keys: int, ttl: float) -> Load:
    """Draws lives of some keys, each of which stands for its neighbours in popularity."""
    total = REPLICAS * EACH
    scale = total / sum(1 / n for n in range(1, keys + 1))
    load = Load()
    for first, last in strata(keys):
        rank = math.sqrt(first * last)
        rate, standing = scale / rank, last - first + 1
        lives = [life(draw, rate, ttl) for _ in range(CYCLES)]
        seconds, looks = sum(s for s, _ in lives), sum(n for _, n in lives)
        load.calls += standing * CYCLES / seconds
        load.firsts += standing * CYCLES / seconds
        load.takes += standing * looks / seconds
        load.alone += standing * REPLICAS / (ttl + REPLICAS / rate)
    return load


def strata(keys: int) -> Iterator[tuple[int, int]]:
    """Ranges of ranks, each a little longer than the one before."""
    first = 1
    while first <= keys:
        last = min(keys, max(first, int(first * keys ** (1 / SAMPLES))))
        yield first, last
        first = last + 1


def revocation(draw: random.Random, busy: float, work: float, costs: Costs) -> float:
    """Seconds until `invalidate` returns, all replicas being well.

    The server is a queue: what comes in is done one after another, beside other work that takes
    the part `busy` of its time in pieces of `work` seconds.
    """
    now = 0.0  # when the server is free

    def serve(arrives: float, cost: float) -> float:
        nonlocal now
        if arrives > now:
            # What other work is left from before: M/D/1, the mean wait of an arrival.
            now = arrives + draw.expovariate(1 / (busy * work / (2 * (1 - busy)) + 1e-9))
        now += cost / (1 - busy)  # other work goes on meanwhile
        return now

    told = serve(0.0, costs.first / 2)
    # Each replica learns of it by one heartbeat, and confirms by the next.
    events = [(told + draw.uniform(50e-6, 500e-6), 1) for _ in range(REPLICAS)]
    heapq.heapify(events)
    confirmed = told
    while events:
        at, which = heapq.heappop(events)
        done = serve(at, costs.beat)
        if which == 1:
            heapq.heappush(events, (done + draw.uniform(50e-6, 500e-6), 2))
        else:
            confirmed = done
    look, pause = told, FIRST_POLL
    while look < confirmed or look < told + MOMENT:
        look, pause = look + pause, min(2 * pause, LAST_POLL)
    return look


def report(costs: Costs) -> str:
    draw = random.Random(1)
    lines = [
        "| keys | ttl s | calls/s, nothing shared | calls/s | operations/s | server busy"
        " | `invalidate` p50 | p99 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for keys in KEYS:
        for ttl in TTLS:
            load = load_of(draw, keys, ttl)
            busy = load.busy(costs)
            operations = load.takes + 2 * load.firsts + REPLICAS * BEATS
            p50 = p99 = "one is not enough"
            if busy < FULL:
                took = [
                    revocation(draw, busy, busy / operations, costs) for _ in range(REVOCATIONS)
                ]
                ranks = statistics.quantiles(took, n=100)
                p50, p99 = f"{ranks[49] * 1e3:,.0f} ms", f"{ranks[98] * 1e3:,.0f} ms"
            lines.append(
                f"| {keys:,} | {ttl:,.0f} | {load.alone:,.0f} | {load.calls:,.0f} |"
                f" {operations:,.0f} | {busy:.0%} | {p50} | {p99} |"
            )
    return "\n".join(lines)


def main() -> int:
    print(report(measured()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
