"""`issue`: temporary keys for somebody."""

from __future__ import annotations

import argparse

from .._issue import Claims, issue, request
from . import settings
from .common import Adder, add_command, add_config, seconds
from .environment import DotEnv
from .problems import MistakesError
from .temporary import add_format, spelled

_DESCRIPTION = """\
Makes temporary keys and prints them, as `ProxyServer.issue` does. They are good at every
replica with the keyring of the configuration (shared_keys); none need run. Nothing is
stored: `invalidate` ends them earlier, by the token or by their access key.

The format process is what the setting credential_process of S3 clients reads."""

_EXAMPLES = """\
  object-storage-proxy issue --token alice
  object-storage-proxy issue --token alice --ttl 15m --policy read-only.json --name laptop
  object-storage-proxy issue --token ci --claim groups=staff --claim groups=data --format env"""


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(
        adder, "issue", "make temporary keys for a client", _DESCRIPTION, _EXAMPLES
    )
    add_config(parser)
    parser.add_argument(
        "--token", metavar="TOKEN", required=True, help="as whom the callbacks see the client"
    )
    parser.add_argument(
        "--ttl", metavar="TIME", default="1h", help="90, 15m, 12h; default: 1h, at most 36h"
    )
    parser.add_argument(
        "--policy", metavar="FILE", help="narrows what they may do: JSON, without principals"
    )
    parser.add_argument("--name", metavar="NAME", help="of the session")
    parser.add_argument(
        "--claim",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what policies and the validator know of the client, too; may be repeated",
    )
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the keys."""
    DotEnv().load()
    wanted = request(
        options.token,
        seconds("--ttl", options.ttl, "36h"),
        options.policy,
        _claims(options.claim),
        options.name,
    )
    keys = issue(settings.read(options.config).config(), wanted)
    print(spelled(keys, options.format), end="")
    return 0


def _claims(pairs: list[str]) -> Claims:
    claims: dict[str, list[str]] = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise MistakesError("--claim must be NAME=VALUE")
        claims.setdefault(name, []).append(value)
    return claims
