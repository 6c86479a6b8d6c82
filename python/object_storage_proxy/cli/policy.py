"""`policy explain`: which statements of a policy decide a request, and how.

`policy diff` has a module of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from .._policies import explain
from ..errors import ConfigError
from . import policy_diff
from .common import Adder, add_command, show
from .problems import MistakesError

_DESCRIPTION = """\
Says which statement of a policy decides a request, without sending it. There is a line for
each action that the proxy would ask about: also for what a store may do instead that lacks
the operation, and for the source of a copy. All of them have to be allowed.

With --role, --session-policy, --claim or --tag the request is one of a session, as whose token
--token stands: there are lines, too, for the policy of its role and for its own ones, of which
each has to allow everything.

Only policies are asked, and no validator. The keys of a list to delete are asked about one
by one, as --method DELETE asks. Without --token the entry is one with anonymous, at which
clients without a signature may at most read. ListBuckets is refused only if it is denied; it
shows the buckets for which s3:ListBucket is allowed.

The exit status is 0 if the request is allowed, 1 if it is refused, and 2 for a mistake in the
policy or the command."""

_EXAMPLES = """\
  object-storage-proxy policy explain --policy policy.json --token alice --path /photos/a.jpg
  object-storage-proxy policy explain --policy policy.json --token alice \\
      --path '/photos?list-type=2&prefix=2026/' --client-ip 192.0.2.1 --https
  object-storage-proxy policy explain --policy policy.json --token alice --method PUT \\
      --path /photos/b.jpg --header x-amz-copy-source:/photos/a.jpg
  object-storage-proxy policy explain --policy policy.json --token people/alice \\
      --role reader --role-policy reader.json --session-policy own.json \\
      --claim groups=team-a --tag project=x --path /photos/a.jpg"""

_ALL = """\
  object-storage-proxy policy explain --help
  object-storage-proxy policy diff --help"""


def add(adder: Adder) -> None:
    """Adds the command, with its own commands."""
    summary = "say what a policy makes of requests"
    parser = add_command(adder, "policy", summary, "Says what a policy makes of requests.", _ALL)
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_explain(inner)
    policy_diff.add(inner)


def _add_explain(adder: Adder) -> None:
    parser = add_command(
        adder, "explain", "explain what a policy says about a request", _DESCRIPTION, _EXAMPLES
    )
    parser.add_argument("--policy", metavar="FILE", required=True, help="the policy, a JSON file")
    parser.add_argument("--token", metavar="ID", help="the client's access key; default: unsigned")
    parser.add_argument("-m", "--method", type=str.upper, default="GET", help="default: GET")
    parser.add_argument(
        "--path", required=True, help="/BUCKET/KEY as in a URL, with a query if there is one"
    )
    parser.add_argument(
        "--header",
        metavar="NAME:VALUE",
        action="append",
        default=[],
        help="a header of the request, such as x-amz-acl:private",
    )
    parser.add_argument("--client-ip", metavar="ADDRESS", help="of the client; default: unknown")
    parser.add_argument("--https", action="store_true", help="the client comes by https")
    parser.add_argument(
        "--time", help="of the request, such as 2026-01-31T12:00:00+00:00; default: now"
    )
    parser.add_argument(
        "--complete", action="store_true", help="the store's entry says complete, as AWS's do"
    )
    parser.add_argument(
        "--keys",
        choices=("opaque", "path"),
        help="what the entry says; default: opaque with --complete, else path",
    )
    parser.add_argument(
        "--unknown-operations",
        action="store_true",
        help="the store's entry says unknown_operations",
    )
    _add_session(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def _add_session(parser: argparse.ArgumentParser) -> None:
    of = parser.add_argument_group("sessions of temporary keys")
    of.add_argument("--role", metavar="NAME", help="of the session; default: it has none")
    of.add_argument("--role-policy", metavar="FILE", help="the policy of its role, a JSON file")
    of.add_argument("--session-name", metavar="NAME", help="for ${aws:userid}")
    of.add_argument(
        "--session-policy",
        metavar="FILE",
        action="append",
        default=[],
        help="a policy that the session was issued with, a JSON file",
    )
    of.add_argument(
        "--claim",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a claim of its identity token, or one of its values",
    )
    of.add_argument(
        "--tag", metavar="NAME=VALUE", action="append", default=[], help="a tag of the session"
    )


def run(options: argparse.Namespace) -> int:
    """Prints what is asked and what the policy says."""
    request = {
        "policy": options.policy,
        "token": options.token,
        "method": options.method,
        "target": options.path,
        "headers": dict(_header(text) for text in options.header),
        "client_ip": options.client_ip,
        "secure": options.https,
        "time": _seconds(options.time),
        "complete": options.complete,
        "keys": options.keys,
        "unknown_operations": options.unknown_operations,
        "session": _session(options),
    }
    try:
        explained = explain(request)
    except ConfigError as error:
        raise MistakesError(*(_told(options, *mistake) for mistake in error.mistakes)) from error
    if options.json:
        print(json.dumps(explained, indent=2))
    else:
        for line in _lines(explained, options):
            show(line)
    return 0 if explained["allowed"] else 1


def _session(options: argparse.Namespace) -> dict[str, Any] | None:
    claims: dict[str, list[str]] = {}
    for name, value in (_pair("--claim", text) for text in options.claim):
        claims.setdefault(name, []).append(value)
    session = {
        "role": options.role,
        "role_policy": options.role_policy,
        "name": options.session_name,
        "policies": options.session_policy,
        "claims": claims,
        "tags": dict(_pair("--tag", text) for text in options.tag),
    }
    if not any(session.values()):
        return None
    if not options.token:
        raise MistakesError("--token is required for a session: as whom its holder is seen")
    return session


def _file(path: str, options: argparse.Namespace) -> str | None:
    """The file of the policy that a path in the request stands for."""
    files = {"policy": options.policy, "session.role_policy": options.role_policy}
    for index, file in enumerate(options.session_policy):
        files[f"session.policies[{index}]"] = file
    return files.get(path)


def _lines(explained: dict[str, Any], options: argparse.Namespace) -> Iterable[str]:
    for asked in explained["questions"]:
        action = asked["action"] or f"no action for {asked['operation']}"
        file = _file(asked["policy"], options)
        by = "" if file == options.policy else f" by {file}"
        if "statement" in asked:
            by = f": {asked['statement']} in line {asked['line']} of {file}"
        yield f"{asked['effect']:8} {action} on {asked['resource'] or 'the service'}{by}"
    yield "allowed" if explained["allowed"] else "refused"


def _told(options: argparse.Namespace, path: str, message: str) -> str:
    names = {"target": "--path", "session.role": "--role", "session.name": "--session-name"}
    return f"{_file(path, options) or names.get(path, path)}: {message}"


def _header(text: str) -> tuple[str, str]:
    name, found, value = text.partition(":")
    if not found or not name.strip():
        raise MistakesError("--header must be NAME:VALUE")
    return name.strip(), value.strip()


def _pair(option: str, text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise MistakesError(f"{option} must be NAME=VALUE")
    return name, value


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise MistakesError("--time must be a time such as 2026-01-31T12:00:00+00:00") from error
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
