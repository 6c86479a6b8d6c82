"""Temporary keys, issued by the keyring of those who are measured with them."""

from __future__ import annotations

from functools import cache

import object_storage_proxy as osp

from bench.contestants import RING
from bench.signing import Keys

# Several times as many as a proxy keeps open: when they come round each is new again.
MANY = 20_000


@cache
def issued() -> list[Keys]:
    """As many as a load needs that has new ones for each of its requests."""
    store = {"host": "127.0.0.1", "port": 9, "access_key": "a", "secret_key": "s"}
    config = osp.ProxyServerConfig(
        cos_map={"files": store}, hmac_keystore=[], shared_keys=RING, host="127.0.0.1", http_port=0
    )
    with osp.ProxyServer(config) as server:
        made = [server.issue(f"session-{number}", ttl=4 * 3600) for number in range(MANY)]
    return [Keys(each.access_key, each.secret_key, each.session_token) for each in made]
