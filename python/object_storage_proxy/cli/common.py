"""What several commands have: the program's name, options, how texts are printed.

Whatever a file or a peer said is printed by `show` or `complain`, or logged by `serve`, and
none of these lets a control character through: nothing can look like another line, or do
something to a terminal. What programs read (JSON, keys, URLs) is written by its own rules.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TypeAlias

from .problems import MistakesError

__all__ = ["PROG", "Adder", "add_command", "add_config", "complain", "escaped", "seconds", "show"]

PROG = "object-storage-proxy"

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

Adder: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    adder: Adder, name: str, summary: str, description: str, examples: str
) -> argparse.ArgumentParser:
    """Adds a command with a help text that keeps its line breaks."""
    return adder.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def escaped(text: str) -> str:
    """A text that others may have chosen, without what could affect a terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def show(line: str) -> None:
    """Prints one line."""
    print(escaped(line))


def complain(line: str) -> None:
    """Prints one line about what is wrong."""
    print(f"{PROG}: {escaped(line)}", file=sys.stderr)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Adds --config."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="the configuration, a TOML file; default: the environment variable OSP_CONFIG, "
        "else proxy.toml in the working directory, if there is one",
    )


def seconds(option: str, text: str, most: str) -> int:
    """What an option says in seconds, or in another unit: from one of them to a longest time."""
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", text, re.ASCII)
    value = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= value <= int(most[:-1]) * _UNITS[most[-1]]:
        raise MistakesError(f"{option} must be from 1s to {most}, such as 90, 15m or 12h")
    return value
