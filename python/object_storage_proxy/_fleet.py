"""What can be done about the shared state of a configuration without a server."""

from __future__ import annotations

from typing import TypedDict

from ._aside import aside
from ._process import prepared
from ._revocation import milliseconds, revocation
from .config import ProxyServerConfig

__all__ = ["Report", "examine", "revoke"]


class Report(TypedDict):
    """What was found out about the shared state.

    Attributes:
        server: its name and version.
        seconds: that the median round trip took.
        clock_offset: seconds that its clock is ahead.
        eviction: its maxmemory-policy.
        copies: replicas of it.
        replicas: proxies that share it.
        problems: what has to be mended.
    """

    server: str
    seconds: float
    clock_offset: float
    eviction: str
    copies: int
    replicas: int
    problems: list[str]


def revoke(
    config: ProxyServerConfig,
    token: str | None = None,
    bucket: str | None = None,
    *,
    role: str | None = None,
    subject: str | None = None,
    wait: float,
) -> None:
    """Does what `ProxyServer.invalidate` does, for a fleet, from outside of it.

    Raises:
        TypeError, ValueError, TimeoutError, SharedStateError: as invalidate.
        ConfigError: the configuration has mistakes, or no shared_state.
        RuntimeError, ImportError: as start() does.
    """
    about = revocation(token, bucket, role, subject)
    wait_ms = milliseconds("wait", wait)
    lib, document = prepared(config)
    aside(lambda: lib.revoke(document, about, wait_ms))


def examine(config: ProxyServerConfig, timeout: float) -> Report:
    """Does once what a replica does at the shared state, and reports how that went.

    Raises ConfigError, RuntimeError and ImportError as start() does.
    """
    lib, document = prepared(config)
    report: Report = lib.examine(document, milliseconds("timeout", timeout))
    return report
