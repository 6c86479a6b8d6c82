"""What every client here gets: an endpoint, keys and a bucket, by the environment."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

ENDPOINT = os.environ["S3_ENDPOINT"]
SCHEME, _, HOST = ENDPOINT.partition("://")
ACCESS, SECRET = os.environ["S3_ACCESS"], os.environ["S3_SECRET"]
BUCKET, REGION = os.environ["S3_BUCKET"], "us-east-1"
CA = os.environ["S3_CA"]
STYLE = os.environ.get("S3_ADDRESSING", "path")
VIRTUAL = STYLE == "virtual"
# Rust's object_store takes the endpoint of the bucket for the virtual-hosted style.
BUCKET_ENDPOINT = f"{SCHEME}://{BUCKET}.{HOST}" if VIRTUAL else ENDPOINT
BIN = Path(sys.executable).parent

# Two parts and a bit, as most clients cut it; no two blocks are alike.
LARGE = random.Random(1).randbytes(11_000_000)
SMALL = b"hello \xc3\xbc\n"
ODD_NAME = "a b/ü+&=%41.txt"
PATIENCE = 200  # seconds for one run of a program


def run(*command: str | Path, **environment: str) -> str:
    """Runs a program, shows what it said when it fails, and returns its output."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{Path(command[0]).name} has not ended after {PATIENCE} seconds")
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def local_files() -> Path:
    """A folder with a large, a small and an oddly named file."""
    folder = Path("files")
    (folder / "a b").mkdir(parents=True, exist_ok=True)
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "small.txt").write_bytes(SMALL)
    (folder / ODD_NAME).write_bytes(SMALL)
    return folder


def same(got: object, want: object, what: str) -> None:
    if got != want:
        sys.exit(f"{what}: got {repr(got)[:300]}, want {repr(want)[:300]}")


def passed(version: str) -> None:
    """The last line of a client that did all it was asked to."""
    print(f"passed {version.strip()}")
