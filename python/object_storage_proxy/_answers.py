"""What the owner's callbacks return, turned into the JSON answers of include/osp.h.

Every function raises `BadAnswerError` for what it does not understand, and its message
never quotes the value, which may be a secret.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, ItemsView, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from json.encoder import encode_basestring_ascii
from typing import Any

from ._headers import Headers
from .decision import Decision
from .session import Session

_ENCODER = json.JSONEncoder(allow_nan=False)  # json.dumps would make one for each call
_ALLOWED, _REFUSED = b'{"allow":true}', b'{"allow":false}'
_LONGEST_TTL = 365 * 24 * 3600


class BadAnswerError(Exception):
    """A callback returned something that means nothing here."""


def by_headers(question: dict[str, Any]) -> Callable[[object], bytes]:
    """Shows a validator headers that notice who looks, and spells what it decides by them."""
    request = question.get("request")
    if request is None:
        return decision
    headers = request["headers"] = Headers(request["headers"])
    return partial(decision, headers=headers)


def decision(value: object, headers: Headers | None = None) -> bytes:
    """The answer for a validator: only True allows, only False is a refusal.

    A decision that may depend on one of the request's headers is for this request
    only, unless it says itself how long it holds.
    """
    if isinstance(value, bool):
        if headers is None or not headers.read:
            return _ALLOWED if value else _REFUSED
        value = Decision(value)
    if not isinstance(value, Decision):
        raise BadAnswerError(f"must return True, False or a Decision, not {_kind(value)}")
    answer = _terms(value)
    # Not before: the reason may be an object that looks at a header when it is spelled.
    if headers is not None and headers.read and not answer.get("ttl"):
        answer["once"] = True
    return _dump(answer)


def _terms(value: Decision) -> dict[str, object]:
    if not isinstance(value.allow, bool):
        raise BadAnswerError(f"must say True or False in its Decision, not {_kind(value.allow)}")
    answer: dict[str, object] = {"allow": value.allow}
    if value.ttl is not None:
        answer["ttl"] = _ttl(value.ttl)
    if value.reason is not None:
        answer["reason"] = str(value.reason)
    if value.limits is not None:
        answer["limits"] = _text(value.limits, "limits")
    return answer


def _ttl(value: object, what: str = "ttl") -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadAnswerError(f"must give seconds as {what}, not {_kind(value)}")
    if not 0 <= value <= _LONGEST_TTL:
        raise BadAnswerError(f"must give a {what} between 0 and a year")
    return value


def secret(value: object) -> bytes:
    """The answer for an hmac_fetcher."""
    if value is None:
        return b'{"unknown":true}'
    # First what most are: it takes longer to ask whether something is a Mapping.
    if not isinstance(value, str) and isinstance(value, Mapping):
        answer: dict[str, Any] = {"secret_key": _text(value.get("secret_key"), "secret_key")}
        if value.get("session_token") is not None:
            answer["session_token"] = _text(value["session_token"], "session_token")
        if value.get("expiration") is not None:
            answer["expiration"] = _unix_seconds(value["expiration"])
        if value.get("ttl") is not None:
            answer["ttl"] = _ttl(value["ttl"])
        return _dump(answer)
    quoted = encode_basestring_ascii(_text(value, "the secret"))
    return f'{{"secret_key":{quoted}}}'.encode("ascii")  # what most are, in a fifth of the time


def bucket_creds(value: object) -> bytes:
    """The answer for a bucket_creds_fetcher."""
    if isinstance(value, Mapping):
        plain = {name: item for name, item in value.items() if item is not None}
        if "expiration" in plain:
            plain["expiration"] = _unix_seconds(plain["expiration"])
        value = _dump(plain).decode()
    return _dump({"credentials": _text(value, "the credentials")})


def session(value: object) -> bytes:
    """The answer for a role_assumer: only a Session is one; None refuses."""
    if value is None:
        return b'{"assumed":false}'
    if not isinstance(value, Session):
        raise BadAnswerError(f"must return a Session or None, not {_kind(value)}")
    answer: dict[str, object] = {"assumed": True}
    for name in ("name", "token"):
        if (text := getattr(value, name)) is not None:
            answer[name] = _text(text, name)
    if value.claims is not None:
        answer["claims"] = {
            _text(name, "a claim"): _texts(texts, "a claim") for name, texts in _items(value.claims)
        }
    if value.tags is not None:
        answer["tags"] = {
            _text(name, "a tag"): _text(text, "a tag", empty=True)
            for name, text in _items(value.tags)
        }
    if value.policy is not None:
        policy = value.policy
        answer["policy"] = (
            policy if isinstance(policy, str) else _dump(dict(_items(policy))).decode()
        )
    if value.duration is not None:
        answer["duration"] = _ttl(value.duration, "duration")
    return _dump(answer)


def _items(value: object) -> ItemsView[Any, Any]:
    if not isinstance(value, Mapping):
        raise BadAnswerError(f"must give a mapping in its Session, not {_kind(value)}")
    return value.items()


def _texts(value: object, what: str) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [_text(value, what, empty=True)]
    return [_text(text, what, empty=True) for text in value]


def _text(value: object, what: str, *, empty: bool = False) -> str:
    if not isinstance(value, str):
        raise BadAnswerError(f"must return a str for {what}, not {_kind(value)}")
    if not value and not empty:
        raise BadAnswerError(f"returned an empty str for {what}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadAnswerError(f"returned a str with a lone surrogate for {what}") from None
    return str(value)


def _unix_seconds(value: object) -> float:
    if isinstance(value, str):
        try:  # Python 3.10 does not read the Z
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            raise BadAnswerError("returned an expiration that is not ISO 8601") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadAnswerError("returned an expiration without a time zone")
        return value.astimezone(timezone.utc).timestamp()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise BadAnswerError(f"must return a time for expiration, not {_kind(value)}")


def _dump(answer: Mapping[str, object]) -> bytes:
    try:
        return _ENCODER.encode(answer).encode("ascii")
    except (TypeError, ValueError):
        raise BadAnswerError("returned a mapping that JSON can't spell") from None


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
