"""A ProxyServerConfig as the JSON that the library reads.

Only what the library can't see is checked here: whether callbacks are callable and take
the right arguments, and whether values can be written as JSON at all. The library checks
everything else.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import Field, fields
from typing import Any, cast

from ._table import TABLE, Row
from .config import ProxyServerConfig

Mistake = tuple[str, str]

NOT_DATA = (*(row.name for row in TABLE), "event_loop")
# Where None is no value. By position it always is one, as in the original.
_NEVER_NONE = frozenset(
    parameter.name
    for parameter in fields(ProxyServerConfig)
    if parameter.kw_only and parameter.default is not None
)
_SAYS_SOMETHING = ("cos_map", "max_presign_url_usage_attempts")  # None: a mistake, no limit
_SECONDS = (
    "callback_timeout",
    "drain_delay",
    "drain_timeout",
)  # what Python itself calculates with
_PAIR = ("access_key", "secret_key")  # what an entry of hmac_keystore has
_DEEPEST = 16  # levels of lists and dicts
_MOST_BITS = 1024  # of a number: no float has more, and Python refuses to print long ones
# The library sees the environment as it was when the library was loaded.
_ENVIRONMENT = {
    "tls_cert_path": "TLS_CERT_PATH",
    "tls_key_path": "TLS_KEY_PATH",
    "iam_endpoint": "IBMCLOUD_IAM_API_ENDPOINT",
}


def render(config: ProxyServerConfig) -> tuple[bytes, list[Mistake]]:
    """Returns the JSON, and the mistakes that Python finds."""
    mistakes: list[Mistake] = []
    document: dict[str, Any] = {}
    for parameter in fields(ProxyServerConfig):
        name = parameter.name
        if name in NOT_DATA:
            continue
        value = getattr(config, name)
        if value is None:
            value = _meant_by_none(parameter)
        document[name] = _parameter(value, name, mistakes)
    if not (config.event_loop is None or _is_loop(config.event_loop)):
        mistakes.append(("event_loop", f"must be an event loop, got {_kind(config.event_loop)}"))
    forms = {row.name: _form(row, getattr(config, row.name), mistakes) for row in TABLE}
    document["callbacks"] = [name for name, form in forms.items() if form]
    for name in ("validator", "shadow_validator"):
        document[f"{name}_sees_request"] = "request" in forms[name]
    return encode(document), mistakes


def snapshot(given: Mapping[str, object]) -> tuple[dict[str, Any], list[Mistake]]:
    """A copy of some parameters in JSON's types, and the mistakes that Python finds."""
    mistakes: list[Mistake] = []
    return {name: _parameter(value, name, mistakes) for name, value in given.items()}, mistakes


def encode(document: Mapping[str, Any]) -> bytes:
    """A document as the library reads it."""
    return json.dumps(document).encode("ascii")


def _is_loop(value: object) -> bool:
    import asyncio  # takes longer than all the rest, and whoever has a loop has it already

    return isinstance(value, asyncio.AbstractEventLoop)


def _meant_by_none(parameter: Field[Any]) -> object:
    """What the library is told instead of None: it has no defaults of parameters."""
    if parameter.name in _ENVIRONMENT:
        return os.environ.get(_ENVIRONMENT[parameter.name]) or None
    if parameter.kw_only or parameter.name in _SAYS_SOMETHING:
        return None
    return parameter.default


def _kind(value: object) -> str:
    return type(value).__name__


class _EndlessError(Exception):
    """A value is nested deeper than any sensible one; it may even contain itself."""


def _parameter(value: object, name: str, mistakes: list[Mistake]) -> object:
    """A parameter in JSON's types; None in place of a mistake."""
    if value is None and name in _NEVER_NONE:
        mistakes.append((name, "must not be None"))
    elif name in _SECONDS and (isinstance(value, bool) or not isinstance(value, (int, float))):
        mistakes.append((name, f"must be a number of seconds, got {_kind(value)}"))
    else:
        try:
            return _plain(value, name, mistakes)
        except _EndlessError:
            mistakes.append((name, "is nested too deeply"))
        except Exception as error:
            if _plain_already(value):
                raise  # from a signal handler that ran meanwhile
            mistakes.append((name, f"can't be read: {_kind(error)}"))
    return None


def _plain_already(value: object, depth: int = 0) -> bool:
    """Whether reading the value runs none of the owner's code, as mappings and paths do."""
    if depth > _DEEPEST:
        return False
    if type(value) is dict:
        return all(type(k) is str and _plain_already(v, depth + 1) for k, v in value.items())
    if type(value) in (list, tuple):
        return all(_plain_already(v, depth + 1) for v in cast("Sequence[object]", value))
    return type(value) in (str, int, float, bool, type(None))


def _plain(value: object, path: str, mistakes: list[Mistake], depth: int = 0) -> object:
    """The value in JSON's types; None in place of a mistake."""
    if value is None or isinstance(value, bool):
        return value
    if depth > _DEEPEST:
        raise _EndlessError
    if isinstance(value, int):
        if value.bit_length() <= _MOST_BITS:
            return int(value)
        mistakes.append((path, "must be a smaller number"))
    elif isinstance(value, float):
        if math.isfinite(value):
            return value
        mistakes.append((path, "must be a finite number"))
    elif isinstance(value, str):
        if _is_unicode(value):
            return value
        mistakes.append((path, "must be valid Unicode: it contains a lone surrogate"))
    elif isinstance(value, os.PathLike):
        return _plain(os.fspath(value), path, mistakes, depth + 1)
    elif isinstance(value, Mapping):
        return _plain_dict(value, path, mistakes, depth + 1)
    elif isinstance(value, (Sequence, Set)) and not isinstance(value, (bytes, bytearray)):
        return [_plain(v, f"{path}[{i}]", mistakes, depth + 1) for i, v in enumerate(value)]
    else:
        mistakes.append((path, f"must be plain data, got {type(value).__name__}"))
    return None


def _plain_dict(
    value: Mapping[Any, object], path: str, mistakes: list[Mistake], depth: int
) -> dict[str, object]:
    plain: dict[str, object] = {}
    for key, item in value.items():
        if isinstance(key, str) and _is_unicode(key):
            place = f"{path}[{json.dumps(key)}]"
            if path.startswith("hmac_keystore") and key not in _PAIR:
                place = path  # an unknown name may be a secret in the wrong place
            plain[str(key)] = _plain(item, place, mistakes, depth)
        else:
            mistakes.append((path, f"must have string keys, got {type(key).__name__}"))
    return plain


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _form(row: Row, function: object, mistakes: list[Mistake]) -> tuple[str, ...]:
    """Which members of its question a callback takes; () for None.

    Those of the last form for a mistake: it must not look as if there were no callback.
    """
    if function is None:
        return ()
    form = None
    if not callable(function):
        mistakes.append((row.name, f"must be callable, got {_kind(function)}"))
    elif (form := row.form(function)) is None:
        forms = " or ".join(f"({', '.join(form)})" for form in sorted(row.forms, key=len))
        mistakes.append((row.name, f"must be callable with {forms}"))
    return form or row.forms[-1]
