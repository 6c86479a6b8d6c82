"""What a user writes against the package; type checkers accept every line of it.

It uses each public name once, and says what type it takes the results for.
"""

from __future__ import annotations

import object_storage_proxy as osp
from typing_extensions import assert_type

STORE: osp.CosMapItem = {
    "host": "s3.eu-west-1.amazonaws.com",
    "port": 443,
    "region": "eu-west-1",
    "access_key": None,  # as os.getenv returns it
    "time-to-live": 60,
    "tls": True,
}


def validator(token: str, bucket: str, request: dict[str, object]) -> osp.Decision:
    return osp.Decision(request["method"] == "GET", ttl=30, reason="reads only", limits="readers")


def role_assumer(request: dict[str, object]) -> osp.Session | None:
    if request["role"] != "analyst":
        return None
    return osp.Session(token="analysts", claims={"groups": ["a"]}, duration=900)


def config() -> osp.ProxyServerConfig:
    made = osp.ProxyServerConfig(
        {"photos": STORE},
        hmac_keystore=[{"access_key": "alice", "secret_key": "secret"}],
        http_port=0,
        validator=validator,
        role_assumer=role_assumer,
        host="127.0.0.1",
        drain_timeout=1.5,
        hmac_ttl=60,
    )
    made.https_port = None
    made.trusted_proxies = ["10.0.0.0/8"]
    assert_type(made.http_port, int | None)
    assert_type(made.callback_timeout, float)
    return made


def serve() -> None:
    server = osp.ProxyServer(config())
    server.check()
    server.start()
    server.reopen_logs()
    assert_type(server.metrics_url, str | None)
    assert_type(server.http_url, str | None)
    assert_type(server.https_url, str | None)
    server.update(cos_map={"photos": STORE})
    server.update(hmac_keystore=[])
    server.invalidate(token="alice", bucket="photos")
    server.invalidate(role="analyst", subject="a1")
    keys = server.issue("alice", ttl=60, claims={"groups": ["a"], "team": "b"}, name="n")
    assert_type(keys, osp.TemporaryKeys)
    assert_type(server.wait(timeout=0.1), bool)
    server.stop(drain=0.5)
    with osp.ProxyServer(config()) as running:
        assert_type(running, osp.ProxyServer)


def mistakes() -> list[tuple[str, str]]:
    try:
        osp.start_server(osp.ProxyServerConfig({}))
    except osp.ConfigError as error:
        return assert_type(error.mistakes, list[tuple[str, str]])
    return []


def revoked(server: osp.ProxyServer) -> bool:
    try:
        server.invalidate("alice", wait=3.0)
    except (osp.SharedStateError, TimeoutError):
        return False
    return True


def counted() -> int:
    osp.enable_request_counting()
    osp.disable_request_counting()
    return assert_type(osp.get_request_count(), int)


def version() -> str:
    return assert_type(osp.__version__, str)


def parts(decision: osp.Decision) -> tuple[bool, float | None, str | None, str | None]:
    return decision.allow, decision.ttl, decision.reason, decision.limits
