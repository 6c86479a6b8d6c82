"""The configuration of a proxy."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from .decision import Decision
from .session import Session

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
        "assume_role_arn": str | None,
        "role_session_name": str | None,
        "external_id": str | None,
        "web_identity_token_file": str | os.PathLike[str] | None,
        "sts_endpoint": str | None,
        "assume_role_duration": int | float | None,
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
        "bearer": str | None,
        "policy": Mapping[str, Any] | str | os.PathLike[str] | None,
        "limits": Mapping[str, Any] | None,
        "connections": int | None,
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

The name may contain one star (``"team-*"``, ``"*"``) and then stands for every bucket
that matches and has no entry of its own; of several patterns the longest wins.

``host`` and ``port`` are required. A value of None means "not given".

Keys:
    host: required; name or address of the store, without scheme and port.
    port: required; 1 to 65535.
    region: the region that requests are signed for; default ``"us-east-1"``.
    access_key, secret_key (accessKey, secretKey): HMAC keys of the store; they take
        precedence over an API key.
    api_key (apikey): an IBM Cloud API key.
    assume_role_arn: a role that is assumed for the store's keys, and assumed again before
        they expire, with ``web_identity_token_file``, or with ``access_key`` and
        ``secret_key``, which then sign for nothing else.
    web_identity_token_file: file with the token of a web identity (OIDC), read each time
        that the role is assumed.
    role_session_name: 2 to 64 characters by which the store's log knows the proxy; default
        ``"object-storage-proxy"``.
    external_id: what the role's owner asks for in addition to ``access_key``, if anything.
    sts_endpoint: URL of the token service, which is reached as the store is (``ca_file``,
        client certificate, ``trust_env``, timeouts); default: for AWS's hosts that of
        ``region``, for all others the store itself, as MinIO and Ceph have it.
    assume_role_duration: seconds that a session lasts, 900 to 43200; default 3600.
    ttl (time-to-live): seconds that decisions and credentials for this bucket are
        cached; default 300; 0: not at all.
    addressing_style (addressingStyle): where the store expects the bucket, ``"virtual"``
        (in the host) or ``"path"``; default: ``"virtual"``, except for IP addresses.
    is_tls_enabled (tls): use https for the store; default: if the port is 443.
    checksums: ``"forward"`` trailing checksums of uploads to the store, or ``"verify"``
        and drop them in the proxy, for stores that do not accept them; default:
        ``"forward"``, except for IBM.
    keys: how the store treats keys, ``"opaque"``: as they are, or ``"path"``: cleaned like
        paths, so that keys with empty segments, a leading slash, backslashes, ``.``
        or ``..`` are refused; default: ``"opaque"`` for the hosts of AWS, IBM, Google and
        Rook's Ceph, ``"path"`` for all others.
    complete: True says that the store has every operation of S3 and takes none for
        another one, so that the validator is asked only once; default: True for AWS's
        hosts.
    unknown_operations: True lets what S3 does not have through to the validator, as the
        operation ``"Unknown"``, and then to the store, whatever that makes of it.
    bucket: the store's own name of the bucket, if it differs.
    prefix: a folder of the store's bucket that clients see as the whole bucket.
    read_only: True refuses everything that is not known to be a read.
    anonymous: True lets GET and HEAD without a signature through to the policies and
        the validator, which gets the token ``""``; without any of them it is a mistake.
    bearer: a role of ``roles``, which whoever sends an identity token (``Authorization:
        Bearer``) instead of a signature gets for the request; over https, or from this
        machine. See docs/roles.md.
    policy: rules for this entry, in addition to the parameter of the same name.
    limits: rules of the parameter of the same name for this entry, ``all`` in the place of its
        ``entry`` and ``token`` in the place of its ``token_and_bucket``.
    connections: how many requests may be at the store at a time; others wait, and clients take
        turns, for 30 seconds at most, then 503 SlowDown. None: any number.
    ca_file: PEM file with the authorities for the store's certificate; default: the
        system's.
    client_cert_file, client_key_file: PEM files with which the proxy authenticates to
        the store.
    trust_env: True reaches the store through the proxy that HTTPS_PROXY, HTTP_PROXY and
        NO_PROXY name, as they were when the first proxy started.
    connect_timeout: seconds until a connection must be established; default 10.
    answer_timeout: seconds from the end of a request to the first byte of the response,
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
RoleAssumer = Callable[[dict[str, Any]], Session | Awaitable[Session | None] | None]
Path = str | os.PathLike[str]
Policy = Mapping[str, Any] | Path


@dataclass(slots=True, eq=False, repr=False)
class ProxyServerConfig:
    """The configuration of a proxy.

    Attributes may be changed until the proxy is started; they are checked then, all at
    once: see `ConfigError`.

    The callbacks run on threads of the proxy, several at the same time, and may be
    ``async def``: those run on an event loop in a thread of their own. If one
    raises, or does not answer within ``callback_timeout``, the request is refused.
    Strings from a client may contain lone surrogates, which stand for bytes that are
    not UTF-8 (``os.fsencode`` restores them).

    Args:
        cos_map: bucket names as clients use them, each with its store; see
            `CosMapItem`.
        hmac_keystore: key pairs of clients, ``{"access_key": ..., "secret_key": ...}``.
        bucket_creds_fetcher: ``f(token, bucket)`` returns credentials for the store:
            an IBM API key, or JSON (or a mapping) with ``access_key`` and
            ``secret_key``, or ``api_key``; and ``session_token``, ``expiration`` and
            ``ttl`` if there are any. ``token`` is the client's access key id.
        http_port: 0 to 65535; 0 picks a free port; None: no http.
        https_port: likewise for https, with HTTP/2 and TLS 1.2 or newer. One of the two
            is required, or ``unix_socket``.
        validator: ``f(token, bucket)`` or ``f(token, bucket, request)`` returns True
            to allow, or a `Decision`. False refuses; anything else, even if true in Python,
            refuses and is logged. It is not asked about what ``policy`` denies. None: what
            ``policy`` allows, and without a policy a valid signature is enough. ``request``
            is a dict:
            the query parameters, and the proxy's own entries, which no query parameter can
            replace: ``method``, ``path``, ``source`` (the client's address),
            ``operation``, ``bucket``, ``key``, ``headers``, ``query`` (all parameters, as
            pairs) and more; see docs/authorisation.md.
        threads: processors that the library uses at a time; None or 0: all that the
            process may use by its affinity and its cgroup (object-storage-proxy 0.6.12
            uses 1; with only 1, an upload that is being hashed would delay all others). It
            applies to the whole process: the server that was started last decides.
        verify: False turns off the verification of the stores' certificates.
        skip_signature_validation: True accepts any signature: for development only.
            Lengths and checksums are still checked.
        hmac_fetcher: ``f(access_key)`` returns the secret of a client's key that is
            not in the keystore, or None for an unknown key; or a mapping with
            ``secret_key``, and ``session_token`` and ``expiration`` (datetime, Unix
            seconds or ISO 8601) for temporary keys, and ``ttl`` if it is to be cached for
            another time than ``hmac_ttl``.
        max_presign_url_usage_attempts: how often one presigned URL may be used;
            None or 0: no limit.
        server_name: the Server header of every response; empty: none.
        auth_cache_capacity: number of the validator's decisions that are cached.
        metrics_port: 0 to 65535 for Prometheus' ``/metrics``, ``/healthz``, ``/readyz``
            and a status page; 0 picks a free port; None: none of them.
        host: the address to listen on.
        reuse_port: True lets several processes of one user listen on the same ports, if all
            of them set it (SO_REUSEPORT); Linux spreads the connections over them. Each
            needs a ``metrics_port`` of its own.
        unix_socket: path of a unix socket for http, which only the user of this process
            can use (mode 0600); a socket file left behind by a dead process is replaced.
            With it neither port is required.
        metrics_host: the address for ``metrics_port`` to listen on.
        metrics_hosts: host names (``"osp.monitoring.svc"``) and addresses under which
            ``metrics_port`` responds, in addition to its own address and ``localhost``;
            others get 421, because a page in a browser can make any name mean that address.
            If it listens on all addresses, any address is accepted.
        access_log: one line for each request, to ``"stderr"``, to ``"python"`` (the
            logger ``object_storage_proxy.access``) or to the file with that path; None:
            no access log.
        access_log_format: ``"json"``, ``"logfmt"`` or ``"combined"``.
        trusted_proxies: networks (``"10.0.0.0/8"``) of peers whose X-Forwarded-Host, -Port
            and -For are honoured; ``"unix"`` stands for those that use the unix socket.
        proxy_protocol: True: each connection from the trusted proxies must begin with a
            header of the PROXY protocol, version 1 or 2, or it is refused. The client's
            address is the one in that header. From anybody else such a header is refused.
        iam_endpoint: URL of IBM's token service, where API keys are exchanged; without a
            path ``/identity/token`` is added. None: the environment variable
            IBMCLOUD_IAM_API_ENDPOINT at the start, else IBM's own.
        max_connections: clients' connections that each port and the unix socket have open at
            a time; further ones wait until one ends. None: half of the files that the
            process may open, but no more than 10,000. An idle one takes about 20 KiB.
        callback_concurrency: number of calls of callbacks that run at the same time. At
            most an eighth of them, but at least one, is for questions about access keys with
            which nobody has signed yet, and at most half of them for requests without a
            signature, so that a scan leaves the rest to clients.
        callback_queue: number of calls that may wait for a place; beyond that 503 SlowDown.
            Questions about such keys have a queue of their own, an eighth as long, and those
            about requests without a signature one that is half as long.
        callback_timeout: seconds that a callback has, including the wait for a place; then
            503 SlowDown.
        drain_timeout: seconds that a stop waits for requests in flight.
        hmac_ttl: seconds that answers of ``hmac_fetcher`` are cached, and so the longest
            that a key still works after it was withdrawn; that a key is unknown is cached
            for 5 seconds at most; 0: every request asks.
        auth_cache_by: what a decision of a validator with three parameters is cached
            under: some of ``"token"``, ``"bucket"``, ``"method"``, ``"path"``, ``"query"``
            and ``"source"``; None: everything that it sees.
        tls_cert_path, tls_key_path: PEM files for https, read again when they change; None:
            the environment variables TLS_CERT_PATH and TLS_KEY_PATH at the start.
        tls_client_ca_path: PEM file with authorities; https clients must then present a
            certificate from one of them, in addition to their signatures. None: they need
            none.
        domain: a name of this proxy (``"s3.example.com"``) below which clients may put
            the bucket into the host (virtual-hosted style). Path style always works.
        domains: additional names of this kind.
        http2: False has https clients use HTTP/1.1 only.
        show_reasons: True shows clients the ``reason`` of a refusing `Decision`.
        shared_state: URL of the Valkey or Redis with which replicas decide as one:
            ``"valkey://host:6379/0"`` (``redis://``; ``valkeys://`` and ``rediss://`` with TLS),
            ``"unix:///path"``, ``"valkey+sentinel://a,b,c/name"``, ``"valkey+cluster://a,b"``.
            They then share decisions, secrets, credentials and the count of presigned uses;
            see docs/scaling.md. None: the process is alone.
        shared_namespace: what this fleet's names at the server begin with.
        shared_keys: the keyring, ``"ID:KEY"`` with 32 random bytes in base64 each; the first
            seals what is shared and temporary keys, all of them open it. Required with
            ``shared_state``. None: temporary keys end with the process that has issued them.
        shared_timeout: seconds that one command may take; a server that takes longer counts
            as away for a second.
        shared_user, shared_password: who the proxy is at the server; None: nobody.
        shared_ca_file: PEM file with the authorities for the server's certificate; None: the
            system's.
        shared_cert_file, shared_key_file: PEM files with which the proxy authenticates to the
            server.
        shared_uses: what becomes of presigned URLs with a limit while the server is away:
            ``"closed"``: 503 SlowDown, ``"local"``: each replica counts for itself.
        shared_required: True refuses to start without the server.
        state_version: a text that differs between replicas whose validators decide
            differently: they share no answers. None: all are the same.
        event_loop: runs the ``async def`` callbacks; it must be running, and is neither
            started nor stopped by the proxy. None: a loop of the proxy's own, in a thread
            of its own.
        drain_delay: seconds that a stop is only announced, before drain_timeout begins:
            ``/readyz`` says 503 and each response ends its connection, so that balancers and
            clients go elsewhere, but whoever comes is served.
        policy: rules in the language of AWS's IAM, as a dict or as the path of a JSON
            file. What they deny is refused, whatever the validator says; what they allow
            counts where there is none, and then no request calls Python. See
            docs/policies.md.
        shadow_policy: rules in the place of ``policy``, which are compared with those that
            decide and have no effect themselves: metrics count differences, the log shows
            them.
        shadow_validator: likewise in the place of ``validator``. Together the two are the
            other set of rules: what is not given does not exist there. No request waits for
            it, and it takes no place from other callbacks. ``async def`` it runs on a loop of
            the proxy's own, never on ``event_loop``, which it could block.
        shadow_sample: the share of the questions that the two are asked about, 0 to 1.
        issuers: who may issue identity tokens, by the URL that is their ``iss``, each with
            ``audiences``, of which a token must name one, and perhaps ``ca_file``,
            ``jwks_url`` and ``token_file``; see docs/roles.md.
        roles: what clients can get temporary keys for, by name: whom by ``issuers`` and
            ``audiences``, ``subjects`` and ``claims``, or by ``keys``, and what they get by
            ``policy``, ``token``, ``tags``, ``min_duration`` and ``max_duration``,
            ``external_id`` and ``end_with_token``; see docs/roles.md.
        role_assumer: ``f(request)`` returns the `Session` that somebody gets who asks for
            temporary keys, or None to refuse. It narrows what ``roles`` says, and alone
            decides about roles that are not there. ``request`` is a dict with ``action``,
            ``role``, ``configured``, ``session_name``, ``duration``, ``tags``, and
            ``identity`` or ``caller``; see docs/roles.md.
        limits: how many requests and bytes there may be, and how large objects: rules for
            ``all``, each ``entry``, each ``token``, each ``token_and_bucket``, those who are
            ``anonymous``, each ``address`` of theirs, and ``classes``, of which a `Decision`
            names one: ``{"token": {"requests": 100, "write": {"bytes_in": 10_000_000}}}``.
            See docs/limits.md.
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
    http2: bool = True
    show_reasons: bool = False
    shared_state: str | None = None
    shared_namespace: str = "default"
    shared_keys: Sequence[str] | None = None
    shared_timeout: float = 0.1
    shared_user: str | None = None
    shared_password: str | None = None
    shared_ca_file: Path | None = None
    shared_cert_file: Path | None = None
    shared_key_file: Path | None = None
    shared_uses: str = "closed"
    shared_required: bool = False
    state_version: str | None = None
    event_loop: asyncio.AbstractEventLoop | None = None
    drain_delay: float = 0.0
    policy: Policy | None = None
    issuers: Mapping[str, Mapping[str, Any]] | None = None
    roles: Mapping[str, Mapping[str, Any]] | None = None
    role_assumer: RoleAssumer | None = None
    shadow_policy: Policy | None = None
    shadow_validator: Validator | None = None
    shadow_sample: float = 1.0
    limits: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        """Names buckets and ports, never a key."""
        buckets = list(self.cos_map) if isinstance(self.cos_map, Mapping) else "?"
        return (
            f"ProxyServerConfig(buckets={buckets}, host={self.host!r}, "
            f"http_port={self.http_port!r}, https_port={self.https_port!r})"
        )
