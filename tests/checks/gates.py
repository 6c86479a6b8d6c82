"""Gates: what has to be true before anything goes out, of the wheels and of what is in them."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from checks import wheels
from checks.running import BUILD, ROOT, Check, CheckFailedError, command


def govulncheck() -> str | None:
    """Known vulnerabilities in what the library reaches.

    The database is on the network. A build that can't reach it says so and
    goes on: the machine that lacks it can't do anything about that.
    """
    try:
        command(BUILD / "tools" / "govulncheck", "./go/...")
    except CheckFailedError as failed:
        if "fetching vulnerabilities" not in str(failed):
            raise
        return "skipped: the vulnerability database can't be reached from here"
    return None


def go_mod_verify() -> None:
    """What is in the module cache is what go.sum names."""
    command("go", "mod", "verify")


def pip_audit() -> str | None:
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
        return "skipped: the advisories can't be reached from here"
    return None


def on_wheels(gate: Callable[[Path], str | None]) -> str | None:
    """Runs a gate on each wheel for Linux that is to be released."""
    found = sorted(ROOT.glob("dist/manylinux*/*.whl"))
    if not found:
        raise CheckFailedError("there is no wheel in dist/manylinux*")
    notes, failed = [], []
    for wheel in found:
        try:
            if note := gate(wheel):
                notes.append(f"{wheel.name}: {note}")
        except wheels.GateError as error:
            failed.append(f"{wheel.name}: {error}")
    if failed:
        raise CheckFailedError("\n".join(failed))
    return "\n   ".join(notes) or None


CHECKS: dict[str, Check] = {
    "govulncheck": govulncheck,
    "pip-audit": pip_audit,
    "go mod verify": go_mod_verify,
    **{f"wheels: {name}": partial(on_wheels, gate) for name, gate in wheels.GATES.items()},
}
