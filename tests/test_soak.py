"""The soak that is run by hand for minutes runs for seconds here, so that it works when wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_soak_of_some_seconds_finds_nothing() -> None:
    script = Path(__file__).parent / "soak.py"
    args = [sys.executable, str(script), "--minutes", "0.2", "--seed", "7"]
    done = subprocess.run(args, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout
    assert "faults met: 0" not in done.stdout
