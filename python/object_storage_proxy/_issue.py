"""Temporary keys, for whoever the owner hands them to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ._process import prepared
from .config import Policy, ProxyServerConfig
from .errors import ConfigError

__all__ = ["Claims", "TemporaryKeys", "issue", "request"]

Claims = Mapping[str, "str | Sequence[str]"]


@dataclass(frozen=True)
class TemporaryKeys:
    """Keys with which a client signs until they expire.

    Attributes:
        access_key: the access key id.
        secret_key: the secret key.
        session_token: what has to be sent along, as every S3 client does.
        expiration: when they end, in UTC.
    """

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime

    @classmethod
    def of(cls, issued: Mapping[str, Any]) -> TemporaryKeys:
        """The keys as the library returns them."""
        return cls(
            issued["access_key"],
            issued["secret_key"],
            issued["session_token"],
            datetime.fromtimestamp(issued["expiration"], timezone.utc),
        )


def request(
    token: str, ttl: float, policy: Policy | None, claims: Claims | None, name: str | None
) -> bytes:
    """What the library is asked for. Raises ConfigError."""
    from ._document import encode, snapshot

    given = {"token": token, "ttl": ttl, "policy": policy, "claims": claims, "name": name}
    document, mistakes = snapshot(given)
    if mistakes:
        raise ConfigError(mistakes)
    return encode(document)


def issue(config: ProxyServerConfig, wanted: bytes) -> TemporaryKeys:
    """Does what `ProxyServer.issue` does by the keyring of a configuration.

    Raises:
        ConfigError: the configuration has mistakes, or no shared_keys; or the request has.
        RuntimeError, ImportError: as start() does.
    """
    lib, document = prepared(config)
    return TemporaryKeys.of(lib.mint(document, wanted))
