"""What is measured. Not every combination, but each value of each question:

sizes, directions, kinds of payload, schemes, connections, caches, a busy Python,
threads, and a real store. A case differs in one thing from one that is there already.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.contestants import AGAIN, DIRECT, NGINX, ORIGINAL, OURS, Entrant
from bench.signing import CHUNKS, TRAILER, UNSIGNED
from bench.stores import FILES, REAL, SINK, SIZES

ALL = tuple(Entrant(name) for name in (OURS, ORIGINAL, NGINX))
WITH_STORE = (*ALL, Entrant(DIRECT))
COLD = tuple(Entrant(name, fetcher=True) for name in (OURS, ORIGINAL))
# What ours does otherwise in the same case, to compare with.
HTTP1 = Entrant(OURS, "HTTP/1.1", instead={"scheme": "https"})
WARM = Entrant(OURS, "warm", fetcher=True, instead={"cold": False})
# With a policy nothing is cached: each request is decided as the first one was.
POLICY = Entrant(OURS, policy=True, instead={"cold": False})
# A key of the keystore, one session, and a new session for each request; with a policy, so that
# nobody is asked about any of them.
STATIC = Entrant(OURS, policy=True)
SESSION = Entrant(OURS, "a session", policy=True, sessions=True, instead={"session": True})
SESSIONS = Entrant(
    OURS, "new sessions", policy=True, sessions=True, instead={"session": True, "cold": True}
)
PLAIN = Entrant(OURS, "unsigned", instead={"payload": UNSIGNED})
SHARED = Entrant(OURS, "shared state", shared=True)


def _busy(*names: str, fetcher: bool = False) -> tuple[Entrant, ...]:
    return tuple(
        Entrant(name, label, busy=label == "inside", neighbour=label == "beside", fetcher=fetcher)
        for name in names
        for label in ("inside", "beside")
    )


def _threads(*numbers: int, fetcher: bool = False) -> tuple[Entrant, ...]:
    return tuple(
        Entrant(name, f"threads={number}", threads=number, fetcher=fetcher)
        for name in (OURS, ORIGINAL)
        for number in numbers
    )


def _judged(entrants: tuple[Entrant, ...], place: int = 0) -> tuple[Entrant, ...]:
    """Adds the entrant at that place a second time, for the noise of a target.

    It comes last, so that what changes within a round counts as noise as well.
    """
    return (*entrants, replace(entrants[place], name=AGAIN))


LARGE = 10 << 20  # from this size on a load is so many requests, not so many seconds
_SCHEMES = {"http": "http", "https": "https", "h2": "https HTTP/2"}
_PAYLOADS = {
    UNSIGNED: "",
    "hash": "payload hash",
    CHUNKS: "signed chunks",
    TRAILER: "unsigned, trailer",
}


@dataclass(frozen=True)
class Case:
    """One row of the table; size in bytes, streams for each HTTP/2 connection.

    pace: requests per second; 0 stands for as many as can be.
    session: requests are signed with temporary keys; cold: with new ones each.
    times: how many times the usual number of rounds, for what is compared most closely.
    """

    id: str
    method: str = "GET"
    size: int = 1 << 10
    scheme: str = "http"
    connections: int = 32
    streams: int = 1
    payload: str = UNSIGNED
    bucket: str = FILES
    pace: int = 0
    cold: bool = False
    session: bool = False
    note: str = ""
    quick: bool = False
    times: int = 1
    entrants: tuple[Entrant, ...] = field(default=ALL)

    def of(self, entrant: Entrant) -> Case:
        """The case as this entrant does it."""
        return replace(self, **entrant.instead)

    @property
    def title(self) -> str:
        size = next(name for name, size in SIZES.items() if size == self.size)
        many = "s" if self.connections > 1 else ""
        parts = [
            f"{self.method} {size}",
            _SCHEMES[self.scheme],
            f"{self.connections} connection{many}",
            f"{self.streams} streams each" if self.streams > 1 else "",
            f"{self.pace:,} requests/s" if self.pace else "",
            _PAYLOADS[self.payload],
            self.note,
        ]
        return ", ".join(part for part in parts if part)


_GET = Case("get-1k")
_COLD = replace(_GET, id="get-1k-cold", cold=True, note="cold", entrants=COLD)
_GET_100K = Case("get-100k", size=100 << 10)
_GET_10M = Case("get-10m", size=10 << 20)
_GET_1G = Case("get-1g", size=1 << 30, connections=1)
_PUT = Case("put-1k", method="PUT", bucket=SINK)
_PUT_10M = Case("put-10m", method="PUT", size=10 << 20, bucket=SINK)

# What proxies do most of the time: less than they could.
PACES = (200, 500, 2_000, 5_000)


def paced(pace: int) -> str:
    """The id of the case with that many requests per second."""
    return f"get-1k-pace{pace}"


CASES = (
    replace(_GET, quick=True, times=3, entrants=_judged(WITH_STORE)),
    *(
        replace(_GET, id=paced(pace), pace=pace, quick=pace == 500, entrants=_judged(ALL))
        for pace in PACES
    ),
    replace(_GET, id="get-1k-c1", connections=1, entrants=_judged(ALL)),
    replace(_GET, id="get-1k-c512", connections=512, entrants=_judged(ALL)),
    replace(_GET, id="get-1k-https", scheme="https"),
    replace(
        _GET,
        id="get-1k-shared",
        note="shared state",
        times=3,
        entrants=_judged((Entrant(OURS), SHARED), place=1),
    ),
    replace(_GET, id="get-1k-h2", scheme="h2", entrants=_judged((*ALL, HTTP1))),
    replace(_GET, id="get-1k-h2-c1", scheme="h2", connections=1, streams=32),
    _GET_100K,
    replace(_GET_100K, id="get-100k-https", scheme="https"),
    replace(_GET_10M, quick=True, entrants=_judged(WITH_STORE)),
    replace(_GET_10M, id="get-10m-c1", connections=1),
    replace(_GET_10M, id="get-10m-https", scheme="https", entrants=_judged(ALL)),
    replace(_GET_10M, id="get-10m-h2", scheme="h2", entrants=_judged((*ALL, HTTP1))),
    _GET_1G,
    replace(_GET_1G, id="get-1g-https", scheme="https"),
    replace(_PUT, entrants=WITH_STORE),
    replace(_PUT, id="put-1k-c512", connections=512),
    replace(_PUT, id="put-1k-https", scheme="https"),
    replace(_PUT, id="put-1k-hash", payload="hash", entrants=_judged(ALL)),
    replace(_PUT_10M, entrants=WITH_STORE),
    replace(_PUT_10M, id="put-10m-hash", payload="hash"),
    replace(
        _PUT_10M,
        id="put-10m-chunks",
        payload=CHUNKS,
        quick=True,
        entrants=_judged((*ALL, PLAIN)),
    ),
    replace(_PUT_10M, id="put-10m-trailer", payload=TRAILER),
    replace(_PUT_10M, id="put-10m-https", scheme="https"),
    replace(_PUT_10M, id="put-10m-https-trailer", scheme="https", payload=TRAILER),
    replace(_PUT_10M, id="put-10m-h2", scheme="h2", entrants=_judged((*ALL, HTTP1))),
    replace(_COLD, quick=True, times=3, entrants=_judged((*COLD, WARM))),
    replace(
        _COLD,
        id="get-1k-policy",
        note="cold, a policy alone",
        times=3,
        entrants=_judged((POLICY, COLD[1])),
    ),
    replace(
        _GET,
        id="get-1k-session",
        note="temporary keys",
        times=3,
        entrants=_judged((STATIC, SESSION, SESSIONS), place=1),
    ),
    replace(_COLD, id="get-1k-cold-c512", connections=512, entrants=COLD),
    replace(
        _GET,
        id="get-1k-busy",
        note="busy Python",
        quick=True,
        entrants=_judged(_busy(OURS, ORIGINAL)),
    ),
    replace(
        _COLD,
        id="get-1k-cold-busy",
        note="cold, busy Python",
        entrants=_judged(_busy(OURS, fetcher=True)),
    ),
    replace(
        _GET,
        id="get-1k-threads",
        note="scaling",
        entrants=_judged(_threads(1, 2), place=1),
    ),
    replace(
        _COLD,
        id="get-1k-cold-threads",
        note="cold, scaling",
        entrants=_judged(_threads(1, 2, fetcher=True), place=1),
    ),
    replace(
        _PUT_10M,
        id="put-10m-hash-threads",
        payload="hash",
        note="scaling",
        entrants=_judged(_threads(1, 2), place=1),
    ),
    replace(_GET, id="get-1k-real", bucket=REAL, note="versitygw"),
    replace(_PUT, id="put-1k-real", bucket=REAL, payload="hash", note="versitygw"),
)
