"""What the project holds itself to, as ratios within one run on one machine."""

from __future__ import annotations

from dataclasses import dataclass

from bench.cases import PACES, paced
from bench.contestants import NGINX, ORIGINAL, OURS
from bench.results import Results


@dataclass(frozen=True)
class Target:
    """A ratio or an amount with a limit; measured is None when there is no figure."""

    text: str
    limit: float
    measured: float | None
    at_most: bool = True
    unit: str = ""

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit


def targets(run: Results) -> list[Target]:
    return [
        *_small(run),
        *_below_saturation(run),
        *_large(run),
        *_python(run),
        *_memory(run),
        *_cores(run),
    ]


def _small(run: Results) -> list[Target]:
    cpu = run.ratio("get-1k", "cpu", OURS, ORIGINAL)
    rate = run.ratio("get-1k", "rate", OURS, ORIGINAL)
    p99 = run.ratio("get-1k", "p99", OURS, ORIGINAL)
    return [
        Target("GET 1 KiB: CPU per request, by the original's", 0.65, cpu),
        Target("the same, further", 0.45, cpu),
        Target("GET 1 KiB: requests/s, by the original's", 1.3, rate, at_most=False),
        Target("GET 1 KiB: p99, by the original's", 1, p99),
    ]


def _below_saturation(run: Results) -> list[Target]:
    found = []
    for pace in PACES:
        case, title = paced(pace), f"{pace:,} GET 1 KiB a second"
        found += [
            Target(f"{title}: CPU, by the original's", 0.6, run.ratio(case, "cpu", OURS, ORIGINAL)),
            Target(f"{title}: CPU, by nginx's", 1.5, run.ratio(case, "cpu", OURS, NGINX)),
            Target(f"{title}: p50, by the original's", 1, run.ratio(case, "p50", OURS, ORIGINAL)),
            Target(f"{title}: p99, by the original's", 1, run.ratio(case, "p99", OURS, ORIGINAL)),
        ]
    return found


def _large(run: Results) -> list[Target]:
    original = run.ratio("get-10m", "cpu_gib", OURS, ORIGINAL)
    nginx = run.ratio("get-10m", "cpu_gib", OURS, NGINX)
    https = run.ratio("get-10m-https", "cpu_gib", OURS, NGINX)
    return [
        Target("GET 10 MiB, http: CPU per GiB, by the original's", 0.7, original),
        Target("GET 10 MiB, http: CPU per GiB, by nginx's", 0.8, nginx),
        Target("GET 10 MiB, https: CPU per GiB, by nginx's with the same cipher", 1, https),
        Target(
            "PUT 10 MiB with signed chunks: CPU, by that of SHA-256 and the unsigned PUT",
            1.3,
            _chunks(run),
        ),
    ]


def _chunks(run: Results) -> float | None:
    chunks = run.median("put-10m-chunks", OURS, "cpu")
    plain = run.median("put-10m", OURS, "cpu")
    sha256 = run.finding("sha256", "kit")
    if chunks is None or plain is None or sha256 is None:
        return None
    return chunks / (plain + sha256 * 1000)


def _python(run: Results) -> list[Target]:
    inside, beside = f"{OURS}, inside", f"{OURS}, beside"
    rate = run.ratio("get-1k-busy", "rate", inside, beside)
    p99 = run.ratio("get-1k-busy", "p99", inside, beside)
    cold = run.ratio("get-1k-cold", "rate", OURS, ORIGINAL)
    return [
        Target(
            "a busy Python thread inside: requests/s, by those with the loop in another process",
            0.9,
            rate,
            at_most=False,
        ),
        Target("the same: p99", 1.5, p99),
        Target("a new key for each request: requests/s, by the original's", 1.5, cold, False),
        Target(
            "64 clients at once with one new key: calls of the validator",
            1,
            run.finding("calls", OURS),
        ),
    ]


def _memory(run: Results) -> list[Target]:
    growth = run.finding(f"growth-{OURS}", OURS)
    idle = run.finding("idle", OURS)
    gib = run.finding("gib", OURS)
    return [
        Target("growth over a million requests, keys and URLs", 10, growth, unit=" MiB"),
        Target("memory of an idle connection, of 5,000", 40, idle, unit=" KiB"),
        Target("peak memory of 1 GiB bodies beyond that of 10 MiB bodies", 10, gib, unit=" MiB"),
    ]


def _cores(run: Results) -> list[Target]:
    """Where the proxy is the work, a second thread has to give more than a fifth.

    A small GET takes the load and the store about as long as the proxy, and with
    two cores for all three a second thread has little left to run on: there it
    must not cost anything.
    """
    return [
        Target(
            "threads=2 over threads=1, a new key for each request: requests/s",
            1.2,
            _gain(run, "get-1k-cold-threads"),
            at_most=False,
        ),
        Target(
            "threads=2 over threads=1, PUT 10 MiB with a payload hash: requests/s",
            1.2,
            _gain(run, "put-10m-hash-threads"),
            at_most=False,
        ),
        Target(
            "threads=2 over threads=1, GET 1 KiB: requests/s",
            1,
            _gain(run, "get-1k-threads"),
            at_most=False,
        ),
    ]


def _gain(run: Results, case: str) -> float | None:
    return run.ratio(case, "rate", f"{OURS}, threads=2", f"{OURS}, threads=1")
