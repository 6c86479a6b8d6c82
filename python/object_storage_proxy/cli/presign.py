"""`presign`: a URL that works without a key."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from . import settings
from .buckets import entry_name
from .common import Adder, add_command, add_config, seconds
from .environment import DotEnv
from .problems import MistakesError
from .sigv4 import PARAMETERS, Credentials, presign

_DESCRIPTION = """\
Prints a URL with which anybody can do one thing until it expires: get, put, delete ...
one object through the proxy. The validator is not asked now, but whenever the URL is used.

The key pair is that of --access-key, with the secret from --secret-key-file, the
environment or hmac_keystore; without the option, AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN for a temporary key), or the only pair in
hmac_keystore. There is no option for the secret itself, because other users of the
machine can see a command's arguments.

The endpoint is --endpoint, else AWS_ENDPOINT_URL, else derived from the configuration:
its domain, or its host, with its port. Give it explicitly if there is a load balancer in
between: the signature covers the host that the client names.

A URL works max_presign_url_usage_attempts times, 3 by default."""

_EXAMPLES = """\
  object-storage-proxy presign photos/2026/a.jpg
  object-storage-proxy presign s3://photos/new.jpg --method PUT --expires 15m
  object-storage-proxy presign photos/a.jpg --access-key alice \\
      --endpoint https://s3.example.com --query response-content-type=image/jpeg"""

_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


def add(adder: Adder) -> None:
    """Adds the command."""
    parser = add_command(
        adder, "presign", "create a URL that works without a key", _DESCRIPTION, _EXAMPLES
    )
    parser.add_argument(
        "object", metavar="BUCKET/KEY", help="also s3://BUCKET/KEY, or only a BUCKET"
    )
    add_config(parser)
    parser.add_argument(
        "-m", "--method", type=str.upper, choices=_METHODS, default="GET", help="default: GET"
    )
    parser.add_argument(
        "-e", "--expires", metavar="TIME", default="1h", help="90, 15m, 12h, 7d; default: 1h"
    )
    parser.add_argument("--endpoint", metavar="URL", help="of the proxy, as its clients use it")
    parser.add_argument("--access-key", metavar="ID", help="the client to sign as")
    parser.add_argument(
        "--secret-key-file", metavar="FILE", help="contains the secret of --access-key; -: stdin"
    )
    parser.add_argument(
        "--region", metavar="NAME", help="default: AWS_REGION, AWS_DEFAULT_REGION, or us-east-1"
    )
    parser.add_argument(
        "--query", metavar="NAME=VALUE", action="append", default=[], help="an additional parameter"
    )
    parser.add_argument(
        "--header",
        metavar="NAME:VALUE",
        action="append",
        default=[],
        help="a header that must be sent with the request, such as content-type:text/csv",
    )
    parser.add_argument(
        "--virtual-hosted", action="store_true", help="put the bucket into the host name"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the URL."""
    DotEnv().load()
    read = _read(options)
    values = read.values
    bucket, _, key = options.object.removeprefix("s3://").partition("/")
    if not bucket:
        raise MistakesError(f"{options.object!r} names no bucket: write BUCKET/KEY")
    _check_bucket(bucket, values)
    scheme, host = _endpoint(options, values)
    if options.virtual_hosted:
        host, path = f"{bucket}.{host}", f"/{key}"
    else:
        path = f"/{bucket}/{key}" if key else f"/{bucket}"
    region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    query = [_pair(text, "=", "--query") for text in options.query]
    if any(name.lower() in PARAMETERS for name, _ in query):
        raise MistakesError("--query must not name parameters of the signature")
    try:
        url = presign(
            _credentials(options, read),
            options.method,
            scheme,
            host,
            path,
            region=region or "us-east-1",
            expires=seconds("--expires", options.expires, "7d"),
            now=datetime.now(timezone.utc),
            query=query,
            headers=dict(_pair(text, ":", "--header") for text in options.header),
        )
    except UnicodeEncodeError as error:
        raise MistakesError(
            "what is signed must be UTF-8, except for the object and --query"
        ) from error
    print(url)
    return 0


def _read(options: argparse.Namespace) -> settings.Settings:
    """The configuration; an empty one if there is none."""
    if settings.find(options.config) is None:
        return settings.Settings(None)
    return settings.read(options.config)


def _check_bucket(bucket: str, values: dict[str, Any]) -> None:
    """Finds a mistyped bucket now, rather than when somebody uses the URL."""
    entries = values.get("cos_map")
    if isinstance(entries, dict) and entry_name(bucket, entries) is None:
        raise MistakesError(f"the configuration has no bucket {bucket}")


def _endpoint(options: argparse.Namespace, values: dict[str, Any]) -> tuple[str, str]:
    """Scheme and host, as the Host header will have it."""
    given = options.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    if given is None:
        return _own_endpoint(values)
    try:
        url = urlsplit(given)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query:
        raise MistakesError("the endpoint must be a URL such as https://s3.example.com")
    if url.path not in ("", "/"):
        raise MistakesError("the endpoint must have no path: the proxy's paths begin with a bucket")
    return url.scheme, _host(url.scheme, url.hostname, port)


def _own_endpoint(values: dict[str, Any]) -> tuple[str, str]:
    scheme = "http" if values.get("https_port") is None else "https"
    port = values.get(f"{scheme}_port")
    if not isinstance(port, int) or port == 0:
        raise MistakesError("give the proxy's --endpoint: the configuration has no port for it")
    host = values.get("domain") or values.get("host")
    if host in (None, "", "0.0.0.0", "::"):  # all addresses: none that a client could use
        raise MistakesError("give the proxy's --endpoint: the configuration has no name for it")
    return scheme, _host(scheme, str(host), port)


def _host(scheme: str, name: str, port: int | None) -> str:
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return name if port in (None, {"http": 80, "https": 443}[scheme]) else f"{name}:{port}"


def _credentials(options: argparse.Namespace, read: settings.Settings) -> Credentials:
    name = options.access_key
    if options.secret_key_file is not None:
        if name is None:
            raise MistakesError("--secret-key-file needs --access-key")
        return Credentials(name, _secret_in(options.secret_key_file))
    in_environment = os.environ.get("AWS_ACCESS_KEY_ID")
    if in_environment and name in (None, in_environment):
        return _from_environment()
    read.require("hmac_keystore")
    pairs = [p for p in read.values.get("hmac_keystore") or [] if isinstance(p, dict)]
    known = {p.get("access_key"): p.get("secret_key") for p in pairs}
    if name is None and len(known) == 1:
        (name,) = known
    elif name is None:
        raise MistakesError(
            "choose a key with --access-key or AWS_ACCESS_KEY_ID: "
            f"the configuration has {len(known)}"
        )
    secret = known.get(name)
    if not name or not secret:
        raise MistakesError(
            "hmac_keystore has no such key pair: give its secret with --secret-key-file"
        )
    return Credentials(name, secret)


def _from_environment() -> Credentials:
    secret = os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not secret:
        raise MistakesError("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")
    return Credentials(
        os.environ["AWS_ACCESS_KEY_ID"], secret, os.environ.get("AWS_SESSION_TOKEN") or None
    )


def _secret_in(path: str) -> str:
    try:
        if path == "-":
            text = sys.stdin.readline()
        else:
            with open(path, encoding="utf-8") as file:
                text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise MistakesError(f"--secret-key-file: {path} can't be read") from error
    if not text.strip("\r\n"):
        raise MistakesError(f"--secret-key-file: {path} is empty")
    return text.strip("\r\n")


def _pair(text: str, separator: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not found or not name.strip():
        raise MistakesError(f"{option} must be NAME{separator}VALUE")
    return name.strip(), value.strip() if separator == ":" else value
