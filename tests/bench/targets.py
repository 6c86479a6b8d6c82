"""What the project holds itself to, as ratios within one run on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from bench.cases import HTTP1, PACES, PLAIN, SESSION, SESSIONS, SHARED, WARM, paced
from bench.contestants import NGINX, ORIGINAL, OURS
from bench.noise import Figure, of_median
from bench.results import Results, again


class Verdict(Enum):
    """What becomes of a target; the value is what the table says."""

    MET = "yes"
    WITHIN_NOISE = "within noise"
    MISSED = "no"
    NO_FIGURE = "no figure"


@dataclass(frozen=True)
class Target:
    """A ratio or an amount with a limit; without a figure what it asks for failed."""

    text: str
    limit: float
    figure: Figure | None
    at_most: bool = True
    unit: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.figure is None:
            return Verdict.NO_FIGURE
        beyond = self.figure.value - self.limit if self.at_most else self.limit - self.figure.value
        if beyond <= 0:
            return Verdict.MET
        return Verdict.WITHIN_NOISE if beyond <= self.figure.noise else Verdict.MISSED

    @property
    def holds(self) -> bool:
        """Not missed by more than chance explains."""
        return self.verdict in (Verdict.MET, Verdict.WITHIN_NOISE)


@dataclass(frozen=True)
class Ratio:
    """One entrant's figure by another's, in a case; of requests/s more is better."""

    what: str
    case: str
    metric: str
    limit: float
    other: str = ORIGINAL
    one: str = OURS

    def of(self, run: Results) -> Target:
        text = f"{self.what}: {_METRICS[self.metric]}, by {_WHOSE[self.other]}"
        figure = run.judged(self.case, self.metric, self.one, self.other)
        return Target(text, self.limit, figure, at_most=self.metric != "rate")


@dataclass(frozen=True)
class Amount:
    """A figure that is no ratio. needs are the cases and questions that it comes from."""

    text: str
    needs: Sequence[str]
    limit: float
    measured: Callable[[Results], Figure | None]
    unit: str = ""

    def of(self, run: Results) -> Target:
        return Target(self.text, self.limit, self.measured(run), unit=self.unit)


_INSIDE, _BESIDE = f"{OURS}, inside", f"{OURS}, beside"
_ONE_THREAD, _TWO_THREADS = f"{OURS}, threads=1", f"{OURS}, threads=2"
_METRICS = {
    "cpu": "CPU",
    "cpu_gib": "CPU per GiB",
    "rate": "requests/s",
    "p50": "p50",
    "p99": "p99",
}
_WHOSE = {
    ORIGINAL: "the original's",
    NGINX: "nginx's",
    OURS: "ours without it",
    str(HTTP1): "ours over HTTP/1.1 with TLS",
    _BESIDE: "those with the loop in another process",
    _ONE_THREAD: "those of threads=1",
}


def _below_saturation(pace: int) -> list[Ratio]:
    what, case = f"{pace:,} GET 1 KiB a second", paced(pace)
    return [
        Ratio(what, case, "cpu", 0.6),
        Ratio(what, case, "cpu", 1.5, NGINX),
        Ratio(what, case, "p50", 1),
        Ratio(what, case, "p99", 1),
    ]


def _small(what: str, case: str) -> list[Ratio]:
    return [
        Ratio(what, case, "cpu", 0.45),
        Ratio(what, case, "cpu", 1.4, NGINX),
        Ratio(what, case, "rate", 1.5),
        Ratio(what, case, "p99", 1),
    ]


def _http2(what: str, case: str, by_http1: float) -> list[Ratio]:
    return [
        Ratio(what, case, "cpu", by_http1, str(HTTP1)),
        Ratio(what, case, "cpu", 1.6, NGINX),
    ]


# Where the proxy is the work, a second thread has to give more than a fifth. A small
# GET takes the load and the store about as long as the proxy, and with two cores for
# all three a second thread has little left to run on: there it must not cost anything.
RATIOS = (
    *(ratio for pace in PACES for ratio in _below_saturation(pace)),
    *_http2("GET 1 KiB, HTTP/2", "get-1k-h2", 1.3),
    *_http2("GET 10 MiB, HTTP/2", "get-10m-h2", 1.15),
    *_http2("PUT 10 MiB, HTTP/2", "put-10m-h2", 1.15),
    Ratio("a new key for each request", "get-1k-cold", "rate", 2.2),
    Ratio("a new key for each request", "get-1k-cold", "p99", 1),
    Ratio(
        "the same, a busy Python thread inside", "get-1k-cold-busy", "rate", 0.7, _BESIDE, _INSIDE
    ),
    Ratio("a policy alone, and a new key for the original", "get-1k-policy", "rate", 3),
    Ratio("GET 1 KiB, one connection", "get-1k-c1", "cpu", 0.5),
    Ratio("GET 1 KiB, one connection", "get-1k-c1", "p50", 1.3, NGINX),
    *_small("GET 1 KiB", "get-1k"),
    *_small("PUT 1 KiB with a payload hash", "put-1k-hash"),
    *(
        Ratio("GET 1 KiB with a shared state", "get-1k-shared", metric, 1.03, OURS, str(SHARED))
        for metric in ("cpu", "p50")
    ),
    Ratio("GET 1 KiB with a session key", "get-1k-session", "cpu", 1.1, OURS, str(SESSION)),
    Ratio("GET 10 MiB, http", "get-10m", "cpu_gib", 0.7),
    Ratio("GET 10 MiB, http", "get-10m", "cpu_gib", 0.8, NGINX),
    Ratio("GET 10 MiB, https with the same cipher", "get-10m-https", "cpu_gib", 1, NGINX),
    Ratio("GET 1 KiB, a busy Python thread inside", "get-1k-busy", "rate", 0.9, _BESIDE, _INSIDE),
    Ratio("GET 1 KiB, a busy Python thread inside", "get-1k-busy", "p99", 1.5, _BESIDE, _INSIDE),
    Ratio(
        "threads=2, a new key for each request",
        "get-1k-cold-threads",
        "rate",
        1.2,
        _ONE_THREAD,
        _TWO_THREADS,
    ),
    Ratio(
        "threads=2, PUT 10 MiB with a payload hash",
        "put-10m-hash-threads",
        "rate",
        1.2,
        _ONE_THREAD,
        _TWO_THREADS,
    ),
    Ratio("threads=2, GET 1 KiB", "get-1k-threads", "rate", 1, _ONE_THREAD, _TWO_THREADS),
)


def _question(run: Results) -> Figure | None:
    """What a cold request takes beyond a warm one, by its two questions, in µs.

    Besides the callbacks that is all that comes with them: the queue, what is
    written to caches, the signing key that is derived from a new secret.
    """
    cold = run.values("get-1k-cold", OURS, "cpu")
    warm = run.values("get-1k-cold", str(WARM), "cpu")
    same = run.values("get-1k-cold", again(OURS), "cpu")
    beyond = [(x - y) / 2 for x, y in zip(cold, warm, strict=False)]
    if not beyond:
        return None
    noise = of_median([(x - y) / 2 for x, y in zip(cold, same, strict=False)])
    return Figure(statistics.median(beyond), noise)


def _opening(run: Results) -> Figure | None:
    """What the first request with a session takes beyond its others, in µs: its token is
    opened and kept, and a signing key derived.
    """
    case = "get-1k-session"
    first = run.values(case, str(SESSIONS), "cpu")
    later = run.values(case, str(SESSION), "cpu")
    same = run.values(case, again(str(SESSION)), "cpu")
    beyond = [x - y for x, y in zip(first, later, strict=False)]
    if not beyond:
        return None
    noise = of_median([x - y for x, y in zip(later, same, strict=False)])
    return Figure(statistics.median(beyond), noise)


def _chunks(run: Results) -> Figure | None:
    """By what the hashes of the chunks cost, and the rest of the request."""
    sha256 = run.finding("sha256", "kit")
    case = "put-10m-chunks"
    pairs = zip(run.values(case, OURS, "cpu"), run.values(case, str(PLAIN), "cpu"), strict=False)
    ratios = [chunks / (plain + sha256 * 1000) for chunks, plain in pairs] if sha256 else []
    if not ratios:
        return None
    value = statistics.median(ratios)
    return Figure(value, value * run.noise(case, "cpu", OURS))


def _peak(case: str) -> Callable[[Results], Figure | None]:
    def measured(run: Results) -> Figure | None:
        """There is one figure a case, so the noise is what the two processes differ by."""
        cell, same = run.cell(case, OURS), run.cell(case, again(OURS))
        if cell is None or same is None:
            return None
        return Figure(cell.memory / _MIB, abs(cell.memory - same.memory) / _MIB)

    return measured


def _finding(question: str) -> Callable[[Results], Figure | None]:
    def measured(run: Results) -> Figure | None:
        """Asked once, and far from its limit: no noise is allowed for."""
        found = run.finding(question, OURS)
        return None if found is None else Figure(found)

    return measured


_MIB = 1 << 20
_GROWTH = f"growth-{OURS}"
_AMOUNTS = (
    Amount("CPU of a question to a callback", ["get-1k-cold"], 20, _question, " µs"),
    Amount(
        "CPU of a session's first request beyond its others",
        ["get-1k-session"],
        30,
        _opening,
        " µs",
    ),
    Amount(
        "PUT 10 MiB with signed chunks: CPU, by that of SHA-256 and the unsigned PUT",
        ["put-10m-chunks", "sha256"],
        1.3,
        _chunks,
    ),
    Amount(
        "64 clients at once with one new key: calls of the validator",
        ["calls"],
        1,
        _finding("calls"),
    ),
    Amount("peak memory, 32 connections", ["get-1k"], 40, _peak("get-1k"), " MiB"),
    Amount("peak memory, 512 connections", ["get-1k-c512"], 90, _peak("get-1k-c512"), " MiB"),
    Amount(
        "growth over a million requests, keys and URLs",
        [_GROWTH],
        10,
        _finding(_GROWTH),
        " MiB",
    ),
    Amount("memory of an idle connection, of 5,000", ["idle"], 40, _finding("idle"), " KiB"),
    Amount(
        "peak memory of 1 GiB bodies beyond that of 10 MiB bodies",
        ["gib"],
        10,
        _finding("gib"),
        " MiB",
    ),
)


def targets(run: Results) -> list[Target]:
    """All that the run can judge: one of a part of the cases judges no others."""
    ratios = [ratio.of(run) for ratio in RATIOS if run.has(ratio.case)]
    return ratios + [amount.of(run) for amount in _AMOUNTS if all(map(run.has, amount.needs))]
