"""The command line as users run it: the installed program, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helpers.children import clean_environment

PROGRAM = Path(sys.executable).parent / "object-storage-proxy"
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def runner(folder: Path) -> Run:
    """Runs the program in a folder: run("keygen", "alice", NAME="of the environment")."""

    def run(*args: str | Path, text: str = "", **env: str) -> Done:
        return subprocess.run(
            [PROGRAM, *args],
            cwd=folder,
            env=clean_environment(**env),
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def mistaken(done: Done) -> list[str]:
    """The lines of a command that refused its input, each without the program's name."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    prefix = "object-storage-proxy: "
    lines = done.stderr.splitlines()
    assert lines, done.stdout
    assert all(line.startswith(prefix) for line in lines), done.stderr
    return [line.removeprefix(prefix) for line in lines]


def write_toml(path: Path, values: Mapping[str, Any]) -> Path:
    """Writes parameters as TOML; cos_map and the like become inline tables."""
    path.write_text("".join(f"{k} = {_toml(v)}\n" for k, v in values.items()), encoding="utf-8")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{k}" = {_toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)
