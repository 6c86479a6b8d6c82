"""Child processes with a log file, ended by their own pid."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers.wait import accepts, until

# Of the environment, only what a program needs to run at all: the developer's
# AWS_* and proxy variables must not change what a test sees.
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH")


def clean_environment(**extra: str) -> dict[str, str]:
    return {**{k: os.environ[k] for k in _KEPT if k in os.environ}, **extra}


class Child:
    """A program that runs beside the tests; a context manager that ends it."""

    def __init__(
        self,
        args: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [str(a) for a in args],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=clean_environment(**(env or {})),
                cwd=cwd,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def listening(self, port: int, seconds: float = 30) -> None:
        """Waits until the port answers, or fails with the end of the log."""

        def look() -> bool:
            if not self.alive():
                raise RuntimeError(
                    f"ended with {self.process.returncode}:\n{self.output()[-4000:]}"
                )
            return accepts(port)

        until(look, f"port {port} of {self.process.args!r}", seconds)

    def stop(self, seconds: float = 20) -> int:
        """Asks the program to end, insists after a while, returns its status."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
