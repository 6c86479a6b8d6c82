"""Clients that have an identity token, and no keys; roles that they may have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from helpers.clients import CLIENT, Keys
from helpers.issuer import Issuer

ALL = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
READS = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def policy(*statements: dict[str, str]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


ROLE = {"policy": policy(ALL)}


def known(issuer: Issuer, **roles: dict[str, Any]) -> dict[str, Any]:
    """The parameters for roles that all subjects of an issuer have."""
    return {
        "issuers": {issuer.url: {"audiences": ["s3"]}},
        "roles": {
            name: {"issuers": [issuer.url], "subjects": "*", **role} for name, role in roles.items()
        },
    }


def arn(role: str) -> str:
    return f"arn:aws:iam::123456789012:role/{role}"


@dataclass
class Job:
    """A client that has a token in files, and no keys."""

    url: str  # of the proxy
    token_file: Path  # ends with a newline, as most files
    bare_file: Path  # does not: botocore takes no other one into a header

    def environment(self, role: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ROLE_ARN": arn(role),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.token_file),
        }

    def container(self, role: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/-/credentials?role={role}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self.bare_file),
        }


def job(url: str, folder: Path, token: str) -> Job:
    files = folder / "token", folder / "bare"
    for file, end in zip(files, ("\n", ""), strict=True):
        file.write_text(token + end)
    return Job(url, *files)


def sts(front: Any, keys: Keys = CLIENT, token: str | None = None) -> Any:
    """A client of STS that signs with these keys."""
    return boto3.session.Session().client(
        "sts",
        endpoint_url=front.url(),
        region_name="us-east-1",
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def exchange(front: Any, token: str, role: str = "writer", **more: Any) -> Any:
    return sts(front).assume_role_with_web_identity(
        RoleArn=arn(role), RoleSessionName="test", WebIdentityToken=token, **more
    )


def holder(front: Any, answer: Any) -> Any:
    """An S3 client with the keys of an answer."""
    keys = answer["Credentials"]
    return front.boto(
        keys=Keys(keys["AccessKeyId"], keys["SecretAccessKey"]),
        session_token=keys["SessionToken"],
        retry=False,
    )
