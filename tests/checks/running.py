"""Runs checks: all of them, also when one fails, and as many at a time as there are processors."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"  # where build.sh installs what the checks run

# It returns what is worth telling, and raises CheckFailedError.
Check = Callable[[], str | None]


class CheckFailedError(Exception):
    """A check found something; the text says what."""


def command(*args: str | Path, env: Mapping[str, str] | None = None, folder: str = ".") -> str:
    """Runs a command in a folder of the checkout; returns all that it wrote."""
    done = subprocess.run(
        [str(a) for a in args],
        cwd=ROOT / folder,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise CheckFailedError(done.stdout.strip() or f"{args[0]} ended with {done.returncode}")
    return done.stdout


def run(checks: Mapping[str, Check]) -> int:
    """Runs them all; returns how many failed."""
    begun, failed = time.monotonic(), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(check): name for name, check in checks.items()}
        for done in as_completed(running):
            print(f"-- {running[done]}", flush=True)
            try:
                if note := done.result():
                    print(f"   {note}", flush=True)
            except CheckFailedError as problem:
                failed += 1
                print(f"   FAILED: {problem}", flush=True)
    passed, seconds = len(checks) - failed, time.monotonic() - begun
    print(f"{passed} of {len(checks)} checks passed in {seconds:.0f} s")
    return failed
