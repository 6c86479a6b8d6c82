"""Who is measured: each in a process of its own, in front of the same store."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import nginx
from bench.signing import REGION, Keys
from bench.stores import Addresses
from helpers.certificates import Certificates
from helpers.children import Child
from helpers.wait import free_port

OURS, ORIGINAL, NGINX = "ours", "original", "nginx"
NAMES = (OURS, ORIGINAL, NGINX)
CLIENT = Keys("bench-client", "bench-secret")
NEW_KEYS = "new"  # access keys that start like this have CLIENT's secret, by hmac_fetcher
_SERVED = Path(__file__).with_name("served.py")
_STORE_KEYS = Keys("store-owner", "store-owner-secret")


@dataclass(frozen=True)
class Way:
    """How a contestant is started. threads None is its own default."""

    threads: int | None = 1
    busy: bool = False
    fetcher: bool = False
    count: bool = False


@dataclass(frozen=True)
class Running:
    """A contestant that listens."""

    name: str
    child: Child
    http: int
    https: int

    def port(self, scheme: str) -> int:
        return self.http if scheme == "http" else self.https


def start(
    name: str, way: Way, stores: Addresses, certificates: Certificates, folder: Path
) -> Running:
    """Starts a contestant and waits until it listens; the caller ends its child."""
    folder.mkdir(parents=True, exist_ok=True)
    http, https = free_port(), free_port()
    if name == NGINX:
        child = nginx.proxy(folder, http, https, stores, certificates, way.threads)
    else:
        child = _python(name, way, http, https, stores, certificates, folder)
    running = Running(name, child, http, https)
    try:
        child.listening(http)
        child.listening(https)
    except BaseException:
        child.stop(2)
        raise
    return running


def _python(
    name: str,
    way: Way,
    http: int,
    https: int,
    stores: Addresses,
    certificates: Certificates,
    folder: Path,
) -> Child:
    settings: dict[str, object] = {
        "cos_map": {
            bucket: {
                "host": "127.0.0.1",
                "port": port,
                "region": REGION,
                "access_key": _STORE_KEYS.access,
                "secret_key": _STORE_KEYS.secret,
                "addressing_style": "path",
                "is_tls_enabled": False,
            }
            for bucket, port in stores.by_bucket.items()
        },
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "http_port": http,
        "https_port": https,
    }
    if way.threads is not None:
        settings["threads"] = way.threads
    if name == OURS:
        settings["host"] = "127.0.0.1"
    wanted = {
        "settings": settings,
        "busy": way.busy,
        "count": way.count,
        "prefix": NEW_KEYS if way.fetcher else "",
        "secret": CLIENT.secret,
    }
    env = {"TLS_CERT_PATH": str(certificates.cert), "TLS_KEY_PATH": str(certificates.key)}
    args = [python(name), _SERVED, json.dumps(wanted)]
    return Child(args, folder / f"{name}.log", env=env, cwd=folder)


def python(name: str) -> Path:
    """The interpreter that has the contestant's wheel installed."""
    if name == OURS:
        return Path(sys.executable)
    return _SERVED.parents[2] / ".build" / "bench" / "original" / "bin" / "python"
