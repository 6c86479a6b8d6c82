"""An S3 proxy whose rules are Python functions.

    export STORE_ACCESS_KEY=... STORE_SECRET_KEY=...
    python demo_proxy.py

Clients then talk to http://127.0.0.1:8080 with the keys below.
"""

from __future__ import annotations

import os
from typing import Any

import object_storage_proxy as osp

# Keys that you hand out. A dict here; in practice often a table or a vault.
SECRETS = {"alice": "alice-secret", "bob": "bob-secret"}


def secret_of(access_key: str) -> str | None:
    """The secret with which a client has to sign; None for an unknown key."""
    return SECRETS.get(access_key)


def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
    """Alice may do everything, Bob may read. The token is the client's access key."""
    if token == "alice":
        return True
    return token == "bob" and request["method"] in ("GET", "HEAD")


def store_credentials(token: str, bucket: str) -> dict[str, str]:
    """What the proxy signs with for the store."""
    return {
        "access_key": os.environ["STORE_ACCESS_KEY"],
        "secret_key": os.environ["STORE_SECRET_KEY"],
    }


def main() -> None:
    osp.start_server(
        osp.ProxyServerConfig(
            cos_map={
                "demo": {
                    "host": os.getenv("STORE_HOST", "s3.eu-west-1.amazonaws.com"),
                    "port": int(os.getenv("STORE_PORT", "443")),
                    "region": os.getenv("STORE_REGION", "eu-west-1"),
                    "addressing_style": os.getenv("STORE_STYLE", "virtual"),
                },
            },
            hmac_fetcher=secret_of,
            validator=may,
            bucket_creds_fetcher=store_credentials,
            host="127.0.0.1",
            http_port=int(os.getenv("PROXY_PORT", "8080")),
        )
    )


if __name__ == "__main__":
    main()
