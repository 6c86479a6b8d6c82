"""Every form that callbacks may have; `mypy --strict` accepts all of them."""

from __future__ import annotations

import asyncio
import functools
from datetime import datetime, timedelta, timezone
from typing import Any

import object_storage_proxy as osp

STORE: osp.CosMapItem = {"host": "s3.eu-west-1.amazonaws.com", "port": 443, "region": "eu-west-1"}


def validator(token: str, bucket: str) -> bool:
    return token == "alice"


def validator_of_three(token: str, bucket: str, request: dict[str, Any]) -> osp.Decision:
    return osp.Decision(request["operation"] == "GetObject", ttl=60, reason="reads only")


async def async_validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
    await asyncio.sleep(0)
    return bool(request["headers"].get("user-agent"))


def with_a_table(table: dict[str, bool], token: str, bucket: str) -> bool:
    return table.get(token, False)


class Owner:
    """Methods, and an object that is itself callable."""

    def validate(self, token: str, bucket: str) -> bool:
        return bucket.startswith(token)

    def secret(self, access_key: str) -> str | None:
        return {"alice": "alice-secret"}.get(access_key)

    async def credentials(
        self, token: str, bucket: str
    ) -> dict[str, str | float | datetime | None]:
        soon = datetime.now(timezone.utc) + timedelta(hours=1)
        return {"access_key": "key", "secret_key": "secret", "expiration": soon}

    def __call__(self, token: str, bucket: str, request: dict[str, Any]) -> bool:
        return False


async def temporary_key(access_key: str) -> dict[str, str | float | datetime | None] | None:
    return {"secret_key": "s", "session_token": "t", "expiration": 2e9}


def api_key(token: str, bucket: str) -> str:
    return "an IBM API key"


def configurations(loop: asyncio.AbstractEventLoop) -> list[osp.ProxyServerConfig]:
    owner = Owner()
    cos_map = {"data": STORE}
    return [
        osp.ProxyServerConfig(cos_map, validator=validator, hmac_fetcher=owner.secret),
        osp.ProxyServerConfig(cos_map, validator=validator_of_three, bucket_creds_fetcher=api_key),
        osp.ProxyServerConfig(cos_map, validator=async_validator, event_loop=loop),
        osp.ProxyServerConfig(cos_map, validator=functools.partial(with_a_table, {"bob": True})),
        osp.ProxyServerConfig(cos_map, validator=owner.validate, hmac_fetcher=temporary_key),
        osp.ProxyServerConfig(cos_map, validator=owner, bucket_creds_fetcher=owner.credentials),
        osp.ProxyServerConfig(cos_map, validator=lambda token, bucket: token == bucket),
    ]


def change(server: osp.ProxyServer) -> None:
    server.update(cos_map={"data": STORE}, hmac_keystore=[{"access_key": "a", "secret_key": "s"}])
    server.invalidate(token="alice", bucket="data")
    server.invalidate()
