"""What a proxy is made from."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from .decision import Decision

if TYPE_CHECKING:
    import asyncio
    from datetime import datetime

__all__ = ["CosMapItem", "ProxyServerConfig"]

CosMapItem = TypedDict(
    "CosMapItem",
    {
        "host": str,
        "port": int,
        "region": str | None,
        "api_key": str | None,
        "apikey": str | None,
        "access_key": str | None,
        "accessKey": str | None,
        "secret_key": str | None,
        "secretKey": str | None,
        "ttl": int | float | None,
        "time-to-live": int | float | None,
        "addressing_style": str | None,
        "addressingStyle": str | None,
        "is_tls_enabled": bool | None,
        "tls": bool | None,
        "checksums": str | None,
        "keys": str | None,
        "complete": bool | None,
        "unknown_operations": bool | None,
        "bucket": str | None,
        "prefix": str | None,
        "read_only": bool | None,
        "anonymous": bool | None,
        "ca_file": str | os.PathLike[str] | None,
        "client_cert_file": str | os.PathLike[str] | None,
        "client_key_file": str | os.PathLike[str] | None,
        "trust_env": bool | None,
        "connect_timeout": int | float | None,
        "answer_timeout": int | float | None,
    },
    total=False,
)
CosMapItem.__doc__ = """One entry of ``cos_map``: the store behind a bucket name.

The name may have one star (``"team-*"``, ``"*"``) and stands for every bucket then
that it fits and that has no entry of its own; of several the longest counts.

``host`` and ``port`` are required. A value of None means: not given.

Keys:
    host: required; name or address of the store, without scheme and port.
    port: required; 1 to 65535.
    region: the region that requests are signed for; default ``"us-east-1"``.
    access_key, secret_key (accessKey, secretKey): HMAC keys of the store; they win over
        an API key.
    api_key (apikey): an IBM Cloud API key.
    ttl (time-to-live): seconds that decisions and credentials of this bucket are
        kept; default 300; 0: not at all.
    addressing_style (addressingStyle): how the store wants the bucket, ``"virtual"`` or
        ``"path"``; default: the first, but for IP addresses.
    is_tls_enabled (tls): speak https with the store; default: when the port is 443.
    checksums: ``"forward"``, or ``"verify"``: trailing checksums of uploads are verified
        by the proxy and dropped, for stores that do not take them; default: the first,
        but for IBM.
    keys: how the store keeps keys, ``"opaque"``: as they are, or ``"path"``: cleaned like
        paths, so that those with empty segments, a slash before them, backslashes, ``.``
        or ``..`` are refused; default: the first for AWS, IBM, Google and Rook's Ceph by their
        hosts, the second for all others.
    complete: True says that the store has every operation of S3 and takes none for
        another one, so that the validator is asked once; default: True for AWS by its
        hosts.
    unknown_operations: True lets what S3 does not have through to the validator, as the
        operation ``"Unknown"``, and then to the store, whatever that makes of it.
    bucket: the store's own name of the bucket, where it is another one.
    prefix: a folder of the store's bucket that clients see as the whole bucket.
    read_only: True refuses whatever is not known to be a read.
    anonymous: True lets GET and HEAD without a signature through to the validator,
        whose token is ``""`` then; without a validator it is a mistake.
    ca_file: PEM file with the authorities for the store's certificate; default: the
        system's.
    client_cert_file, client_key_file: PEM files with which the proxy shows the store
        who it is.
    trust_env: True reaches the store through the proxy that HTTPS_PROXY, HTTP_PROXY and
        NO_PROXY name, as they were when the first proxy started.
    connect_timeout: seconds until a connection stands; default 10.
    answer_timeout: seconds from the end of a request to the first byte of its answer,
        then 504; default 60; ten times as long for CompleteMultipartUpload and copies.
"""

Verdict = bool | Decision
Validator = (
    Callable[[str, str], Verdict | Awaitable[Verdict]]
    | Callable[[str, str, dict[str, Any]], Verdict | Awaitable[Verdict]]
)
Credentials = str | Mapping[str, "str | float | datetime | None"]
BucketCredsFetcher = Callable[[str, str], Credentials | Awaitable[Credentials]]
HmacFetcher = Callable[[str], Credentials | Awaitable[Credentials | None] | None]
Path = str | os.PathLike[str]


@dataclass(slots=True, eq=False, repr=False)
class ProxyServerConfig:
    """The configuration of a proxy.

    Attributes may be changed until the proxy is started; it is then that they are
    checked, all at once: see `ConfigError`.

    The callbacks run on threads of the proxy, several at the same time, and may be
    ``async def``: those run on an event loop in a thread of their own. One that
    raises, or does not answer within ``callback_timeout``, refuses the request.
    Strings that came from a client may hold lone surrogates: the bytes that were
    not UTF-8 (``os.fsencode`` gives them back).

    Args:
        cos_map: bucket names as clients say them, each with its store; see
            `CosMapItem`.
        hmac_keystore: key pairs of clients, ``{"access_key": ..., "secret_key": ...}``.
        bucket_creds_fetcher: ``f(token, bucket)`` returns credentials for the store:
            an IBM API key, or JSON (or a mapping) with ``access_key`` and
            ``secret_key``, or ``api_key``; ``session_token``, ``expiration`` and ``ttl``
            where they have one. ``token`` is the client's access key id.
        http_port: 0 to 65535; 0 picks a free port; None: no http.
        https_port: likewise for https, with HTTP/2 and TLS 1.2 or newer. One of the two
            is required, or ``unix_socket``.
        validator: ``f(token, bucket)`` or ``f(token, bucket, request)`` returns True
            to allow, or a `Decision`. False refuses; anything else, however true, refuses
            and is logged. None: a valid signature is enough. ``request`` is a dict: the
            query parameters, and the names that the proxy knows itself, which no
            query parameter can replace: ``method``, ``path``, ``source`` (the
            client's address), ``operation``, ``bucket``, ``key``, ``headers``,
            ``query`` (all parameters, as pairs) and more; see docs/authorisation.md.
        threads: processors that the library uses at a time; None or 0: all that the
            process may use by its affinity and its cgroup (object-storage-proxy 0.6.12
            has 1; here an upload that is hashed would hold up all others on one). One
            number for the process: the server that was started last decides.
        verify: False turns off the check of the stores' certificates.
        skip_signature_validation: True accepts any signature: for development only.
            Lengths and checksums are still checked.
        hmac_fetcher: ``f(access_key)`` returns the secret of a client's key that is
            not in the keystore, or None for an unknown key; or a mapping with
            ``secret_key``, and ``session_token`` and ``expiration`` (datetime, Unix
            seconds or ISO 8601) for temporary keys, and ``ttl`` where it is to be kept for
            another time than ``hmac_ttl``.
        max_presign_url_usage_attempts: how often one presigned URL may be used;
            None or 0: no limit.
        server_name: the Server header of every answer; empty: none.
        auth_cache_capacity: decisions of the validator that are kept.
        metrics_port: 0 to 65535 for Prometheus' ``/metrics``, ``/healthz``, ``/readyz``
            and a status page; 0 picks a free port; None: none of them.
        host: the address to listen on.
        reuse_port: True lets several processes of one user listen on the same ports, if all
            of them say so (SO_REUSEPORT); Linux spreads the connections over them. Each
            needs a ``metrics_port`` of its own.
        unix_socket: path of a unix socket that speaks http, for the user of this process
            (mode 0600); a socket file that a dead process has left there is replaced.
            With it neither port is required.
        metrics_host: the address for ``metrics_port`` to listen on.
        metrics_hosts: names (``"osp.monitoring.svc"``) and addresses by which ``metrics_port``
            may be asked, beside its own address and ``localhost``; others get 421, since a
            page in a browser can take any name for that address. Where it listens on
            all addresses, any address will do.
        access_log: one line for each request, to ``"stderr"``, to ``"python"`` (the
            logger ``object_storage_proxy.access``) or to the file of that path; None:
            none.
        access_log_format: ``"json"``, ``"logfmt"`` or ``"combined"``.
        trusted_proxies: networks (``"10.0.0.0/8"``) of peers whose X-Forwarded-Host, -Port
            and -For count; ``"unix"`` stands for those that use the unix socket.
        proxy_protocol: True: each connection of the trusted proxies begins with a header of
            the PROXY protocol, version 1 or 2, and is refused otherwise. Its client's
            address is the one in the header. Headers of anybody else count for nothing.
        iam_endpoint: URL of IBM's token service, where API keys are exchanged; without a
            path ``/identity/token`` is added. None: the environment variable
            IBMCLOUD_IAM_API_ENDPOINT at the start, else IBM's own.
        max_connections: clients' connections that each port and the unix socket have open at
            a time; further ones wait until one ends. None: half of the files that the
            process may open, but no more than 10,000. An idle one takes some 20 KiB.
        callback_concurrency: calls of the callbacks that run at the same time. An eighth of
            them, and one at least, is for questions about access keys with which nobody has
            signed yet, which get no more, and half of them for requests without a signature:
            a scan leaves the rest to clients.
        callback_queue: calls that may wait for their turn; past that 503 SlowDown.
            Questions about such keys have a queue of their own, an eighth as long, and those
            about requests without a signature one that is half as long.
        callback_timeout: seconds that a callback has, waiting for its turn included; then
            503 SlowDown.
        drain_timeout: seconds that a stop waits for requests in flight.
        hmac_ttl: seconds that answers of ``hmac_fetcher`` are kept, and so the longest that
            a key works which it does not know any more; that it knows no such key is kept
            for 5 seconds at most; 0: every request asks.
        auth_cache_by: what a decision of a validator with three parameters is kept
            by: some of ``"token"``, ``"bucket"``, ``"method"``, ``"path"``, ``"query"`` and
            ``"source"``; None: all that it sees.
        tls_cert_path, tls_key_path: PEM files for https, read again when they change; None:
            the environment variables TLS_CERT_PATH and TLS_KEY_PATH at the start.
        tls_client_ca_path: PEM file with authorities; clients of https must then show a
            certificate of one of them, beside their signatures. None: they need none.
        domain: a name of this proxy (``"s3.example.com"``) below which clients may put
            the bucket into the host (virtual-hosted style). Path style always works.
        domains: further such names.
        show_reasons: True tells clients the ``reason`` of a refusing `Decision`.
        event_loop: runs the ``async def`` callbacks; it must be running, and is neither
            started nor stopped by the proxy. None: a loop of the proxy's own, in a thread
            of its own.
    """

    cos_map: Mapping[str, Mapping[str, Any]]
    hmac_keystore: Sequence[Mapping[str, str | None]] | None = None
    bucket_creds_fetcher: BucketCredsFetcher | None = None
    http_port: int | None = None
    https_port: int | None = None
    validator: Validator | None = None
    threads: int | None = None
    verify: bool | None = None
    skip_signature_validation: bool | None = False
    hmac_fetcher: HmacFetcher | None = None
    max_presign_url_usage_attempts: int | None = 3
    server_name: str | None = "<osp⚡>"
    auth_cache_capacity: int | None = 1024
    metrics_port: int | None = None
    _: KW_ONLY
    host: str = "0.0.0.0"
    reuse_port: bool = False
    unix_socket: Path | None = None
    metrics_host: str = "127.0.0.1"
    metrics_hosts: Sequence[str] | None = None
    access_log: Path | None = None
    access_log_format: str = "json"
    trusted_proxies: Sequence[str] | None = None
    proxy_protocol: bool = False
    iam_endpoint: str | None = None
    max_connections: int | None = None
    callback_concurrency: int = 32
    callback_queue: int = 10_000
    callback_timeout: float = 30.0
    drain_timeout: float = 30.0
    hmac_ttl: float = 300.0
    auth_cache_by: Sequence[str] | None = None
    tls_cert_path: Path | None = None
    tls_key_path: Path | None = None
    tls_client_ca_path: Path | None = None
    domain: str | None = None
    domains: Sequence[str] | None = None
    show_reasons: bool = False
    event_loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        """Names buckets and ports, never a key."""
        buckets = list(self.cos_map) if isinstance(self.cos_map, Mapping) else "?"
        return (
            f"ProxyServerConfig(buckets={buckets}, host={self.host!r}, "
            f"http_port={self.http_port!r}, https_port={self.https_port!r})"
        )
