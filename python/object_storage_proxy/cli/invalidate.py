"""`invalidate`: a fleet forgets what its callbacks said."""

from __future__ import annotations

import argparse

from .._fleet import revoke
from .._revocation import LONGEST_WAIT
from ..errors import SharedStateError
from . import settings
from .common import Adder, add_command, add_config
from .environment import DotEnv
from .problems import CommandError, MistakesError

_DESCRIPTION = """\
Makes all replicas that share a state (shared_state in the configuration) drop the cached
answers of their callbacks about a client, a bucket, or both together: decisions, store
credentials, the client's secret; and ends the temporary keys that were issued before, by
token, access key, role or subject. It returns when none of them responds by them any more.
No replica need run here.

The exit status is 0 if that is so; 1 if it could not be recorded, or if some replica had
not confirmed it in time."""

_EXAMPLES = """\
  object-storage-proxy invalidate --token alice
  object-storage-proxy invalidate --token alice --bucket photos --wait 3
  object-storage-proxy invalidate --role analyst
  object-storage-proxy invalidate --all"""


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(
        adder, "invalidate", "make a fleet drop cached answers", _DESCRIPTION, _EXAMPLES
    )
    add_config(parser)
    parser.add_argument("--token", metavar="KEY", help="a client's access key id")
    parser.add_argument("--bucket", metavar="NAME", help="a bucket, by the name that clients use")
    parser.add_argument("--role", metavar="NAME", help="ends the temporary keys of a role")
    parser.add_argument(
        "--subject", metavar="SUBJECT", help="ends those of an identity token's subject"
    )
    parser.add_argument("--all", action="store_true", help="everything")
    parser.add_argument(
        "--wait", type=float, default=5.0, metavar="SECONDS", help="how long; default: 5"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Returns when it is done."""
    answers = options.token is not None or options.bucket is not None
    sessions = options.role is not None or options.subject is not None
    if answers + sessions + options.all != 1:
        raise MistakesError(
            "one of --token, --bucket, --role, --subject and --all is required; --token goes with "
            "--bucket, --role with --subject, and --all stands alone"
        )
    if not 0 <= options.wait <= LONGEST_WAIT:
        raise MistakesError(f"--wait must be between 0 and {LONGEST_WAIT} seconds")
    DotEnv().load()
    try:
        revoke(
            settings.read(options.config).config(),
            options.token,
            options.bucket,
            role=options.role,
            subject=options.subject,
            wait=options.wait,
        )
    except (SharedStateError, TimeoutError) as error:
        raise CommandError(str(error)) from error
    return 0
