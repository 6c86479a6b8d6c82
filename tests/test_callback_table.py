"""A callback is a row in include/osp.h, one in Python and one in Go, which say the same.

Go's rows are held against osp.h by TestTheRowsAreThoseOfTheHeader of go/callbacks.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
from datetime import datetime, timezone
from typing import Any, NamedTuple

import object_storage_proxy as osp
import pytest
from helpers.pages import ROOT
from object_storage_proxy._callbacks import Owner
from object_storage_proxy._ffi import ffi
from object_storage_proxy._table import TABLE, Row


class Contract(NamedTuple):
    """What osp.h says of a callback; members with True must be there."""

    number: int
    question: dict[str, bool]
    answer: dict[str, bool]


def members(text: str) -> dict[str, bool]:
    return {name: not optional for name, optional in re.findall(r'"(\w+)"(\??):', text)}


def contracts() -> dict[str, Contract]:
    header = (ROOT / "include" / "osp.h").read_text(encoding="utf-8")
    rows = header.partition("enum osp_question {")[2].partition("};")[0]
    found = {}
    for name, number, text in re.findall(r"OSP_ASK_(\w+) = (\d+),?\s*/\*(.*?)\*/", rows, re.S):
        question, _, answer = text.partition("->")
        found[name.lower()] = Contract(int(number), members(question), members(answer))
    return found


HEADER = contracts()
BY_NAME = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)

# Values that bring all members of an answer together.
VALUES: dict[str, list[Any]] = {
    "hmac_fetcher": [
        {
            "secret_key": "s",
            "session_token": "t",
            "expiration": datetime.now(timezone.utc),
            "ttl": 1,
        },
        "s",
        None,
    ],
    "validator": [osp.Decision(True, ttl=1, reason="r", limits="bulk"), True],
    "shadow_validator": [osp.Decision(False, ttl=1, reason="r", limits="bulk"), False],
    "bucket_creds_fetcher": ["key", {"access_key": "a", "secret_key": "s"}],
    "role_assumer": [
        osp.Session("n", "t", {"a": "b", "c": ["d"]}, {"k": ""}, {"Version": "x"}, 60),
        osp.Session(policy="{}"),
        None,
    ],
}


def question_of(row: Row) -> dict[str, Any]:
    """One with every member, whose value is the member's name but for the request."""
    return {
        name: {"headers": {"agent": "a"}} if name == "request" else name
        for name in HEADER[row.name].question
    }


def asked(row: Row, function: Any, question: dict[str, Any]) -> dict[str, Any]:
    """What a callback answers to a question."""
    library: Any = None  # which it needs for what is answered later
    owner = Owner(osp.ProxyServerConfig({}, **{row.name: function}), library)
    try:
        answer = owner.answer(1, HEADER[row.name].number, json.dumps(question).encode())
    finally:
        owner.close()
    given: dict[str, Any] = json.loads(answer or b"")
    return given


def test_the_rows_are_those_of_the_header() -> None:
    assert [row.name for row in TABLE] == list(HEADER)
    for name, contract in HEADER.items():
        assert ffi.integer_const(f"OSP_ASK_{name.upper()}") == contract.number


@BY_NAME
def test_a_row_is_a_parameter(row: Row) -> None:
    assert row.name in inspect.signature(osp.ProxyServerConfig).parameters


@BY_NAME
def test_arguments_are_members_of_the_question(row: Row) -> None:
    always = set.intersection(*map(set, row.forms))
    known = set.union(*map(set, row.forms))
    assert {name: name in always for name in known} == HEADER[row.name].question


@BY_NAME
def test_arguments_are_found_by_name(row: Row) -> None:
    for form in row.forms:
        seen: list[Any] = []

        def function(*arguments: Any, seen: list[Any] = seen, row: Row = row) -> Any:
            seen[:] = arguments
            return VALUES[row.name][-1]

        takes = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in form]
        function.__signature__ = inspect.Signature(takes)  # type: ignore[attr-defined]
        for order in itertools.permutations(question_of(row).items()):
            asked(row, function, {"more": 1, **dict(order)})
            told = [n if isinstance(n, str) else "request" for n in seen]
            assert told == list(form)


@BY_NAME
def test_answers_have_the_members_of_the_header(row: Row) -> None:
    answer = HEADER[row.name].answer
    spelled: set[str] = set()
    for value in VALUES[row.name]:
        spelled |= set(asked(row, lambda *_, value=value: value, question_of(row)))
    if "validator" in row.name:
        by_header = asked(
            row, lambda token, bucket, request: bool(request["headers"]["agent"]), question_of(row)
        )
        spelled |= set(by_header)
    assert spelled == set(answer)
