"""Temporary keys, as the tools of AWS read them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field

__all__ = ["FORMATS", "TemporaryKeys"]

FORMATS = ("process", "env")


@dataclass(frozen=True)
class TemporaryKeys:
    """Keys that end by themselves. Their repr does not show what is secret."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: str  # ISO 8601

    def render(self, form: str) -> str:
        """What to print: for a `credential_process`, or for a shell."""
        if form == "process":
            return json.dumps(
                {
                    "Version": 1,
                    "AccessKeyId": self.access_key,
                    "SecretAccessKey": self.secret_key,
                    "SessionToken": self.session_token,
                    "Expiration": self.expiration,
                }
            )
        names = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.session_token,
            "AWS_CREDENTIAL_EXPIRATION": self.expiration,
        }
        return "\n".join(f"export {name}={shlex.quote(text)}" for name, text in names.items())
