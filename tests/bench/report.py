"""The tables of docs/performance.md, made of a run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import picture
from bench.contestants import NGINX, ORIGINAL, OURS
from bench.measure import Cell
from bench.results import Results
from bench.targets import targets

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BEGIN, _END = "<!-- bench: begin -->\n", "<!-- bench: end -->"
_NOTHING = "-"
_FEW = {"p99": 100, "p999": 1000}  # requests in a round, below which it would be the maximum


def brief(case: Mapping[str, Any]) -> str:
    """A case in some lines, to read while it runs."""
    lines = []
    for each in case["cells"]:
        cell = Cell(**each)
        lines.append(f"      {cell.entrant:26} {'  '.join(_figures(cell))}")
    return "\n".join(lines)


def write(run: Mapping[str, Any]) -> None:
    """Brings docs/performance.md and its picture up to date."""
    results = Results(run)
    (DOCS / "performance.svg").write_text(picture.draw(results), encoding="utf-8")
    file = DOCS / "performance.md"
    file.write_text(replaced(file.read_text(encoding="utf-8"), render(results)), encoding="utf-8")


def replaced(document: str, generated: str) -> str:
    """The document with the part between the markers exchanged.

    Raises ValueError when a marker is missing.
    """
    before, begin, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the document lacks the markers of the benchmark")
    return before + begin + generated + end + after


def render(results: Results) -> str:
    parts = [
        _machine(results.machine),
        "![requests per second and CPU, side by side](performance.svg)",
        "### Targets",
        "Noise is half the 95 % interval of the figure, from the same build against itself in the"
        " same rounds. What is missed by less than that is not judged.",
        targets_table(results),
        "### Ratios",
        "Medians of the ratios of each round. Of requests/s more is better, of CPU and p99 less.",
        ratios_table(results),
        "### Memory and calls",
        questions_table(results),
        "### All figures",
        "Medians, and in brackets the least and the most of the rounds. A p99 or p99.9 of too few"
        " requests is left out.",
        figures_table(results),
    ]
    return "\n\n".join(parts) + "\n\n"


def _machine(facts: Mapping[str, str]) -> str:
    return "Taken with: " + ", ".join(f"{name} {value}" for name, value in facts.items()) + "."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def targets_table(results: Results) -> str:
    rows = []
    for target in targets(results):
        limit = f"at {'most' if target.at_most else 'least'} {target.limit:g}{target.unit}"
        figures = [_NOTHING, _NOTHING]
        if target.figure:
            figures[0] = number(target.figure.value) + target.unit
        if target.figure and target.figure.noise:
            figures[1] = f"± {number(target.figure.noise)}{target.unit}"
        rows.append([target.text, limit, *figures, target.verdict.value])
    return _table(["what", "target", "measured", "noise", "met"], rows)


def ratios_table(results: Results) -> str:
    head = ["case"]
    head += [f"{what} / {other}" for other in (ORIGINAL, NGINX) for what in ("req/s", "CPU", "p99")]
    rows = []
    for case, title in results.titles.items():
        if results.cells[case].keys() >= {OURS, ORIGINAL}:
            rows.append([title, *_ratios(results, case, ORIGINAL), *_ratios(results, case, NGINX)])
    return _table(head, rows)


def _ratios(results: Results, case: str, other: str) -> list[str]:
    cell = results.cells[case].get(other)
    if cell is not None and cell.failed:
        return [f"fails: {cell.failed}", "", ""]
    ratios = [results.ratio(case, metric, OURS, other) for metric in ("rate", "cpu", "p99")]
    if cell is not None and min(cell.requests, default=0) < _FEW["p99"]:
        ratios[2] = None
    return [_NOTHING if ratio is None else number(ratio) for ratio in ratios]


def questions_table(results: Results) -> str:
    rows = []
    for question in results.questions:
        for finding in question["findings"]:
            value = finding["value"]
            said = finding["failed"] or "nothing"
            shown = f"fails: {said}" if value is None else f"{number(value)} {question['unit']}"
            rows.append([question["title"], finding["entrant"], shown])
    return _table(["what", "who", "measured"], rows)


def figures_table(results: Results) -> str:
    head = ["case", "who", "req/s", "p50 ms", "p99 ms", "p99.9 ms"]
    head += ["CPU µs/request", "CPU s/GiB", "peak MiB"]
    rows = []
    for case, cells in results.cells.items():
        for place, cell in enumerate(cells.values()):
            title = "" if place else results.titles[case]
            figures = [f"fails: {cell.failed}", *[""] * 6] if cell.failed else _columns(cell)
            rows.append([title, cell.entrant, *figures])
    return _table(head, rows)


def _columns(cell: Cell) -> list[str]:
    milliseconds = {
        metric: [value / 1000 for value in getattr(cell, metric)]
        for metric in ("p50", "p99", "p999")
    }
    for metric, few in _FEW.items():
        if min(cell.requests, default=0) < few:
            milliseconds[metric] = []
    columns = [cell.rate, *milliseconds.values(), cell.cpu, cell.cpu_gib]
    memory = number(cell.memory / (1 << 20)) if cell.memory else _NOTHING
    return [*map(spread, columns), memory]


def _figures(cell: Cell) -> list[str]:
    if cell.failed:
        return [f"fails: {cell.failed}"]
    units = ["/s", "ms p50", "ms p99", "ms p99.9", "us CPU", "s/GiB", "MiB"]
    columns = zip(_columns(cell), units, strict=True)
    return [f"{value} {unit}" for value, unit in columns if value != _NOTHING]


def spread(values: Sequence[float]) -> str:
    """The median, and between which values it lies."""
    if not values:
        return _NOTHING
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    """Three digits that count, none of them lost before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
