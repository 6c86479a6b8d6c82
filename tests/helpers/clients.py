"""S3 clients as users have them: boto3 and aws-cli with their own defaults."""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest

from helpers.children import clean_environment


@dataclass(frozen=True)
class Keys:
    """An access key and its secret."""

    access: str
    secret: str


CLIENT = Keys("client-key", "client-secret")  # that proxies under test know


@functools.cache
def _session() -> boto3.session.Session:
    """One for all: a session of its own would make each client read the API models."""
    return boto3.session.Session()


def boto(
    url: str,
    keys: Keys,
    *,
    ca: Path | None = None,
    retry: bool = True,
    session_token: str | None = None,
    region: str = "us-east-1",
    **config: Any,
) -> Any:
    """A boto3 client with default settings, but for the path style.

    retry=False gives every answer as it comes, for tests that await a failure.
    """
    settings: dict[str, Any] = {"s3": {"addressing_style": "path"}, "read_timeout": 60, **config}
    if not retry:
        settings["retries"] = {"total_max_attempts": 1}
    return _session().client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        aws_session_token=session_token,
        region_name=region,
        verify=str(ca) if ca else None,
        config=botocore.config.Config(**settings),
    )


@dataclass(frozen=True)
class Refusal:
    """The error answer that a client saw."""

    status: int
    code: str
    message: str


def refused(call: Any, **kwargs: Any) -> Refusal:
    """Calls, expects an S3 error and returns it; a success fails the test."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**kwargs)
    response = caught.value.response
    return Refusal(
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
        response["Error"].get("Message", ""),
    )


@dataclass(frozen=True)
class AwsCli:
    """The aws command with default settings, in a home of its own."""

    url: str
    keys: Keys
    home: Path
    ca: Path | None = None

    def run(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        extra = {"AWS_CA_BUNDLE": str(self.ca)} if self.ca else {}
        return subprocess.run(
            [str(Path(sys.executable).parent / "aws"), *map(str, args)],
            env=clean_environment(
                HOME=str(self.home),
                AWS_ENDPOINT_URL=self.url,
                AWS_ACCESS_KEY_ID=self.keys.access,
                AWS_SECRET_ACCESS_KEY=self.keys.secret,
                AWS_DEFAULT_REGION="us-east-1",
                **extra,
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )

    def __call__(self, *args: str | Path) -> str:
        """Runs the command, fails the test when it fails, returns its output."""
        done = self.run(*args)
        assert done.returncode == 0, f"aws {' '.join(map(str, args))}:\n{done.stdout}{done.stderr}"
        return done.stdout
