"""`./build.sh bench fairness`: what a greedy client does to calm ones.

A client sends one request after the other over each of 20 connections; beside it, another one
with a key of its own does so over 512. Rounds with and without the second take turns.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from helpers import certificates as pki

from bench import contestants, stores
from bench.contestants import NEW_KEYS, ORIGINAL, OURS, Entrant, Running
from bench.load import Generators, Load, LoadError
from bench.signing import Keys, Request, sign
from bench.stores import FILES, Stores, object_name

BUILD = Path(__file__).resolve().parents[2] / ".build" / "bench"
CALM, GREEDY = 20, 512  # connections
PLACES = 16  # at the store
ROUNDS, SECONDS = 3, 4

ENTRANTS = (
    Entrant(OURS, f"connections={PLACES}", threads=None, fetcher=True, connections=PLACES),
    Entrant(OURS, threads=None, fetcher=True),
    Entrant(ORIGINAL, threads=2, fetcher=True),
)


class Lab:
    """Both clients, each with files of its own."""

    def __init__(self, folder: Path, running: Running, made: Stores) -> None:
        self._running, self._stores = running, made
        self._generators = {}
        for name in ("calm", "greedy"):
            (folder / name).mkdir()
            self._generators[name] = Generators(folder / name)

    def _request(self, name: str) -> Request:
        keys = Keys(f"{NEW_KEYS}-{name}", self._stores.keys.secret)
        return sign("GET", f"127.0.0.1:{self._running.http}", f"/{FILES}/{object_name(1024)}", keys)

    def _url(self) -> str:
        return f"http://127.0.0.1:{self._running.http}"

    def calm(self) -> Load:
        return self._generators["calm"].wrk(self._url(), self._request("calm"), CALM, SECONDS)

    def beside(self) -> tuple[Load, float]:
        """The calm client while the greedy one is at it, and its part of all requests."""
        request, generator = self._request("greedy"), self._generators["greedy"]
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(generator.wrk, self._url(), request, GREEDY, SECONDS)
            calm = self.calm()
            greedy = other.result()
        return calm, calm.requests / (calm.requests + greedy.requests)


def measured(entrant: Entrant, made: Stores, folder: Path) -> Iterator[tuple[float, ...]]:
    """p99 of the calm client alone and beside, in ms, and its part, for each round."""
    certificates = pki.make(folder / "pki")
    with contestants.started(entrant, made, FILES, certificates, folder / "proxy") as running:
        lab = Lab(folder, running, made)
        lab.calm()  # so that everything is warm
        for _ in range(ROUNDS):
            alone, (beside, part) = lab.calm(), lab.beside()
            yield alone.p99 / 1e3, beside.p99 / 1e3, part


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=BUILD)))
        made = stack.enter_context(stores.start(root))
        print("| proxy | p99 alone, ms | beside the greedy client, ms | ratio | part of requests |")
        print("|---|---|---|---|---|")
        for number, entrant in enumerate(ENTRANTS):
            folder = root / str(number)
            folder.mkdir()
            try:
                rounds = list(measured(entrant, made, folder))
            except (LoadError, RuntimeError, TimeoutError) as problem:
                print(f"| {entrant} | {problem} | | | |")
                continue
            alone, beside, part = (statistics.median(each) for each in zip(*rounds, strict=True))
            figures = f"{alone:.2f} | {beside:.2f} | {beside / alone:.1f} | {part:.0%}"
            print(f"| {entrant} | {figures} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
