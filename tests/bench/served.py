"""A proxy as its users start it: the contestant's own Python runs this script.

The one argument is JSON: the configuration, and which callables and loops to add.
The same script serves both proxies that have this API.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import object_storage_proxy as osp


def _secret(access_key: str) -> str | None:
    """Every key that starts like this has the one secret: no two are alike, all are valid."""
    return wanted["secret"] if access_key.startswith(wanted["prefix"]) else None


def _allow(token: str, bucket: str) -> bool:
    if wanted["count"]:
        print("asked", flush=True)
    return True


def _spin() -> None:
    while True:
        pass


wanted: dict[str, Any] = json.loads(sys.argv[1])
settings = wanted["settings"]
settings["validator"] = _allow
if wanted["prefix"]:
    settings["hmac_fetcher"] = _secret
if wanted["busy"]:
    threading.Thread(target=_spin, daemon=True).start()
osp.start_server(osp.ProxyServerConfig(**settings))
