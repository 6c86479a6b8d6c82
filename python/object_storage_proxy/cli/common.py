"""What several commands have: the program's name, options, how help texts look."""

from __future__ import annotations

import argparse
from typing import TypeAlias

__all__ = ["PROG", "Adder", "add_command", "add_config"]

PROG = "object-storage-proxy"

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


def add_config(parser: argparse.ArgumentParser) -> None:
    """Adds --config."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="the configuration, a TOML file; default: the environment variable OSP_CONFIG, "
        "else proxy.toml in the working directory, if there is one",
    )
