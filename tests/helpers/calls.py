"""Callbacks that remember what they were asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Calls:
    """A callback that answers by a rule and remembers what it was asked."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule
        self.args: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()

    def note(self, *args: Any) -> Any:
        with self._lock:
            self.args.append(args)
        return self.rule(*args)

    def of_one(self) -> Callable[[Any], Any]:
        return lambda a: self.note(a)

    def of_two(self) -> Callable[[Any, Any], Any]:
        return lambda a, b: self.note(a, b)

    def of_three(self) -> Callable[[Any, Any, Any], Any]:
        return lambda a, b, c: self.note(a, b, c)
