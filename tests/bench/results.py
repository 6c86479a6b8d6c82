"""Medians, ratios and their noise, of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.contestants import AGAIN, OURS
from bench.measure import Cell
from bench.noise import Figure, of_median


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

    def has(self, name: str) -> bool:
        """Whether a case or question was part of the run, whatever became of it."""
        return name in self.cells or any(asked["id"] == name for asked in self.questions)

    def cell(self, case: str, entrant: str) -> Cell | None:
        """What was measured, or None when it was not, or failed."""
        cell = self.cells.get(case, {}).get(entrant)
        return None if cell is None or cell.failed else cell

    def values(self, case: str, entrant: str, metric: str) -> Sequence[float]:
        """A value for each round; none when it was not measured, or failed."""
        cell = self.cell(case, entrant)
        values: Sequence[float] = getattr(cell, metric) if cell else []
        return values

    def median(self, case: str, entrant: str, metric: str) -> float | None:
        values = self.values(case, entrant, metric)
        return statistics.median(values) if values else None

    def ratios(self, case: str, metric: str, one: str, other: str) -> list[float]:
        """One entrant's value by the other's, in each round."""
        pairs = zip(self.values(case, one, metric), self.values(case, other, metric), strict=False)
        return [x / y for x, y in pairs]

    def ratio(self, case: str, metric: str, one: str, other: str) -> float | None:
        """The median over the rounds of one entrant's value by the other's."""
        ratios = self.ratios(case, metric, one, other)
        return statistics.median(ratios) if ratios else None

    def judged(self, case: str, metric: str, one: str, other: str) -> Figure | None:
        """The ratio, with the noise that one's build against itself had in the case."""
        ratio = self.ratio(case, metric, one, other)
        if ratio is None:
            return None
        return Figure(ratio, ratio * self.noise(case, metric, one))

    def noise(self, case: str, metric: str, one: str) -> float:
        """Of a median of one's values, as a part of it."""
        same = self.ratios(case, metric, again(one), one)
        return of_median([ratio - 1 for ratio in same])

    def finding(self, question: str, entrant: str) -> float | None:
        for asked in self.questions:
            if asked["id"] == question:
                for finding in asked["findings"]:
                    if finding["entrant"] == entrant:
                        value: float | None = finding["value"]
                        return value
        return None


def again(entrant: str) -> str:
    """The same build's second process."""
    return entrant.replace(OURS, AGAIN, 1)
