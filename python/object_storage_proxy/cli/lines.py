"""Where in a TOML file something stands, and how its place is called."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Part", "dotted", "line_of", "parts"]

Part = str | int  # a key of a table, or an index of an array

_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\."((?:[^"\\]|\\.)*)"|\.?([\w-]+)')
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def parts(path: str) -> list[Part]:
    """The steps of a path as a ConfigError spells it: cos_map["photos"].port."""
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
    """A path as TOML spells keys, with an index for each array: cos_map.photos.port."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            text += f".{name}" if text else name
    return text


def line_of(text: str, steps: Sequence[Part]) -> int | None:
    """The line, from 1, on which a value begins; None when it is not in the file.

    The file's first lines that are TOML by themselves and hold the value tell it,
    whatever way of writing tables and keys the file has. For a value that is missing
    it is the line of the innermost table around it.
    """
    lines = text.splitlines(keepends=True)
    complete = 0  # lines of the last beginning that is TOML
    best: int | None = None
    found = 0
    for count in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value
        if (depth := _depth(document, steps)) > found:
            found, best = depth, complete + 1
        complete = count
        if found == len(steps):
            break
    return best


def _depth(document: Any, steps: Sequence[Any]) -> int:
    """How many steps of a path exist."""
    for depth, step in enumerate(steps):
        if not isinstance(document, list if isinstance(step, int) else dict):
            return depth
        try:
            document = document[step]
        except LookupError:
            return depth
    return len(steps)
