"""Load from real generators, bounded in time or in count: wrk and h2load."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.signing import Request
from helpers.children import clean_environment

_SCRIPT = Path(__file__).with_name("wrk.lua")
_SPARE = 20  # seconds that a generator may take beyond its time
CIPHER = "TLS_AES_128_GCM_SHA256"


class LoadError(Exception):
    """The load did not run as it should; the text is what the table says."""


@dataclass(frozen=True)
class Load:
    """What a generator saw. Times in seconds, latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def openssl_conf(folder: Path) -> Path:
    """A configuration that has every generator ask for the same cipher."""
    file = folder / "openssl.cnf"
    file.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n"
        f"[default]\nMinProtocol = TLSv1.3\nCiphersuites = {CIPHER}\n"
    )
    return file


def write_request(request: Request, file: Path) -> None:
    """The request in the form that wrk.lua reads."""
    lines = [f"{request.method} {request.path}", *(f"{n}: {v}" for n, v in request.headers.items())]
    file.write_bytes("\n".join([*lines, "", ""]).encode() + request.body)


def wrk(
    url: str, request: Path, connections: int, seconds: float, folder: Path, keys: str = ""
) -> Load:
    """wrk for about that many seconds; with keys, each request has a new access key."""
    threads = min(2, connections)
    args = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    env = {"BENCH_REQUEST": str(request), "OPENSSL_CONF": str(openssl_conf(folder))}
    if keys:
        env["BENCH_KEYS"] = keys
    return parse_wrk(_run([*args, "--timeout", "10s", "-s", str(_SCRIPT), url], seconds, env))


def parse_wrk(output: str) -> Load:
    """Reads what wrk.lua printed at the end.

    Raises LoadError when connections broke or an answer was not 2xx.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise LoadError("wrk said nothing")
    seen = json.loads(lines[-1])
    if seen["refused"] or seen["broken"]:
        raise LoadError(f"{seen['refused']} refused, {seen['broken']} broken of {seen['requests']}")
    if not seen["requests"]:
        raise LoadError("not one request was answered")
    return Load(
        seen["requests"], seen["microseconds"] / 1e6, seen["p50"], seen["p99"], seen["p999"]
    )


def _run(args: Sequence[str], seconds: float, env: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            args,
            env=clean_environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds + _SPARE,
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"no end after {seconds + _SPARE:.0f} s") from None
    if done.returncode != 0:
        raise LoadError(f"{args[0]} ended with {done.returncode}: {done.stdout.strip()[-200:]}")
    return done.stdout
