"""Medians and ratios of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.measure import Cell


class Results:
    """A measured run: the content of the JSON file."""

    def __init__(self, run: Mapping[str, Any]) -> None:
        self.machine: dict[str, str] = run["machine"]
        self.quick: bool = run["quick"]
        self.titles = {case["id"]: case["title"] for case in run["cases"]}
        self.cells = {
            case["id"]: {cell["entrant"]: Cell(**cell) for cell in case["cells"]}
            for case in run["cases"]
        }
        self.questions: list[dict[str, Any]] = run["footprint"]

    def cell(self, case: str, entrant: str) -> Cell | None:
        """What was measured, or None when it was not, or failed."""
        cell = self.cells.get(case, {}).get(entrant)
        return None if cell is None or cell.failed else cell

    def median(self, case: str, entrant: str, metric: str) -> float | None:
        cell = self.cell(case, entrant)
        values: Sequence[float] = getattr(cell, metric) if cell else []
        return statistics.median(values) if values else None

    def ratio(self, case: str, metric: str, one: str, other: str) -> float | None:
        """The median over the rounds of one entrant's value by the other's."""
        a, b = self.cell(case, one), self.cell(case, other)
        if a is None or b is None:
            return None
        pairs = list(zip(getattr(a, metric), getattr(b, metric), strict=False))
        return statistics.median(x / y for x, y in pairs) if pairs else None

    def finding(self, question: str, entrant: str) -> float | None:
        for asked in self.questions:
            if asked["id"] == question:
                for finding in asked["findings"]:
                    if finding["entrant"] == entrant:
                        value: float | None = finding["value"]
                        return value
        return None
