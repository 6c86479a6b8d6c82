"""Load from real generators, bounded in time or in count: wrk, vegeta and h2load."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.children import clean_environment

from bench.signing import Request
from bench.stores import KIT

CIPHER = "TLS_AES_128_GCM_SHA256"
_SCRIPT = Path(__file__).with_name("wrk.lua")
_SPARE = 30  # seconds that a generator may take beyond its time


class LoadError(Exception):
    """The load did not run as it should; the text is what the table says."""


@dataclass(frozen=True)
class Load:
    """What a generator saw. Latencies are in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float


class Generators:
    """Runs wrk, vegeta and h2load; their files lie in the folder."""

    def __init__(self, folder: Path) -> None:
        self._request, self._body = folder / "request", folder / "body"
        self._log, openssl = folder / "h2load.log", folder / "openssl.cnf"
        # So every generator asks every contestant for the same cipher.
        openssl.write_text(
            "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n"
            f"[default]\nMinProtocol = TLSv1.3\nCiphersuites = {CIPHER}\n"
        )
        self._env = {"OPENSSL_CONF": str(openssl)}

    def wrk(
        self,
        url: str,
        request: Request,
        connections: int,
        seconds: float,
        keys: str = "",
        signatures: Path | None = None,
    ) -> Load:
        """HTTP/1.1 for about that many seconds.

        With keys each request has a new access key that starts so; with
        signatures it has what the file says, until that is used up (see wrk.lua).
        """
        self._write(request)
        env = {**self._env, "BENCH_REQUEST": str(self._request)}
        if keys:
            env["BENCH_KEYS"] = keys
        if signatures:
            env["BENCH_SIGNATURES"] = str(signatures)
        threads = 1 if signatures else min(2, connections)
        args = ["wrk", f"-t{threads}", f"-c{connections}"]
        args += [f"-d{max(1, round(seconds))}s", "--timeout", "20s", "-s", str(_SCRIPT), url]
        return parse_wrk(_run(args, seconds, env))

    def vegeta(
        self, url: str, request: Request, connections: int, seconds: float, pace: int
    ) -> Load:
        """HTTP/1.1 at that many requests per second, as far as the connections allow."""
        self._write(request)
        numbers = [str(pace), str(connections), str(max(1, round(seconds)))]
        return parse_wrk(_run([str(KIT), "attack", url, str(self._request), *numbers], seconds, {}))

    def _write(self, request: Request) -> None:
        lines = [f"{request.method} {request.path}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        self._request.write_bytes("\n".join([*lines, "", ""]).encode() + request.body)

    def h2load(
        self,
        url: str,
        request: Request,
        connections: int,
        *,
        http2: bool,
        streams: int = 1,
        count: int | None = None,
        seconds: float = 60,
    ) -> Load:
        """That many requests, or as many as go into the seconds.

        With a count the seconds are the most that it may take.
        """
        self._log.unlink(missing_ok=True)
        args = ["h2load", f"-c{connections}", f"-m{streams}", f"--log-file={self._log}"]
        args += [f"-n{count}"] if count else ["-D", f"{round(seconds * 1000)}ms"]
        args += [f"--tls13-ciphers={CIPHER}", *([] if http2 else ["--h1"])]
        for name, value in request.headers.items():
            if name != "host":
                args += ["-H", f"{name}: {value}"]
        if request.body:
            self._body.write_bytes(request.body)
            args += ["-d", str(self._body), "-H", f":method: {request.method}"]
        output = _run([*args, url + request.path], seconds, self._env)
        return parse_h2load(output, self._log.read_text())


def parse_wrk(output: str) -> Load:
    """Reads what wrk.lua, or the kit's attack, printed at the end.

    Raises LoadError when connections broke or an answer was not 2xx.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise LoadError("the generator said nothing")
    seen = json.loads(lines[-1])
    if seen["refused"] or seen["broken"]:
        total = seen["requests"]
        raise LoadError(f"{seen['refused']} of {total} not 2xx, {seen['broken']} broken")
    if not seen["requests"]:
        raise LoadError("not one request was answered")
    seconds = seen["microseconds"] / 1e6
    return Load(seen["requests"], seconds, seen["p50"], seen["p99"], seen["p999"])


def parse_h2load(output: str, log: str) -> Load:
    """Reads h2load's summary, and its log: start, status, microseconds in each line.

    Raises LoadError when a request failed or an answer was not 2xx.
    """
    finished = re.search(r"^finished in ([\d.]+)(us|ms|s|m),", output, re.MULTILINE)
    counts = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
    if not finished or not counts:
        raise LoadError("h2load said nothing")
    rows = [line.split("\t") for line in log.splitlines()]
    if refused := {status for _, status, *_ in rows if not status.startswith("2")}:
        raise LoadError(", ".join(sorted(refused)))
    if any(map(int, counts.groups())):
        raise LoadError(counts[0])
    times = sorted(int(row[2]) for row in rows)
    if not times:
        raise LoadError("not one request was answered")
    seconds = float(finished[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[finished[2]]
    return Load(len(times), seconds, *(percentile(times, p) for p in (50, 99, 99.9)))


def percentile(ascending: Sequence[float], p: float) -> float:
    """The smallest value that p percent of the values do not exceed."""
    return ascending[max(0, math.ceil(len(ascending) * p / 100) - 1)]


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
