"""Every check that is not a test, each under a name of its own.

All of them run even when one fails, so that one run shows everything; the exit
status is the number of checks that failed. Started by `./build.sh check`.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


class CheckFailedError(Exception):
    """A check found something; the text says what."""


def command(*args: str | Path, env: dict[str, str] | None = None) -> str:
    """Runs a command in the checkout; returns all that it wrote."""
    done = subprocess.run(
        [str(a) for a in args],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise CheckFailedError(done.stdout.strip() or f"{args[0]} ended with {done.returncode}")
    return done.stdout


def gofmt() -> None:
    if unformatted := command("gofmt", "-l", "go", "tests/bench").strip():
        raise CheckFailedError(f"not formatted (./build.sh fmt does it):\n{unformatted}")


def go_vet() -> None:
    command("go", "vet", "./go/...", "./tests/bench/...")


def staticcheck(tools: Path) -> None:
    command(tools / "staticcheck", "./go/...", "./tests/bench/...")


def govulncheck(tools: Path) -> None:
    """Known vulnerabilities in what the library reaches.

    The database is on the network. A build that can't reach it says so and
    goes on: the machine that lacks it can't do anything about that.
    """
    try:
        command(tools / "govulncheck", "./go/...")
    except CheckFailedError as failed:
        if "fetching vulnerabilities" not in str(failed):
            raise
        print("   skipped: the vulnerability database can't be reached from here")


def ruff() -> None:
    command(BIN / "ruff", "check", "python", "tests", "docs")
    command(BIN / "ruff", "format", "--check", "python", "tests", "docs")


def mypy() -> None:
    command(BIN / "mypy", "--strict", "python/object_storage_proxy", "python/examples")
    # Of what the benchmark imports from the tests only the types count.
    strict = ("--strict", "--follow-imports=silent", "-p", "bench")
    command(BIN / "mypy", *strict, env={"MYPYPATH": "tests"})


def shellcheck() -> None:
    command(BIN / "shellcheck", "build.sh", ".ci/run")


def generated_cffi(package: Path) -> None:
    """The committed cffi module is what include/osp.h generates today."""
    with tempfile.TemporaryDirectory() as folder:
        command(sys.executable, "python/ffi_build.py", folder)
        if not filecmp.cmp(Path(folder) / "_ffi.py", ROOT / package / "_ffi.py", shallow=False):
            raise CheckFailedError(
                "_ffi.py is not what include/osp.h generates: run python/ffi_build.py"
            )


def generated_documents() -> None:
    """What documents say about parameters and commands is what the code says."""
    command(sys.executable, "docs/site/reference.py", "--check")


def site(mkdocs: Path) -> None:
    """The documentation can be built, all its links lead somewhere, and none of its
    pages makes a browser ask another machine for a part of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        command(mkdocs, "build", "--strict", "-f", "docs/site/mkdocs.yml", "-d", folder)
        parts = re.compile(r"""<(?:script|img|iframe|link)[^>]+(?:src|href)=["']?(?:https?:)?//""")
        for page in Path(folder).rglob("*.html"):
            if found := parts.search(page.read_text(encoding="utf-8")):
                raise CheckFailedError(f"{page.name} asks another machine: {found[0]}")


def exported_symbols(library: Path) -> None:
    """The library defines what include/osp.h declares, and nothing else."""
    header = (ROOT / "include" / "osp.h").read_text()
    declared = set(re.findall(r"^\w[^;{}()]*\b(osp_\w+)\s*\(", header, re.MULTILINE))
    listing = command("nm", "-D", "--defined-only", library)
    defined = {line.split()[-1].split("@")[0] for line in listing.splitlines()}
    if missing := declared - defined:
        raise CheckFailedError(f"declared in osp.h but not exported: {sorted(missing)}")
    if extra := defined - declared:
        raise CheckFailedError(f"exported but not declared in osp.h: {sorted(extra)[:20]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="folder of the Go tools")
    parser.add_argument("--library", type=Path, required=True, help="the shared library")
    parser.add_argument("--package", type=Path, required=True, help="folder of the Python package")
    parser.add_argument("--mkdocs", type=Path, required=True, help="the mkdocs program")
    options = parser.parse_args()

    checks: dict[str, Callable[[], None]] = {
        "gofmt": gofmt,
        "go vet": go_vet,
        "staticcheck": lambda: staticcheck(options.tools),
        "govulncheck": lambda: govulncheck(options.tools),
        "ruff": ruff,
        "mypy --strict": mypy,
        "shellcheck": shellcheck,
        "generated cffi module": lambda: generated_cffi(options.package),
        "generated documents": generated_documents,
        "documentation": lambda: site(options.mkdocs),
        "exported symbols": lambda: exported_symbols(options.library),
    }
    failed = 0
    for name, run in checks.items():
        print(f"-- {name}", flush=True)
        try:
            run()
        except CheckFailedError as problem:
            failed += 1
            print(f"   FAILED: {problem}", flush=True)
    print(f"check: {len(checks) - failed} of {len(checks)} passed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
