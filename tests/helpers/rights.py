"""Rights that come and go, and what is known of them at each moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

now = time.monotonic_ns


@dataclass
class Period:
    """From a grant to its end. Each of the two takes time: within it nobody can tell."""

    granting: int
    granted: int | None = None
    ending: int | None = None
    ended: int | None = None


class Right:
    """What somebody may do, or with which key. One thread changes it, any may look."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._periods: list[Period] = []

    def grant(self, change: Callable[[], object] = lambda: None) -> None:
        """Makes a change that is complete when it returns."""
        self._periods.append(period := Period(now()))
        change()
        period.granted = now()

    def end(self, change: Callable[[], object]) -> None:
        """Makes a change after whose return nobody who comes has the right."""
        period = self._periods[-1]
        period.ending = now()
        change()
        period.ended = now()

    def may_have_held(self, begun: int, ended: int) -> bool:
        """Whether it held at any moment between the two, as far as anybody can tell."""
        return any(
            p.granting <= ended and (p.ended is None or p.ended >= begun) for p in self._periods
        )

    def held_throughout(self, begun: int, ended: int) -> bool:
        """Whether it held at each moment between the two, for certain."""
        return any(
            p.granted is not None and p.granted <= begun and (p.ending is None or p.ending >= ended)
            for p in self._periods
        )


class Stamped(list[str]):
    """A list that knows when each item came."""

    def __init__(self) -> None:
        super().__init__()
        self.when: dict[str, int] = {}

    def append(self, item: str) -> None:
        self.when[item] = now()
        super().append(item)


class Pace:
    """Lets changes wait until so many more requests have been served."""

    def __init__(self) -> None:
        self._served = 0
        self._changed = threading.Condition()

    def step(self) -> None:
        with self._changed:
            self._served += 1
            self._changed.notify_all()

    def wait(self, more: int, seconds: float = 30) -> None:
        with self._changed:
            aim = self._served + more
            if not self._changed.wait_for(lambda: self._served >= aim, seconds):
                raise TimeoutError("nothing is served any more")
