"""`keygen`: key pairs for clients."""

from __future__ import annotations

import argparse
import json
import secrets
import string

from .common import Adder, add_command
from .environment import escaped
from .problems import MistakesError

_DESCRIPTION = """\
Creates key pairs for clients and prints them. Nothing is stored: put the output into the
configuration, or wherever your hmac_fetcher looks. The access key is the name that you
give, or 20 random letters and digits; your callbacks get it as `token`. The secret key
has 240 random bits."""

_EXAMPLES = """\
  object-storage-proxy keygen alice bob >> proxy.toml
  object-storage-proxy keygen --count 3 --format json
  object-storage-proxy keygen alice --format env > alice.env    # for the client"""

_LETTERS = string.ascii_uppercase + string.digits


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(adder, "keygen", "create key pairs for clients", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("names", nargs="*", metavar="NAME", help="an access key; default: random")
    parser.add_argument(
        "-n", "--count", type=int, metavar="N", help="number of random pairs; default: 1"
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=["toml", "json", "env"],
        default="toml",
        help="toml: entries of hmac_keystore (the default); json: the same as a list; "
        "env: the variables that S3 clients read, for one pair",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the pairs."""
    names = _names(options)
    if options.format == "env" and len(names) != 1:
        raise MistakesError("--format env takes only one pair")
    pairs = [{"access_key": name, "secret_key": secrets.token_urlsafe(30)} for name in names]
    print(_SPELLED[options.format](pairs), end="")
    return 0


def _names(options: argparse.Namespace) -> list[str]:
    names: list[str] = options.names
    if names and options.count is not None:
        raise MistakesError("--count is for random names and can't be combined with names")
    if not names:
        count = 1 if options.count is None else options.count
        if not 1 <= count <= 1000:
            raise MistakesError("--count must be from 1 to 1000")
        return ["".join(secrets.choice(_LETTERS) for _ in range(20)) for _ in range(count)]
    for name in names:
        if not name.isascii() or not name.isprintable() or " " in name or not name:
            raise MistakesError(f"{name!r} can't be an access key: use visible ASCII characters")
    if len(set(names)) != len(names):
        raise MistakesError("a name is given twice")
    return names


def _toml(pairs: list[dict[str, str]]) -> str:
    lines: list[str] = []
    for pair in pairs:
        keys = [f"{name} = {json.dumps(escaped(text))}" for name, text in pair.items()]
        lines += ["[[hmac_keystore]]", *keys, ""]
    return "\n".join(lines)


def _json(pairs: list[dict[str, str]]) -> str:
    return json.dumps(pairs, indent=2) + "\n"


def _env(pairs: list[dict[str, str]]) -> str:
    (pair,) = pairs
    access = pair["access_key"]
    if not set(access) <= {*string.ascii_letters, *string.digits, *"_-./+=@:"}:
        access = "'" + access.replace("'", "'\\''") + "'"
    return f"AWS_ACCESS_KEY_ID={access}\nAWS_SECRET_ACCESS_KEY={pair['secret_key']}\n"


_SPELLED = {"toml": _toml, "json": _json, "env": _env}
