"""Temporary keys, as S3 clients and their tools read them."""

from __future__ import annotations

import argparse
import json

from .._issue import TemporaryKeys

__all__ = ["add_format", "spelled"]


def add_format(parser: argparse.ArgumentParser) -> None:
    """Adds --format."""
    parser.add_argument(
        "-f",
        "--format",
        choices=sorted(_SPELLED, reverse=True),
        default="process",
        help="process: JSON for credential_process (the default); env: the variables that S3 "
        "clients read",
    )


def spelled(keys: TemporaryKeys, form: str) -> str:
    """What to print."""
    return _SPELLED[form](keys)


def _process(keys: TemporaryKeys) -> str:
    document = {
        "Version": 1,
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "SessionToken": keys.session_token,
        "Expiration": keys.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return json.dumps(document, indent=2) + "\n"


def _env(keys: TemporaryKeys) -> str:
    return (
        f"AWS_ACCESS_KEY_ID={keys.access_key}\n"
        f"AWS_SECRET_ACCESS_KEY={keys.secret_key}\n"
        f"AWS_SESSION_TOKEN={keys.session_token}\n"
    )


_SPELLED = {"process": _process, "env": _env}
