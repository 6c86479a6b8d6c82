"""Probes a store without credentials: whether it responds, its TLS, its clock."""

from __future__ import annotations

import email.utils
import http.client
import ssl
import time
from dataclasses import dataclass
from typing import Any

__all__ = ["Probe", "Target", "probe_store"]


@dataclass(frozen=True)
class Target:
    """A store's endpoint, with everything that decides how to connect to it."""

    host: str
    port: int
    tls: bool
    verify: bool = True
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None

    @classmethod
    def of(cls, entry: dict[str, Any], verify: bool) -> Target:
        """The target of an entry of cos_map that has been checked."""
        tls = entry.get("is_tls_enabled", entry.get("tls"))
        files = {n: entry.get(n) for n in ("ca_file", "client_cert_file", "client_key_file")}
        return cls(
            entry["host"],
            entry["port"],
            entry["port"] == 443 if tls is None else tls,
            verify,
            **files,
        )


@dataclass
class Probe:
    """What was found.

    Attributes:
        problem: why there was no response; None: there was one.
        connect, answer: seconds until the connection was established, and from the
            request to its response.
        tls: the version, such as "TLSv1.3"; None without TLS.
        certificate_ends: Unix seconds; None if it was not verified.
        skew: seconds that the store's clock is ahead of this one; None: not known.
    """

    problem: str | None = None
    connect: float = 0.0
    answer: float = 0.0
    tls: str | None = None
    certificate_ends: float | None = None
    skew: float | None = None


def probe_store(target: Target, timeout: float) -> Probe:
    """Connects and requests "/", to which every store responds, whatever the status."""
    probe = Probe()
    try:
        connection = _connection(target, timeout)
        try:
            began = time.monotonic()
            connection.connect()
            connected = time.monotonic()
            probe.connect = connected - began
            if isinstance(connection.sock, ssl.SSLSocket):
                probe.tls = connection.sock.version()
                certificate = connection.sock.getpeercert() or {}
                ends = certificate.get("notAfter")  # only if it was verified
                probe.certificate_ends = (
                    ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None
                )
            asked = time.time()
            connection.request("GET", "/")
            date = connection.getresponse().headers.get("Date")
            probe.answer = time.monotonic() - connected
            probe.skew = _skew(date, asked, time.time())
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        probe.problem = _told(error)
    return probe


def _connection(target: Target, timeout: float) -> http.client.HTTPConnection:
    if not target.tls:
        return http.client.HTTPConnection(target.host, target.port, timeout=timeout)
    context = ssl.create_default_context(cafile=target.ca_file)
    if not target.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if target.client_cert_file:
        context.load_cert_chain(target.client_cert_file, target.client_key_file)
    return http.client.HTTPSConnection(target.host, target.port, timeout=timeout, context=context)


def _skew(date: str | None, before: float, after: float) -> float | None:
    """Seconds that a Date header is ahead of the middle between two local times.

    The header is truncated to whole seconds, and stores format it once a second, so it
    is one second late on average.
    """
    try:
        said = email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    skew = said + 1 - (before + after) / 2
    uncertain = 1 + (after - before) / 2
    return 0.0 if abs(skew) <= uncertain else skew


def _told(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "does not respond in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
