"""`python -m checks` checks the sources, `python -m checks gates` all that goes out."""

from __future__ import annotations

import argparse
import sys

from checks import code, gates
from checks.running import run

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("which", nargs="?", choices=["code", "gates"], default="code")
sys.exit(run({"code": code.CHECKS, "gates": gates.CHECKS}[parser.parse_args().which]))
