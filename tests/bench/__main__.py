"""The command: `./build.sh bench [quick]`."""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from helpers import certificates as pki

from bench import footprint, machine, measure, report, stores
from bench.cases import CASES, Case
from bench.load import Generators
from bench.measure import Effort, Lab
from bench.results import Results
from bench.targets import Verdict, targets

BUILD = Path(__file__).resolve().parents[2] / ".build" / "bench"
QUICK = Effort(rounds=2, seconds=1, volume=320 << 20, limit=2.5 * 60)
FULL = Effort(rounds=3, seconds=2, volume=1280 << 20, limit=24 * 60)
_MISSED = {
    Verdict.MISSED: "missed by more than noise",
    Verdict.NO_FIGURE: "there is no figure",
}


class Progress:
    """One line for each step, with the time since the start."""

    def __init__(self) -> None:
        self.began, self.prefix = time.monotonic(), ""

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def __call__(self, what: str) -> None:
        minutes, seconds = divmod(int(self.seconds()), 60)
        print(f"{minutes:2}:{seconds:02} {self.prefix}{what}", flush=True)


def measured(cases: list[Case], effort: Effort, quick: bool, whole: bool) -> dict[str, Any]:
    """Measures all that is asked for."""
    progress = Progress()
    facts = machine.facts()
    results: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=BUILD)))
        (folder / "load").mkdir()
        running_stores = stack.enter_context(stores.start(folder))
        generators = Generators(folder / "load")
        lab = Lab(running_stores, pki.make(folder / "pki"), generators, folder, effort)
        for number, case in enumerate(cases, 1):
            progress.prefix = f"[{number}/{len(cases)}] {case.title}: "
            if progress.seconds() < effort.limit:
                results.append(measure.run_case(case, lab, progress))
            else:
                results.append(measure.left_out(case, "no time was left"))
            print(report.brief(results[-1]), flush=True)
        progress.prefix = "memory: "
        found = footprint.all_of(lab, quick, progress) if whole else []
    progress.prefix = ""
    progress("measured")
    return {"machine": facts, "quick": quick, "cases": results, "footprint": found}


def _ids(text: str) -> list[str]:
    ids = text.split(",")
    if unknown := set(ids) - {case.id for case in CASES}:
        raise argparse.ArgumentTypeError(f"no such case: {', '.join(sorted(unknown))}")
    return ids


def main() -> int:
    parser = argparse.ArgumentParser(prog="./build.sh bench", description=__doc__)
    parser.add_argument("quick", nargs="?", choices=["quick"], help="less than three minutes")
    parser.add_argument("--only", type=_ids, help="these cases alone, by id, separated by commas")
    parser.add_argument("--render", action="store_true", help="write the report again")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    BUILD.mkdir(parents=True, exist_ok=True)
    partial = options.quick or options.only
    file = BUILD / ("quick.json" if partial else "results.json")
    if not options.render:
        if options.only:
            cases = [c for c in CASES if c.id in options.only]
        else:
            cases = [c for c in CASES if c.quick or not options.quick]
        effort = QUICK if options.quick else FULL
        result = measured(cases, effort, bool(options.quick), not options.only)
        file.write_text(json.dumps(result, indent=1) + "\n")
    result = json.loads(file.read_text())
    results = Results(result)
    print(report.targets_table(results))
    if partial:
        print(f"\nAll figures: {file.relative_to(BUILD.parents[1])}")
    else:
        report.write(result)
    return judge(results)


def judge(results: Results) -> int:
    """Says which targets are missed; returns the status with which the command ends."""
    missed = [target for target in targets(results) if not target.holds]
    for target in missed:
        print(f"{target.text}: {_MISSED[target.verdict]}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
