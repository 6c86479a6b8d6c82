"""`credentials`: an identity token becomes temporary keys."""

from __future__ import annotations

import argparse
import ipaddress
import os
from urllib.parse import urlsplit

from .common import Adder, add_command
from .problems import MistakesError
from .sts import Endpoint, assume_role_with_web_identity
from .temporary import add_format, spelled

_DESCRIPTION = """\
Gets temporary keys from a proxy for an identity token, and prints them: for the setting
credential_process of S3 clients, or as variables. It is a client: it needs no configuration
of the proxy's, and no keys.

Without the options it reads AWS's own variables: AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL,
AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_SESSION_NAME, AWS_CA_BUNDLE. SDKs that
read them do all of this themselves."""

_EXAMPLES = """\
  object-storage-proxy credentials --endpoint https://s3.example.com --role reader \\
      --token-file /var/run/secrets/tokens/proxy
  export $(object-storage-proxy credentials --role reader --token-file token --format env)
  aws s3 ls s3://photos"""


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(
        adder, "credentials", "get temporary keys for an identity token", _DESCRIPTION, _EXAMPLES
    )
    parser.add_argument("--endpoint", metavar="URL", help="of the proxy")
    parser.add_argument("--role", metavar="NAME", help="the role to assume, or its ARN")
    parser.add_argument("--token-file", metavar="FILE", help="contains the identity token")
    parser.add_argument(
        "--session-name", metavar="NAME", help="of the session; default: object-storage-proxy"
    )
    parser.add_argument(
        "--duration", metavar="SECONDS", type=int, help="of the session; default: the role's"
    )
    parser.add_argument(
        "--ca-file", metavar="FILE", help="certificates to trust; default: the system's"
    )
    add_format(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the keys."""
    url = _given(options.endpoint, "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL", option="--endpoint")
    endpoint = _endpoint(url, options.ca_file or os.environ.get("AWS_CA_BUNDLE") or None)
    parameters = {
        "RoleArn": _arn(_given(options.role, "AWS_ROLE_ARN", option="--role")),
        "RoleSessionName": options.session_name
        or os.environ.get("AWS_ROLE_SESSION_NAME")
        or "object-storage-proxy",
        "WebIdentityToken": _token(
            _given(options.token_file, "AWS_WEB_IDENTITY_TOKEN_FILE", option="--token-file")
        ),
    }
    if options.duration is not None:
        parameters["DurationSeconds"] = str(options.duration)
    keys = assume_role_with_web_identity(endpoint, parameters)
    print(spelled(keys, options.format), end="")
    return 0


def _given(value: str | None, *variables: str, option: str) -> str:
    """An option, or the first of some variables that has a value."""
    for text in (value, *map(os.environ.get, variables)):
        if text:
            return text
    raise MistakesError(f"{option} is required, or {' or '.join(variables)}")


def _endpoint(text: str, ca_file: str | None) -> Endpoint:
    try:
        url = urlsplit(text)
        known = url.scheme in ("http", "https") and url.hostname and not url.username
    except ValueError:
        known = False
    if not known or url.path not in ("", "/") or url.query or url.fragment:
        raise MistakesError("the endpoint must be a URL such as https://s3.example.com")
    if url.scheme == "http" and not _loopback(url.hostname or ""):
        raise MistakesError(
            "the endpoint must be one with https, or on this machine: others could read the token"
        )
    if ca_file is not None and not os.access(ca_file, os.R_OK):
        raise MistakesError(f"--ca-file: {ca_file} can't be read")
    return Endpoint(url.scheme == "https", url.netloc, ca_file)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _arn(role: str) -> str:
    return role if role.startswith("arn:") else f"arn:aws:iam::000000000000:role/{role}"


def _token(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MistakesError(f"--token-file: {path} can't be read") from error
    if not token:
        raise MistakesError(f"--token-file: {path} is empty")
    return token
