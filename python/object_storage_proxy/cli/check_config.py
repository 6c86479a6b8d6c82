"""`check-config`: every mistake of a configuration at once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..config import ProxyServerConfig
from . import settings
from .common import Adder, add_command, add_config, complain, show
from .environment import DotEnv

_DESCRIPTION = """\
Checks a configuration as `serve` would, without starting anything. Reports every mistake
at once, with its line and its place in the file. The callbacks are imported, and the
environment variables that the file refers to must be set. Warns of statements of policies
that allow something beside a validator, whose word is final.

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
        complain(f"warning: {warning}")
    config = read.config()
    for warning in _without_effect(config):
        complain(f"warning: {warning}")
    count = len(config.cos_map)
    show(f"{read.path or 'the environment'}: no mistakes, {count} entries in cos_map")
    return 0


def _without_effect(config: ProxyServerConfig) -> Iterator[str]:
    """Names the statements that allow something about which the validator decides."""
    if config.validator is None:
        return
    policies = {"policy": config.policy}
    for name, entry in config.cos_map.items():
        policies[f"cos_map.{name}.policy"] = entry.get("policy")
    for path, policy in policies.items():
        if policy is None:
            continue
        allowing = [
            statement.get("Sid") or f"Statement[{index}]"
            for index, statement in enumerate(_statements(policy))
            if statement["Effect"] == "Allow"
        ]
        if allowing:
            yield f"{path}: {', '.join(allowing)}: no effect, since the validator decides"


def _statements(policy: Any) -> list[Mapping[str, Any]]:
    """Those of a policy without mistakes: a mapping, or the path of a file."""
    if not isinstance(policy, Mapping):
        with open(policy, encoding="utf-8") as file:
            policy = json.load(file)
    statements = policy["Statement"]
    return [statements] if isinstance(statements, Mapping) else list(statements)
