"""What `doctor` says about the shared state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._fleet import Report, examine
from ..config import ProxyServerConfig

__all__ = ["finding", "lines"]


def finding(config: ProxyServerConfig, timeout: float) -> dict[str, Any] | None:
    """What there is to say, as an object; None if the process is alone."""
    if config.shared_state is None:
        return None
    return {"shared_state": config.shared_state, **examine(config, timeout)}


def lines(found: dict[str, Any]) -> Iterable[str]:
    """What is printed of it."""
    report: Report = found  # type: ignore[assignment]
    verdict = "FAILED" if report["problems"] else "ok"
    yield f"{verdict:7} shared state  at {found['shared_state']}"
    if report["server"]:
        seen = [
            report["server"],
            f"a round trip in {report['seconds'] * 1000:.1f} ms",
            f"clock {report['clock_offset']:+.1f} s",
            f"maxmemory-policy {report['eviction']}",
            f"copies: {report['copies']}",
            f"proxies: {report['replicas']}",
        ]
        yield f"        {', '.join(seen)}"
    yield from (f"        {problem}" for problem in report["problems"])
