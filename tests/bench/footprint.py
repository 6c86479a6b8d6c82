"""What stays behind in memory, and how often Python is asked."""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bench import processes
from bench.cases import Case
from bench.contestants import NEW_KEYS, NGINX, ORIGINAL, OURS, Entrant, Running
from bench.load import LoadError
from bench.measure import Lab, noting, request_for, send
from bench.signing import many
from bench.stores import ANY, FILES, KIT, SINK

IDLE = 5_000  # connections
REQUESTS = {OURS: 1_000_000, ORIGINAL: 100_000}  # the original would fill gigabytes
COLD_CLIENTS = 64
_BEFORE = 150_000  # requests: the largest bound is that of 65,536 keys that have signed
_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_SIGNED_FOR = 800  # seconds; a signature is good for 900


@dataclass
class Finding:
    """One number."""

    entrant: str
    value: float | None = None
    failed: str = ""


@dataclass
class Question:
    """What was asked, in which unit the answers are, and an answer for each entrant."""

    id: str
    title: str
    unit: str
    findings: list[Finding] = field(default_factory=list)

    def ask(
        self, lab: Lab, entrants: Iterable[Entrant], answer: Callable[[Lab, Running], float]
    ) -> dict[str, Any]:
        for entrant in entrants:
            finding = Finding(str(entrant))
            self.findings.append(finding)
            with noting(finding), ExitStack() as stack:
                finding.value = answer(lab, lab.start(stack, entrant, FILES))
        return asdict(self)


def all_of(lab: Lab, quick: bool, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Asks every question, or those that take no time."""
    python = (OURS, ORIGINAL)
    everybody = [Entrant(name) for name in (*python, NGINX)]
    cold = [Entrant(name, fetcher=True, slow=True) for name in python]
    progress("SHA-256 of 10 MiB")
    found = [sha256()]
    progress(f"{COLD_CLIENTS} cold clients of one key")
    title = f"calls of the validator when {COLD_CLIENTS} clients come at once with one new key"
    found.append(Question("calls", title, "calls").ask(lab, cold, calls))
    progress(f"{IDLE} idle connections")
    title = f"memory of an idle connection, of {IDLE:,}"
    found.append(Question("idle", title, "KiB").ask(lab, everybody, idle))
    if quick:
        return found
    progress("bodies of 1 GiB")
    title = "peak memory of GET and PUT of 1 GiB beyond that of 10 MiB"
    found.append(Question("gib", title, "MiB").ask(lab, everybody, large_bodies))
    for name in python:
        progress(f"{REQUESTS[name]:,} keys and URLs, {name}")
        title = f"growth over {REQUESTS[name]:,} requests, each with a new key and URL"
        entrant = Entrant(name, fetcher=True)
        found.append(Question(f"growth-{name}", title, "MiB").ask(lab, [entrant], growth))
    return found


def sha256() -> dict[str, Any]:
    """The CPU that Go's crypto/sha256 takes for 10 MiB."""
    question = Question("sha256", "SHA-256 of 10 MiB by Go's crypto/sha256", "ms")
    done = subprocess.run(
        [KIT, "sha256", str(10 * _MIB)], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    question.findings.append(Finding("kit", float(done.stdout) * 1e3))
    return asdict(question)


def calls(lab: Lab, running: Running) -> float:
    """How often the validator ran; it takes long enough that all clients wait for it."""
    case = Case("calls", connections=COLD_CLIENTS)
    request = request_for(case, lab, running, f"{NEW_KEYS}{secrets.token_hex(4)}")
    lab.generators.wrk(f"http://127.0.0.1:{running.http}", request, COLD_CLIENTS, 2)
    assert running.child is not None
    return running.child.output().count("asked")


def idle(lab: Lab, running: Running) -> float:
    """KiB of each of many connections that had one request and stay open."""
    case = Case("idle")
    send(case, lab, running, warm_up=True)
    request = request_for(case, lab, running)
    lines = [f"GET {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
    wire = "\r\n".join([*lines, "", ""]).encode()
    before = processes.memory(running.pids, "VmRSS")
    with ExitStack() as stack:
        for _ in range(IDLE):
            one = socket.create_connection(("127.0.0.1", running.http), timeout=20)
            stack.enter_context(one)
            one.sendall(wire)
            _read_answer(one, case.size)
        after = processes.memory(running.pids, "VmRSS")
    return (after - before) / IDLE / _KIB


def _read_answer(connection: socket.socket, size: int) -> None:
    answer = b""
    while len(answer.partition(b"\r\n\r\n")[2]) < size:
        block = connection.recv(64 << 10)
        if not block:
            raise LoadError("the connection ended early")
        answer += block
    if not answer.startswith(b"HTTP/1.1 200"):
        raise LoadError(answer[9:12].decode(errors="replace"))


def large_bodies(lab: Lab, running: Running) -> float:
    """MiB that the peak grows when bodies of 1 GiB follow bodies of 10 MiB."""
    peaks = []
    for size in (10 * _MIB, _GIB):
        get = Case("get", size=size, connections=1)
        for case in (get, replace(get, method="PUT", bucket=SINK)):
            send(case, lab, running, warm_up=True)
        peaks.append(processes.memory(running.pids))
    return (peaks[1] - peaks[0]) / _MIB


def growth(lab: Lab, running: Running) -> float:
    """MiB that many requests leave behind, after as many as fill whatever has a bound."""
    _distinct(lab, running, _BEFORE)
    before = processes.memory(running.pids, "VmRSS")
    _distinct(lab, running, REQUESTS[running.entrant.name])
    return (processes.memory(running.pids, "VmRSS") - before) / _MIB


def _distinct(lab: Lab, running: Running, count: int) -> None:
    host, tag = f"127.0.0.1:{running.http}", secrets.token_hex(4)
    # Some are on their way when the list ends.
    names = (f"{tag}-{number}" for number in range(count + 1000))
    signatures = lab.folder / "signatures"
    with signatures.open("w") as file:
        request = many(host, f"/{FILES}/{ANY}/", lab.stores.keys.secret, names, file)
    seen = lab.generators.wrk(
        f"http://{host}", request, 32, _SIGNED_FOR, f"{NEW_KEYS}{tag}", signatures
    )
    if seen.requests < count:
        raise LoadError(f"only {seen.requests:,} requests in {_SIGNED_FOR} s")
