"""A ProxyServerConfig as the JSON that the library reads.

What only Python can see is checked here: whether callables are callable and take
the right arguments, and whether values can be spelled in JSON at all. Everything
else is the library's to check.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import os
from collections.abc import Mapping, Sequence, Set
from typing import Any

from .config import ProxyServerConfig

Mistake = tuple[str, str]

_CALLABLES = ("validator", "bucket_creds_fetcher", "hmac_fetcher")
NOT_DATA = (*_CALLABLES, "event_loop")
# What the library knows of the environment is as old as the library's start.
_ENVIRONMENT = {
    "tls_cert_path": "TLS_CERT_PATH",
    "tls_key_path": "TLS_KEY_PATH",
    "iam_endpoint": "IBMCLOUD_IAM_API_ENDPOINT",
}


def render(config: ProxyServerConfig) -> tuple[bytes, list[Mistake]]:
    """Returns the JSON, and the mistakes that Python sees."""
    mistakes: list[Mistake] = []
    document: dict[str, Any] = {}
    for name in ProxyServerConfig.__slots__:
        if name in NOT_DATA:
            continue
        value = getattr(config, name)
        if name in _ENVIRONMENT:
            value = os.environ.get(_ENVIRONMENT[name]) or None if value is None else value
        document[name] = _plain(value, name, mistakes)
    if not isinstance(config.event_loop, (asyncio.AbstractEventLoop, type(None))):
        mistakes.append(("event_loop", f"must be an event loop, got {_kind(config.event_loop)}"))
    document["callables"] = {
        "validator": _arity(config.validator, "validator", (3, 2), mistakes),
        "bucket_creds_fetcher": bool(
            _arity(config.bucket_creds_fetcher, "bucket_creds_fetcher", (2,), mistakes)
        ),
        "hmac_fetcher": bool(_arity(config.hmac_fetcher, "hmac_fetcher", (1,), mistakes)),
    }
    return encode(document), mistakes


def snapshot(given: Mapping[str, object]) -> tuple[dict[str, Any], list[Mistake]]:
    """A copy of some parameters in types that JSON has, and the mistakes that Python sees."""
    mistakes: list[Mistake] = []
    return {name: _plain(value, name, mistakes) for name, value in given.items()}, mistakes


def encode(document: Mapping[str, Any]) -> bytes:
    """A document as the library reads it."""
    return json.dumps(document).encode("ascii")


def _kind(value: object) -> str:
    return type(value).__name__


def _plain(value: object, path: str, mistakes: list[Mistake]) -> object:
    """The value in types that JSON has; None in place of a mistake."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        mistakes.append((path, "must be a finite number"))
    elif isinstance(value, str):
        if _is_unicode(value):
            return value
        mistakes.append((path, "must be valid Unicode: it holds a lone surrogate"))
    elif isinstance(value, os.PathLike):
        return _plain(os.fspath(value), path, mistakes)
    elif isinstance(value, Mapping):
        return _plain_dict(value, path, mistakes)
    elif isinstance(value, (Sequence, Set)) and not isinstance(value, (bytes, bytearray)):
        return [_plain(item, f"{path}[{i}]", mistakes) for i, item in enumerate(value)]
    else:
        mistakes.append((path, f"must be plain data, got {type(value).__name__}"))
    return None


def _plain_dict(
    value: Mapping[Any, object], path: str, mistakes: list[Mistake]
) -> dict[str, object]:
    plain: dict[str, object] = {}
    for key, item in value.items():
        if isinstance(key, str) and _is_unicode(key):
            plain[str(key)] = _plain(item, f"{path}[{json.dumps(key)}]", mistakes)
        else:
            mistakes.append((path, f"must have text keys, got one of {type(key).__name__}"))
    return plain


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _arity(function: object, path: str, allowed: tuple[int, ...], mistakes: list[Mistake]) -> int:
    """How many arguments to call it with: the first of `allowed` that it takes.

    0 for None. For a mistake the last one: what is wrong is not that there is none.
    """
    if function is None:
        return 0
    if not callable(function):
        mistakes.append((path, f"must be callable, got {type(function).__name__}"))
        return allowed[-1]
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return allowed[-1]  # some builtins don't tell
    for count in allowed:
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count
    names = ("token", "bucket", "request") if path != "hmac_fetcher" else ("access_key",)
    forms = " or ".join(f"({', '.join(names[:n])})" for n in sorted(allowed))
    mistakes.append((path, f"must be callable with {forms}"))
    return allowed[-1]
