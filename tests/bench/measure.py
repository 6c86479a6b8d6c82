"""Runs a case: its entrants in turn, A B C A B C, so that a slow minute hits all."""

from __future__ import annotations

import http.client
import secrets
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from helpers.certificates import Certificates

from bench import contestants, processes
from bench.cases import LARGE, Case
from bench.contestants import NEW_KEYS, Entrant, Running
from bench.load import Generators, Load, LoadError
from bench.sessions import issued
from bench.signing import Keys, Request, by_each, sign
from bench.stores import Stores, object_name

_GIB = 1 << 30
_LONGEST_LOAD = 120  # seconds, of one that ends by itself
_BODY_COUNTS = 100 << 10  # bytes, below which a request costs what it costs without a body


@dataclass(frozen=True)
class Effort:
    """How long each measurement takes: seconds, or bytes where it is a count.

    After limit, in seconds since the start, no further case is begun.
    """

    rounds: int
    seconds: float
    volume: int
    limit: float


class Failing(Protocol):
    """What can say why there is no value."""

    failed: str


@dataclass
class Cell:
    """What was measured of one entrant in one case, a value for each round.

    requests is their number, rate is in requests/s, latencies and CPU per
    request in microseconds, CPU per GiB in seconds, memory (the sum of VmHWM)
    in bytes. failed says why there is nothing.
    """

    entrant: str
    requests: list[int] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    p999: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    cpu_gib: list[float] = field(default_factory=list)
    memory: int = 0
    failed: str = ""


@dataclass(frozen=True)
class Lab:
    """Everything that a measurement needs besides its case."""

    stores: Stores
    certificates: Certificates
    generators: Generators
    folder: Path
    effort: Effort

    def start(self, stack: ExitStack, entrant: Entrant, bucket: str) -> Running:
        folder = self.folder / "runs" / secrets.token_hex(4)
        one = contestants.started(entrant, self.stores, bucket, self.certificates, folder)
        return stack.enter_context(one)


def run_case(case: Case, lab: Lab, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measures a case; a contestant that fails has a cell that says so."""
    cells = [Cell(str(entrant)) for entrant in case.entrants]
    with ExitStack() as stack:
        running: dict[int, Running] = {}
        for number, entrant in enumerate(case.entrants):
            progress(f"starting {entrant}")
            with noting(cells[number]):
                running[number] = lab.start(stack, entrant, case.bucket)
                with running[number].awake():
                    _probe(case.of(entrant), lab, running[number])
                    send(case.of(entrant), lab, running[number], warm_up=True)
        rounds = lab.effort.rounds * case.times
        for turn in range(rounds):
            for number, one in running.items():
                if cells[number].failed:
                    continue
                progress(f"round {turn + 1} of {rounds}, {one.entrant}")
                with noting(cells[number], one), one.awake():
                    _measure(case.of(one.entrant), lab, one, cells[number])
        for number, one in running.items():
            if one.alive() and not cells[number].failed:
                cells[number].memory = processes.memory(one.pids)
    return _result(case, cells)


def left_out(case: Case, reason: str) -> dict[str, Any]:
    """A case that is not measured, with the reason in its cells."""
    return _result(case, [Cell(str(entrant), failed=reason) for entrant in case.entrants])


def _result(case: Case, cells: Sequence[Cell]) -> dict[str, Any]:
    return {"id": case.id, "title": case.title, "cells": [asdict(cell) for cell in cells]}


@contextmanager
def noting(cell: Failing, running: Running | None = None) -> Iterator[None]:
    """Whatever a contestant does wrong ends up in its cell."""
    try:
        yield
    except (LoadError, OSError, RuntimeError, http.client.HTTPException) as problem:
        ended = running is not None and not running.alive()
        said = str(problem).splitlines() or [type(problem).__name__]
        cell.failed = "the process ended" if ended else said[0][:80]


def _measure(case: Case, lab: Lab, running: Running, cell: Cell) -> None:
    pids = running.pids
    before = processes.cpu(pids)
    seen = send(case, lab, running)
    used = processes.cpu(pids) - before
    cell.requests.append(seen.requests)
    cell.rate.append(seen.requests / seen.seconds)
    cell.p50.append(seen.p50)
    cell.p99.append(seen.p99)
    cell.p999.append(seen.p999)
    # Of a process with a busy Python thread nobody can say what a request took.
    if pids and not running.entrant.busy:
        cell.cpu.append(used / seen.requests * 1e6)
        if case.size >= _BODY_COUNTS:
            cell.cpu_gib.append(used / (seen.requests * case.size / _GIB))


def request_for(case: Case, lab: Lab, running: Running, access: str = "") -> Request:
    """The case's request, signed now: a signature is good for 15 minutes."""
    if case.session:
        keys = issued()[0]
    elif access:
        keys = Keys(access, lab.stores.keys.secret)
    else:
        keys = lab.stores.keys
    host = f"127.0.0.1:{running.port(case.scheme)}"
    path = f"/{case.bucket}/{object_name(case.size)}"
    body = bytes(case.size) if case.method == "PUT" else b""
    return sign(case.method, host, path, keys, body, case.payload)


def send(case: Case, lab: Lab, running: Running, warm_up: bool = False) -> Load:
    scheme = "http" if case.scheme == "http" else "https"
    url = f"{scheme}://127.0.0.1:{running.port(case.scheme)}"
    if case.session and case.cold:
        return _new_sessions(case, lab, running, url)
    request = request_for(case, lab, running, "@KEY@" if case.cold else "")
    seconds = 1 if warm_up else lab.effort.seconds
    if case.pace:
        return lab.generators.vegeta(url, request, case.connections, seconds, case.pace)
    if case.size < LARGE and case.scheme != "h2":
        keys = f"{NEW_KEYS}{secrets.token_hex(4)}x" if case.cold else ""
        return lab.generators.wrk(url, request, case.connections, seconds, keys)
    http2 = case.scheme == "h2"
    if case.size < LARGE:
        return lab.generators.h2load(
            url, request, case.connections, http2=http2, streams=case.streams, seconds=seconds
        )
    count = max(case.connections, 0 if warm_up else lab.effort.volume // case.size)
    return lab.generators.h2load(url, request, case.connections, http2=http2, count=count)


def _new_sessions(case: Case, lab: Lab, running: Running, url: str) -> Load:
    """A request with each of the temporary keys, however long that takes."""
    host, path = (
        f"127.0.0.1:{running.port(case.scheme)}",
        f"/{case.bucket}/{object_name(case.size)}",
    )
    signatures = lab.folder / "signatures"
    with signatures.open("w") as file:
        request = by_each(host, path, issued(), file)
    return lab.generators.wrk(url, request, case.connections, _LONGEST_LOAD, signatures=signatures)


def _probe(case: Case, lab: Lab, running: Running) -> None:
    """One request, to see whether it can be done at all.

    Raises LoadError with the status when it can't.
    """
    if case.method == "PUT":
        # The original answers 500 to the first PUT for a bucket, so a GET goes first.
        exchange(case, lab, running, request_for(replace(case, method="GET"), lab, running))
    request = request_for(case, lab, running, f"{NEW_KEYS}-probe" if case.cold else "")
    if case.scheme == "h2":
        url = f"https://127.0.0.1:{running.https}"
        lab.generators.h2load(url, request, 1, http2=True, count=1)
        return
    status, length = exchange(case, lab, running, request)
    if status != 200:
        raise LoadError(str(status))
    if case.method == "GET" and length != case.size:
        raise LoadError(f"{length} bytes of {case.size}")


def exchange(case: Case, lab: Lab, running: Running, request: Request) -> tuple[int, int]:
    """Sends one request by HTTP/1.1; returns the status and the length of the body."""
    connection: http.client.HTTPConnection
    if case.scheme == "http":
        connection = http.client.HTTPConnection("127.0.0.1", running.http, timeout=60)
    else:
        trust = ssl.create_default_context(cafile=str(lab.certificates.ca))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", running.https, timeout=60, context=trust
        )
    try:
        connection.request(
            request.method, request.path, request.body or None, dict(request.headers)
        )
        answer, length = connection.getresponse(), 0
        while block := answer.read(1 << 20):
            length += len(block)
        return answer.status, length
    finally:
        connection.close()
