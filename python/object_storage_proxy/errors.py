"""The exceptions of this package."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ConfigError", "SharedStateError"]


class ConfigError(ValueError):
    """A configuration that can't be used.

    Attributes:
        mistakes: everything that is wrong, as ``(path, message)``. The path is
            written as in Python, such as ``cos_map["photos"].port``; it is ``""``
            for the configuration as a whole. No message quotes a value, because
            any value may be a secret.
    """

    mistakes: list[tuple[str, str]]

    def __init__(self, mistakes: Iterable[tuple[str, str]]) -> None:
        self.mistakes = list(mistakes)
        lines = [f"{path}: {message}" if path else message for path, message in self.mistakes]
        if len(lines) == 1:
            text = lines[0]
        else:
            text = "\n  ".join([f"{len(lines)} mistakes in the configuration:", *lines])
        super().__init__(text)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[tuple[str, str]]]]:
        return ConfigError, (self.mistakes,)


class SharedStateError(ConnectionError):
    """The shared state of the fleet can't be reached, or makes no sense."""
