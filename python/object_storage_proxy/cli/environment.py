"""References to the environment in the strings of a configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dotenv import dotenv_values

from .. import _dotenv, _files
from ..errors import ConfigError
from .lines import Part
from .problems import MistakesError

__all__ = ["DotEnv", "Report", "escaped", "substituted"]

Report = Callable[[list[Part], str], None]  # takes the place of a mistake, and what it is

_REFERENCE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = "file:"


class DotEnv:
    """The file `.env` in the working directory, which can be loaded again and again.

    Variables that the process was started with are kept, as with `start_server`; those
    from an earlier load are replaced by a later one.
    """

    def __init__(self) -> None:
        self._own = frozenset(os.environ)
        self._brought: Mapping[str, str] = {}

    def load(self) -> None:
        """Puts what the file says now into the environment. Raises MistakesError."""
        with self.tried():
            pass

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Loads it, and undoes that if the with statement fails."""
        before = self._brought
        try:
            self._put(self._values())
            yield
        except BaseException:
            self._put(before)
            raise

    def _values(self) -> Mapping[str, str]:
        try:
            found = dotenv_values(stream=_dotenv.text())
        except ConfigError as error:
            raise MistakesError(str(error)) from error
        return {n: v for n, v in found.items() if v is not None and n not in self._own}

    def _put(self, values: Mapping[str, str]) -> None:
        for name in set(self._brought) - set(values):
            os.environ.pop(name, None)
        self._brought = values
        try:
            os.environ.update(values)
        except ValueError as error:
            raise MistakesError(str(_dotenv.unfit())) from error


def substituted(value: Any, path: list[Part], report: Report) -> Any:
    """The value with every `${...}` in its strings replaced.

    `${NAME}` is an environment variable, `${NAME:-text}` has a default for one
    that is missing or empty, `${file:PATH}` is the text of a file without trailing
    line ends; `$${` stands for `${` itself. What can't be replaced is reported.
    """
    if isinstance(value, dict):
        return {key: substituted(item, [*path, key], report) for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item, [*path, i], report) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        escaped, reference = match.groups()
        if escaped:
            return match[0][1:]
        try:
            return _look_up(reference)
        except ValueError as error:
            report(path, str(error))
            return ""

    return _REFERENCE.sub(replace, value)


def escaped(text: str) -> str:
    """Text that `substituted` turns into this one."""
    return _REFERENCE.sub(lambda match: f"${match[0]}", text)


def _look_up(reference: str) -> str:
    if reference.startswith(_FILE):
        return _read(reference.removeprefix(_FILE))
    name, default_follows, default = reference.partition(":-")
    if not _NAME.fullmatch(name):
        raise ValueError(
            "has a ${...} that names no environment variable; write $${ for a plain ${"
        )
    value = os.environ.get(name)
    if default_follows:
        return value or default
    if value is None:
        raise ValueError(f"needs the environment variable {name}, which is not set")
    return value


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", opener=_files.regular) as file:
            return file.read().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"needs the file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"needs the file {path}: it is not UTF-8") from error
    except ValueError as error:  # a zero byte
        raise ValueError("needs a file whose name is impossible") from error
