"""What `doctor` does: it connects to stores, and lists a key of each bucket through a proxy."""

from __future__ import annotations

import copy
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..config import ProxyServerConfig
from ..server import ProxyServer
from . import settings
from .common import complain, escaped
from .listing import Causes, Lister, Listing
from .probe import Probe, Target, probe_store

__all__ = ["Finding", "examine", "lines"]

_PARALLEL = 8
_DAY = 86400
_EXPIRES_SOON = 14 * _DAY  # seconds
_SKEW_WARNS, _SKEW_FAILS = 60, 15 * 60  # seconds; AWS refuses more than 15 minutes


@dataclass
class Finding:
    """What was found out about one bucket."""

    bucket: str
    store: str
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    region: str | None = None
    tls: str | None = None
    certificate_days: int | None = None
    clock_skew_seconds: float | None = None
    connect_ms: int | None = None
    answer_ms: int | None = None


def examine(
    config: ProxyServerConfig,
    entries: list[tuple[str, dict[str, Any]]],
    token: str,
    timeout: float,
) -> list[Finding]:
    """Checks the store of each bucket and entry, with the credentials that a token gets."""
    verify = config.verify is not False
    progress = _Progress(len(entries))
    pair = {"access_key": token, "secret_key": secrets.token_urlsafe(30)}
    private = _private(config, pair, timeout)
    with Causes() as causes, ProxyServer(private) as server:
        lister = Lister(str(server.http_url), pair, timeout, causes)

        def check(bucket: str, entry: dict[str, Any]) -> Finding:
            target = Target.of(entry, verify)
            finding = Finding(bucket, f"{target.host}:{target.port}", region=entry.get("region"))
            if entry.get("trust_env"):
                finding.warnings.append("reached through HTTP(S)_PROXY: TLS was not checked")
            else:
                _note_probe(finding, probe_store(target, timeout))
            if "*" in bucket:
                finding.warnings.append("an entry for many buckets: choose one with --bucket")
            elif not finding.problems:
                _note_listing(finding, lister.list_one(bucket))
            progress.done(bucket)
            return finding

        with ThreadPoolExecutor(_PARALLEL) as pool:
            findings = list(pool.map(lambda item: check(*item), entries))
    progress.end()
    for line in causes.failures:
        complain(line)
    return findings


def _private(config: ProxyServerConfig, pair: dict[str, str], timeout: float) -> ProxyServerConfig:
    """The configuration for a proxy that only this process can use."""
    private = copy.copy(config)
    for name, parameter in settings.PARAMETERS.items():
        if name not in ("cos_map", "verify", "iam_endpoint", "bucket_creds_fetcher", "event_loop"):
            setattr(private, name, parameter.default)
    # Nobody but the doctor asks, so that nothing is left to decide.
    undecided = {"policy": None, "anonymous": False, "bearer": None, "limits": None}
    timeouts = {"connect_timeout": timeout, "answer_timeout": timeout}
    private.cos_map = {
        name: {**entry, **undecided, **timeouts} for name, entry in config.cos_map.items()
    }
    private.hmac_keystore = [pair]
    private.host, private.http_port = "127.0.0.1", 0
    private.callback_timeout, private.drain_timeout = timeout, 0
    return private


def _note_probe(finding: Finding, probe: Probe) -> None:
    if probe.problem is not None:
        finding.problems.append(probe.problem)
        return
    finding.tls = probe.tls
    finding.connect_ms = round(probe.connect * 1000)
    if probe.certificate_ends is not None:
        left = probe.certificate_ends - time.time()
        finding.certificate_days = int(left // _DAY)
        if left < _EXPIRES_SOON:
            finding.warnings.append(f"its certificate expires in {finding.certificate_days} days")
    if probe.skew is not None:
        finding.clock_skew_seconds = round(probe.skew, 1)
        if abs(probe.skew) > _SKEW_WARNS:
            lists = finding.problems if abs(probe.skew) > _SKEW_FAILS else finding.warnings
            lists.append(f"its clock and this one differ by {abs(probe.skew):.0f} s")


def _note_listing(finding: Finding, listing: Listing) -> None:
    finding.answer_ms = round(listing.seconds * 1000)
    if listing.problem is not None:
        finding.problems.append(listing.problem)
    if listing.region is not None and listing.region != (finding.region or "us-east-1"):
        said = finding.region or "none"
        finding.warnings.append(f"it is in region {listing.region}; the configuration says {said}")
        finding.region = listing.region


def lines(finding: Finding) -> Iterable[str]:
    """What is printed of it."""
    verdict = "FAILED" if finding.problems else "ok"
    yield f"{verdict:7} {finding.bucket}  at {finding.store}"
    seen = [
        finding.region and f"region {finding.region}",
        finding.tls,
        finding.certificate_days is not None and f"certificate for {finding.certificate_days} days",
        finding.clock_skew_seconds is not None and f"clock {finding.clock_skew_seconds:+.1f} s",
        finding.connect_ms is not None and f"connected in {finding.connect_ms} ms",
        finding.answer_ms is not None and f"listed in {finding.answer_ms} ms",
    ]
    if line := ", ".join(text for text in seen if text):
        yield f"        {line}"
    yield from (f"        {problem}" for problem in finding.problems)
    yield from (f"        warning: {warning}" for warning in finding.warnings)


class _Progress:
    """One line of progress on stderr, if that is a terminal."""

    def __init__(self, total: int) -> None:
        self._total, self._count = total, 0
        self._lock = threading.Lock()
        self._write: Callable[[str], object] | None = None
        if sys.stderr.isatty():
            self._write = sys.stderr.write
        self._show("")

    def done(self, bucket: str) -> None:
        with self._lock:
            self._count += 1
            self._show(bucket)

    def _show(self, bucket: str) -> None:
        if self._write:
            self._write(
                f"\r\x1b[K{self._count} of {self._total} entries checked  {escaped(bucket[:40])}"
            )
            sys.stderr.flush()

    def end(self) -> None:
        if self._write:
            self._write("\r\x1b[K")
            sys.stderr.flush()
