"""`policy diff`: which requests of an access log a policy would decide otherwise."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, TextIO

from .._policies import replay
from ..errors import ConfigError
from .common import Adder, add_command, show
from .problems import CommandError, MistakesError

__all__ = ["add"]

_DESCRIPTION = """\
Reads an access log, in json or logfmt, and says which of its requests a policy would decide
otherwise than happened, or than another policy does: how many, whose, and by which statement.

An access log has neither queries nor headers. So versions, ACLs and tags are taken as not
given; and what depends on a condition on them, on the source of a copy, on the keys of a list
to delete, on an access key that the log shortens, or on claims, tags and policies of temporary
keys can't be told, and is listed as that. The client's address and https are taken as the log
has them. What was refused otherwise than by a decision is left out: nobody has proven whose it
was, or a policy could not change it. So each line must have refused_by; the first one without
it is named, and nothing is compared. Policies of entries and the validator are not asked.

The exit status is 0 if nothing differs, 1 if something does, and 2 for a mistake in a
policy, the log or the command."""

_EXAMPLES = """\
  object-storage-proxy policy diff --policy new.json access.log
  object-storage-proxy policy diff --policy new.json --against policy.json access.log
  zcat access.log.*.gz | object-storage-proxy policy diff --policy new.json -"""

_UNSURE = "can't be told"
_AT_ONCE = 1000  # lines for each call of the library, which reads the policy each time
_REFUSED = "AccessDenied"
_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')  # of logfmt


@dataclass
class Group:
    """Requests that a policy decides alike, and otherwise than before."""

    change: str  # "would be allowed", "would be refused" or _UNSURE
    who: str
    operation: str
    bucket: str
    why: str
    count: int = 0
    example: str = ""


@dataclass
class _Diff:
    groups: dict[tuple[str, ...], Group] = field(default_factory=dict)
    requests: int = 0
    left_out: int = 0

    def add(self, line: dict[str, Any], change: str, why: str) -> None:
        who, operation, bucket = _who(line), line["operation"], line["bucket"]
        of = (change, who, operation, bucket, why)
        if of not in self.groups:
            example = f"/{bucket}/{line['key']}"
            self.groups[of] = Group(change, who, operation, bucket, why, example=example)
        self.groups[of].count += 1

    def sorted(self) -> list[Group]:
        return sorted(self.groups.values(), key=lambda g: (g.change, -g.count, g.who))


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(adder, "diff", "say what a policy would change", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("log", metavar="ACCESS_LOG", help="the access log; - is stdin")
    parser.add_argument("--policy", metavar="FILE", required=True, help="the policy, a JSON file")
    parser.add_argument(
        "--against", metavar="FILE", help="compare with this policy, not with what happened"
    )
    parser.add_argument(
        "--complete", action="store_true", help="the stores' entries say complete, as AWS's do"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the differences; returns 1 if there are any."""
    diff = _Diff()
    lines = _lines(options.log)
    while batch := list(islice(lines, _AT_ONCE)):
        decided = [line for line in batch if _decided(line)]
        diff.left_out += len(batch) - len(decided)
        diff.requests += len(decided)
        _compare(diff, decided, options)
    groups = diff.sorted()
    if options.json:
        shown = {"requests": diff.requests, "left_out": diff.left_out}
        print(json.dumps({**shown, "groups": [asdict(group) for group in groups]}, indent=2))
    else:
        for text in _text(diff, groups):
            show(text)
    return int(any(group.change != _UNSURE for group in groups))


def _who(line: dict[str, Any]) -> str:
    """As policies name whoever sent a request; empty without a signature."""
    return str(line["token"] if _in_session(line) else line["access_key"])


def _in_session(line: dict[str, Any]) -> bool:
    return any(line[name] for name in ("token", "role", "session"))


def _decided(line: dict[str, Any]) -> bool:
    refused = (line["code"], line["refused_by"]) == (_REFUSED, "decision")
    return bool(line["operation"]) and (line["code"] == "" or refused)


def _compare(diff: _Diff, lines: list[dict[str, Any]], options: argparse.Namespace) -> None:
    after = _outcomes(options.policy, lines, options.complete)
    if options.against is None:
        before: list[dict[str, Any]] = [{"allowed": line["code"] == ""} for line in lines]
    else:
        before = _outcomes(options.against, lines, options.complete)
    for line, old, new in zip(lines, before, after, strict=True):
        missing = sorted({*new.get("missing", ()), *old.get("missing", ())})
        if line["code"] and _in_session(line) and not missing and old["allowed"] != new["allowed"]:
            missing = ["the session's own policies"]  # which may have refused it, too
        if missing:
            diff.add(line, _UNSURE, f"depends on {', '.join(missing)}")
        elif old["allowed"] != new["allowed"]:
            change = "would be allowed" if new["allowed"] else "would be refused"
            diff.add(line, change, _why(new["decided"]))


def _outcomes(policy: str, lines: list[dict[str, Any]], complete: bool) -> list[dict[str, Any]]:
    requests = [
        {
            "token": _who(line) or None,
            "role": line["role"] or None,
            "session": line["session"] if _in_session(line) else None,
            "operation": line["operation"],
            "method": line["method"],
            "bucket": line["bucket"] or None,
            "key": line["key"] or None,
            "client_ip": line["client"] or None,
            "secure": line["scheme"] == "https",
            "time": line["time"],
        }
        for line in lines
    ]
    try:
        return replay(policy, requests, complete)
    except ConfigError as error:
        told = [(path.replace("policy", policy, 1), text) for path, text in error.mistakes]
        raise MistakesError(*(f"{path}: {text}" for path, text in told)) from error


def _why(decided: dict[str, Any]) -> str:
    action = decided["action"] or f"no action for {decided['operation']}"
    if "statement" not in decided:
        return f"no statement allows {action}"
    says = {"allow": "allows", "deny": "denies"}[decided["effect"]]
    return f"{decided['statement']} in line {decided['line']} {says} {action}"


def _text(diff: _Diff, groups: Iterable[Group]) -> Iterator[str]:
    for group in groups:
        who = group.who or "clients without a signature"
        yield (
            f"{group.change}: {group.count} {group.operation} by {who}, "
            f"such as {group.example}: {group.why}"
        )
    counts = dict.fromkeys(("would be allowed", "would be refused", _UNSURE), 0)
    for group in groups:
        counts[group.change] += group.count
    told = ", ".join(f"{count} {change}" for change, count in counts.items())
    yield f"{diff.requests} requests: {told}; {diff.left_out} left out"


def _lines(path: str) -> Iterator[dict[str, Any]]:
    if path == "-":
        yield from _read(sys.stdin, "stdin")
        return
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            yield from _read(file, path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", status=2) from error


_NAMES = (
    *("time", "client", "access_key", "token", "role", "session", "method"),
    *("operation", "bucket", "key", "code", "refused_by", "scheme"),
)


def _read(file: TextIO, path: str) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(file, 1):
        if not text.strip():
            continue
        line = _parsed(text) or {}
        missing = [name for name in _NAMES if not isinstance(line.get(name), str)]
        if missing == ["refused_by"]:
            raise MistakesError(
                f"{path}:{number}: has no refused_by, without which a refusal by a policy or the "
                "validator can't be told from others: the log is of an older version"
            )
        if missing:
            raise MistakesError(f"{path}:{number}: is no line of an access log in json or logfmt")
        yield line


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        if not text.startswith("{"):
            fields = _FIELD.findall(text)
            return {n: json.loads(v) if v.startswith('"') else v for n, v in fields}
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
