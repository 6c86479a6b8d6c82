"""Reads TOML, finds the line of each value, and writes the paths of values as TOML does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Part", "dotted", "line_of", "parse", "parts", "places"]

Part = str | int  # a key of a table, or an index of an array

_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\."((?:[^"\\]|\\.)*)"|\.?([\w-]+)')
_BARE = re.compile(r"[A-Za-z0-9_-]+")

# What decides where a TOML statement ends: strings and comments, in which nothing else
# counts, brackets, and line ends.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|\#[^\n]*|[\[\]{}]|\n",
    re.DOTALL,
)


# A key of so many parts that a parser, which visits all tables on the way to each
# of them, takes very long. It is refused in a string, too: no DNS name has so many parts.
_LONG_KEY = re.compile(
    r"""(?<![\w.-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){200}""", re.ASCII
)


def parse(text: str) -> dict[str, Any]:
    """Reads TOML. Raises ValueError with a text that follows on from a file's name."""
    if _LONG_KEY.search(text):
        raise ValueError("is nested too deeply")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {error}") from error
    except ValueError as error:  # Python's limit for turning digits into a number
        raise ValueError("has a number with too many digits") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def parts(path: str) -> list[Part]:
    """The steps of a path as a ConfigError writes it: cos_map["photos"].port."""
    steps: list[Part] = []
    for quoted, index, member, name in _STEP.findall(path):
        if index:
            steps.append(int(index))
        else:
            steps.append(name or _unquoted(quoted or member))
    return steps


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:  # an escape that JSON does not know
        return text


def dotted(steps: Sequence[Part]) -> str:
    """A path as TOML writes keys, with an index for each array: cos_map.photos.port."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            text += f".{name}" if text else name
    return text


def places(text: str) -> dict[tuple[Part, ...], int]:
    """The lines, counted from 1, on which the values of a file begin, by their paths.

    `text` is TOML. A table begins where it is first named.
    """
    found: dict[tuple[Part, ...], int] = {}
    lengths: dict[tuple[Part, ...], int] = {}  # of arrays of tables
    table: tuple[Part, ...] = ()
    for line, statement in _statements(text):
        document = tomllib.loads(statement)
        if not statement.lstrip().startswith("["):
            _note(document, table, line, found)
            continue
        table = ()
        value: Any = document  # the names in the header, each nested in the one before
        while value:
            if isinstance(value, list):  # the last name of [[...]]
                lengths[table] = lengths.get(table, 0) + 1
                break
            ((name, value),) = value.items()
            if table in lengths:
                table = (*table, lengths[table] - 1)
            table = (*table, name)
            found.setdefault(table, line)
        if table in lengths:
            table = (*table, lengths[table] - 1)
            found.setdefault(table, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header, and each key with its value, and the line on which it begins."""
    depth, begin, line = 0, 0, 1
    ends = 0  # lines that have ended
    for token in _TOKEN.finditer(text):
        ends += token[0].count("\n")
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        elif token[0] == "\n" and depth == 0:
            if statement := text[begin : token.start()].strip():
                yield line, statement
            begin, line = token.end(), ends + 1
    if statement := text[begin:].strip():
        yield line, statement


def _note(
    value: Any, path: tuple[Part, ...], line: int, found: dict[tuple[Part, ...], int]
) -> None:
    """Records the line of everything in a value, which comes from one statement."""
    waiting: list[tuple[tuple[Part, ...], Any]] = [(path, value)]
    while waiting:
        path, value = waiting.pop()
        if path:
            found.setdefault(path, line)
        if isinstance(value, dict):
            waiting += [((*path, name), item) for name, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]


def line_of(places: Mapping[tuple[Part, ...], int], steps: Sequence[Part]) -> int | None:
    """The line of a value; for a missing one, the line of the innermost table around it.

    None if nothing of its path is in the file.
    """
    for depth in range(len(steps), 0, -1):
        line = places.get(tuple(steps[:depth]))
        if line is not None:
            return line
    return None
