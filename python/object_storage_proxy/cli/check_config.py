"""`check-config`: every mistake of a configuration at once."""

from __future__ import annotations

import argparse
import sys

from . import settings
from .common import PROG, Adder, add_command, add_config
from .environment import DotEnv

_DESCRIPTION = """\
Checks a configuration as `serve` would, without starting anything. Reports every mistake
at once, with its line and its place in the file. The callbacks are imported, and the
environment variables that the file refers to must be set.

The exit status is 0 if there are no mistakes, and 2 otherwise."""

_EXAMPLES = """\
  object-storage-proxy check-config
  object-storage-proxy check-config --config /etc/object-storage-proxy/proxy.toml"""


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(adder, "check-config", "check a configuration", _DESCRIPTION, _EXAMPLES)
    add_config(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints how many entries there are, or raises MistakesError."""
    DotEnv().load()
    read = settings.read(options.config)
    for warning in read.warnings:
        print(f"{PROG}: warning: {warning}", file=sys.stderr)
    config = read.config()
    count = len(config.cos_map)
    print(f"{read.path or 'the environment'}: no mistakes, {count} entries in cos_map")
    return 0
