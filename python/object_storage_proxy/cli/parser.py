"""The parser of the command line, put together from its commands."""

from __future__ import annotations

import argparse

from .._version import __version__
from . import (
    check_config,
    completion,
    credentials,
    doctor,
    invalidate,
    issue,
    keygen,
    policy,
    presign,
    serve,
)
from .common import PROG

__all__ = ["build"]

_DESCRIPTION = """\
An S3 proxy: clients sign with keys that you hand out, your Python functions decide who may
do what, and the proxy signs again for the store."""

_EXAMPLES = """\
first steps:
  object-storage-proxy keygen alice          # a key pair for a client, as TOML
  object-storage-proxy check-config          # find mistakes in proxy.toml
  object-storage-proxy doctor                # check that its stores respond
  object-storage-proxy serve                 # serve until Ctrl-C

`object-storage-proxy COMMAND --help` shows the options and examples of a command."""


def build() -> argparse.ArgumentParser:
    """The whole parser; options.run is the chosen command, or None, and options.parser this."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    parser.set_defaults(run=None, parser=parser)
    adder = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command in (
        serve,
        check_config,
        presign,
        keygen,
        issue,
        credentials,
        policy,
        doctor,
        invalidate,
        completion,
    ):
        command.add(adder)
    return parser
