"""A ProxyServerConfig from a TOML file, the environment and options.

Every parameter of ProxyServerConfig is a key of the file, under its own name. The class
itself says which there are and which of them take strings, so none is listed here.
"""

from __future__ import annotations

import asyncio
import datetime
import difflib
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from .. import _files
from .._document import NOT_DATA
from ..config import CosMapItem, ProxyServerConfig
from ..errors import ConfigError
from ..server import ProxyServer
from . import callbacks
from .environment import substituted
from .lines import Part, dotted, line_of, parse, parts, places
from .problems import CommandError, MistakesError

__all__ = ["PARAMETERS", "Settings", "find", "read"]

DEFAULT_FILE = "proxy.toml"
PREFIX = "OSP_"
CONFIG_VARIABLE = "OSP_CONFIG"

PARAMETERS: Mapping[str, Field[Any]] = {each.name: each for each in fields(ProxyServerConfig)}
# config.py imports these two for type checkers only.
_HINTS = typing.get_type_hints(
    ProxyServerConfig.__init__, localns={"asyncio": asyncio, "datetime": datetime.datetime}
)
_ENTRY_HINTS = typing.get_type_hints(CosMapItem)


@dataclass
class Settings:
    """The parameters that were given, with all references to the environment replaced.

    Attributes:
        path: the file; None: there is none.
        values: by parameter; callbacks as the text that names them.
        warnings: about what may be a mistake.
    """

    path: str | None
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _text: str = ""
    _origins: dict[str, str] = field(default_factory=dict)  # of values that are not from the file
    _mistakes: list[tuple[list[Part], str]] = field(default_factory=list)
    _cause: ValueError | None = None  # the reason why a callback can't be imported

    def config(self) -> ProxyServerConfig:
        """Imports the callbacks and returns the checked configuration.

        Raises MistakesError with every mistake, each with its place.
        """
        arguments: dict[str, Any] = {"cos_map": None, **self.values}
        for name in NOT_DATA:
            if name in self.values:
                arguments[name] = self._callable(name)
        config = ProxyServerConfig(**arguments)
        try:
            ProxyServer(config).check()
        except ConfigError as error:
            said = {steps[0] for steps, _ in self._mistakes if steps and steps[0] in NOT_DATA}
            known = {tuple(steps) for steps, _ in self._mistakes}
            for path, message in error.mistakes:
                steps = parts(path)
                if tuple(steps) not in known and not (steps and steps[0] in said):
                    self._mistakes.append((steps, message))
        if self._mistakes:
            raise self._complaint() from self._cause
        return config

    def _callable(self, name: str) -> object:
        try:
            reference = self.values[name]
            if not isinstance(reference, str):
                raise ValueError('must be a string, "package.module:function"')
            return callbacks.load(reference)
        except ValueError as error:
            self.report([name], str(error))
            self._cause = error
            return _stand_in

    def require(self, *names: str) -> None:
        """Raises MistakesError if there are mistakes in one of these parameters."""
        self._mistakes = [m for m in self._mistakes if m[0] and m[0][0] in names]
        if self._mistakes:
            raise self._complaint()

    def report(self, steps: list[Part], message: str) -> None:
        """Records a mistake."""
        self._mistakes.append((steps, message))

    def _complaint(self) -> MistakesError:
        lines = places(self._text)
        placed = [
            (None if self._from_outside(steps) else line_of(lines, steps), steps, message)
            for steps, message in self._mistakes
        ]
        placed.sort(key=lambda mistake: (mistake[0] is None, mistake[0]))
        return MistakesError(*(self._told(*mistake) for mistake in placed))

    def _from_outside(self, steps: list[Part]) -> bool:
        return bool(steps) and steps[0] in self._origins

    def _told(self, line: int | None, steps: list[Part], message: str) -> str:
        origin = self._origins.get(str(steps[0])) if steps else None
        places = [origin or self.path, None if line is None else str(line)]
        place = ":".join(text for text in places if text)
        return ": ".join(text for text in (place, dotted(steps), message) if text)

    def take(self, name: str, value: Any, origin: str) -> None:
        """Sets a parameter, whatever the file says."""
        self.values[name] = value
        self._origins[name] = origin
        self._mistakes = [m for m in self._mistakes if not m[0] or m[0][0] != name]


def _stand_in(*arguments: object) -> None:
    """Replaces a callback that can't be imported, so that it is not reported as missing, too."""


def find(option: str | None) -> str | None:
    """The file to read: the option's, OSP_CONFIG's, or proxy.toml; None without any."""
    named = option or os.environ.get(CONFIG_VARIABLE)
    return named or (DEFAULT_FILE if os.path.lexists(DEFAULT_FILE) else None)


def read(option: str | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Reads the file, then OSP_* from the environment, then the options.

    Args:
        option: the value of --config, or None.
        overrides: by the name of an option without its dashes; None: not given.

    Raises CommandError or MistakesError if the file can't be read or is not TOML.
    """
    settings = Settings(find(option))
    if settings.path is not None:
        _read_file(settings)
    _read_environment(settings)
    for name, value in (overrides or {}).items():
        if value is not None:
            settings.take(name, value, f"--{name.replace('_', '-')}")
    if settings.path is None and not settings.values:
        raise CommandError(
            f"there is no {DEFAULT_FILE} here: give a configuration with --config", status=2
        )
    return settings


def _read_file(settings: Settings) -> None:
    assert settings.path is not None
    try:
        with open(settings.path, encoding="utf-8", newline="", opener=_files.regular) as file:
            settings._text = file.read()
    except OSError as error:
        raise CommandError(f"{settings.path}: {error.strerror}", status=2) from error
    except UnicodeDecodeError as error:
        raise MistakesError(f"{settings.path}: is not UTF-8") from error
    try:
        _take(settings, parse(settings._text))
    except ValueError as error:
        raise MistakesError(f"{settings.path}: {error}") from error
    except RecursionError as error:  # keys with dots nest tables without nesting brackets
        raise MistakesError(f"{settings.path}: is nested too deeply") from error


def _take(settings: Settings, document: Mapping[str, Any]) -> None:
    for name, value in document.items():
        if name not in PARAMETERS:
            near = difflib.get_close_matches(name, PARAMETERS, 1)
            settings.report(
                [name], f"is not a parameter{f'; did you mean {near[0]}?' if near else ''}"
            )
            continue
        plain = substituted(value, [name], settings.report)
        settings.values[name] = _typed(name, plain, value)


def _read_environment(settings: Settings) -> None:
    for variable, text in sorted(os.environ.items()):
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE or not text:
            continue
        if name in PARAMETERS:
            settings.take(name, _from_text(text, _HINTS[name], name in NOT_DATA), variable)
        else:
            settings.warnings.append(f"{variable}: there is no parameter {name}")


def _typed(name: str, value: Any, written: Any) -> Any:
    """Gives the result of a `${...}` the type that its parameter has."""
    if name in NOT_DATA:
        return value
    if isinstance(value, str) and value != written:
        return _from_text(value, _HINTS[name], False)
    if name == "cos_map" and isinstance(value, dict) and isinstance(written, dict):
        return {bucket: _typed_entry(value[bucket], written[bucket]) for bucket in value}
    return value


def _typed_entry(entry: Any, written: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {
        key: _from_text(value, _ENTRY_HINTS[key], False)
        if isinstance(value, str) and value != written[key] and key in _ENTRY_HINTS
        else value
        for key, value in entry.items()
    }


def _from_text(text: str, hint: Any, is_name: bool) -> Any:
    """Text from the environment, as a value for a parameter of such a type.

    A string if that is accepted, else a TOML value; a list also as a,b,c. Anything else
    stays a string, which the check of the configuration then refuses.
    """
    kinds = _alternatives(hint)
    if is_name or str in kinds:
        return text
    try:
        return parse(f"value = {text}")["value"]
    except ValueError:
        pass
    if any(typing.get_args(kind) == (str,) for kind in kinds):
        return [item.strip() for item in text.split(",")]
    return text


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)
