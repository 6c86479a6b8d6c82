"""`doctor`: checks the stores of a configuration."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from ..config import ProxyServerConfig
from . import settings
from .buckets import entry_name
from .common import Adder, add_command, add_config, show
from .environment import DotEnv
from .problems import MistakesError

_DESCRIPTION = """\
Connects to each store of a configuration as the proxy does, with its credentials, and
reports what it found: the region, the TLS version and how long the certificate is valid,
how far the clocks differ, how long a response takes. It lists one key of each bucket, and
writes nothing. Of shared_state it does once all that a replica does there, in a log of its
own, so that nothing is revoked that replicas share, which takes two seconds; and it looks at
the server's version, clock and maxmemory-policy, and at whether others have the same keyring.

It starts the proxy on a free port of 127.0.0.1, with a key pair of its own and without
the validator, so it can run alongside the real one. bucket_creds_fetcher is called as usual.

The exit status is 1 if a store, or the shared state, does not respond as it should, and 0
otherwise."""

_EXAMPLES = """\
  object-storage-proxy doctor
  object-storage-proxy doctor --bucket photos --timeout 5
  object-storage-proxy doctor --bucket team-blue    # a bucket behind the entry "team-*"
  object-storage-proxy doctor --as alice --json    # what alice would get"""


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(adder, "doctor", "check that the stores respond", _DESCRIPTION, _EXAMPLES)
    add_config(parser)
    parser.add_argument(
        "-b", "--bucket", action="append", metavar="NAME", help="only this one; may be repeated"
    )
    parser.add_argument(
        "--as",
        dest="token",
        metavar="ID",
        default="doctor",
        help="the access key that bucket_creds_fetcher is called with; default: doctor",
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", default=10.0, help="for each store; default: 10"
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the findings; returns 1 if there are problems."""
    if not 0 < options.timeout <= 600:
        raise MistakesError("--timeout must be more than 0 and at most 600 seconds")
    from . import checkup, shared  # and with them ssl, http.client and more

    DotEnv().load()
    config = settings.read(options.config).config()
    names = options.bucket or list(config.cos_map)
    entries = [(name, _entry(name, config)) for name in names]
    findings = checkup.examine(config, entries, options.token, options.timeout)
    state = None if options.bucket else shared.finding(config, options.timeout)
    failed = sum(bool(f.problems) for f in findings)
    if options.json:
        found = [asdict(finding) for finding in findings]
        print(json.dumps(found if state is None else [*found, state], indent=2))
    else:
        for finding in findings:
            for line in checkup.lines(finding):
                show(line)
        if state is not None:
            for line in shared.lines(state):
                show(line)
        print(f"{len(findings) - failed} of {len(findings)} entries ok")
    return 1 if failed or (state is not None and state["problems"]) else 0


def _entry(bucket: str, config: ProxyServerConfig) -> dict[str, Any]:
    """The entry of a bucket: its own, else the longest pattern that matches."""
    name = entry_name(bucket, config.cos_map)
    if name is None:
        raise MistakesError(f"the configuration has no bucket {bucket}")
    return dict(config.cos_map[name])
