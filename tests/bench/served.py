"""A proxy as its users start it: the contestant's own Python runs this script.

The one argument is JSON: the configuration, and what to add to it. The same
script serves both proxies that have this API.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import object_storage_proxy as osp

wanted: dict[str, Any] = json.loads(sys.argv[1])


def secret_of(access_key: str) -> str | None:
    """All keys that start alike have one secret: signing them in advance costs nothing."""
    return wanted["secret"] if access_key.startswith(wanted["prefix"]) else None


def allow(token: str, bucket: str) -> bool:
    return True


def allow_slowly(token: str, bucket: str) -> bool:
    print("asked", flush=True)
    time.sleep(0.5)
    return True


def never_wait() -> None:
    while True:
        pass


settings = wanted["settings"]
if wanted["policy"]:
    settings["policy"] = wanted["policy"]
else:
    settings["validator"] = allow_slowly if wanted["slow"] else allow
if wanted["prefix"]:
    settings["hmac_fetcher"] = secret_of
if wanted["busy"]:
    threading.Thread(target=never_wait, daemon=True).start()
osp.start_server(osp.ProxyServerConfig(**settings))
