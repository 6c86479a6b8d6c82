"""Replicas at servers of all kinds: TLS, users, sentinels, clusters.

`./build.sh test fleet` runs them.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT, settings
from helpers import certificates as pki
from helpers.double import S3Double
from helpers.fleet import get, key, presigned, user
from helpers.valkey import Valkey, cluster, redis, sentinel, valkey
from helpers.wait import until
from object_storage_proxy._fleet import examine

pytestmark = [pytest.mark.fleet, pytest.mark.slow, pytest.mark.timeout(300)]

PASSWORD = "password-of-the-proxies"


@pytest.fixture
def authority(tmp_path: Path) -> pki.Certificates:
    return pki.make(tmp_path / "pki")


@pytest.fixture
def guarded(tmp_path: Path, authority: pki.Certificates) -> Iterator[Valkey]:
    """Redis 7 with TLS, client certificates, and one user."""
    users = tmp_path / "users.acl"
    users.write_text("user default off\n" + user(PASSWORD))
    options = ("--tls-cert-file", authority.cert, "--tls-key-file", authority.key)
    options += ("--tls-ca-cert-file", authority.ca, "--tls-auth-clients", "yes")
    folder, program = tmp_path / "redis", redis("redis-server")
    with valkey(folder, *options, "--aclfile", users, binary=program, tls=True) as server:
        yield server


def test_redis_with_tls_and_a_user_of_few_rights(
    guarded: Valkey, authority: pki.Certificates, serve: Any, double: S3Double
) -> None:
    asked: list[str] = []
    config = {
        "shared_state": f"rediss://127.0.0.1:{guarded.port}/1",
        "shared_keys": [key("k1", 1)],
        "shared_user": "osp",
        "shared_password": PASSWORD,
        "shared_ca_file": authority.ca,
        "shared_cert_file": authority.cert,
        "shared_key_file": authority.key,
        "shared_timeout": 2.0,
        "shared_required": True,
        "validator": lambda token, bucket: not asked.append(bucket),
        "max_presign_url_usage_attempts": 2,
    }
    fronts = [serve({"data": double.entry()}, **config) for _ in range(2)]
    assert [get(front.url()) for front in fronts] == [200, 200]
    assert len(asked) == 1
    fronts[0].server.invalidate(CLIENT.access)
    assert [get(front.url()) for front in fronts] == [200, 200]
    assert len(asked) == 2
    assert Counter(presigned(fronts, 6)) == {200: 2, 403: 4}
    report = examine(settings({"data": double.entry()}, **config), 10)
    assert report["problems"] == []
    assert report["server"].startswith("redis 7")
    assert report["replicas"] == 2


@pytest.mark.parametrize(
    "wrong",
    [{"shared_password": "wrong-password"}, {"shared_user": "nobody"}, {"shared_ca_file": None}],
)
def test_a_door_that_stays_shut_is_told_without_the_password(
    guarded: Valkey,
    authority: pki.Certificates,
    serve: Any,
    double: S3Double,
    caplog: pytest.LogCaptureFixture,
    wrong: dict[str, Any],
) -> None:
    config = {
        "shared_state": f"rediss://127.0.0.1:{guarded.port}",
        "shared_keys": [key("k1", 1)],
        "shared_user": "osp",
        "shared_password": PASSWORD,
        "shared_ca_file": authority.ca,
        "shared_cert_file": authority.cert,
        "shared_key_file": authority.key,
    } | wrong
    with pytest.raises((OSError, RuntimeError)) as caught:
        serve({"data": double.entry()}, shared_required=True, **config)
    report = examine(settings({"data": double.entry()}, **config), 5)
    assert report["problems"]
    for text in (str(caught.value), str(report), caplog.text):
        assert PASSWORD not in text
        assert "wrong-password" not in text
        assert key("k1", 1) not in text


def test_a_failover_loses_no_revocation(tmp_path: Path, serve: Any, double: S3Double) -> None:
    allowed = {CLIENT.access}
    with sentinel(tmp_path / "sentinel") as watched:
        config = {
            "shared_state": f"valkey+sentinel://127.0.0.1:{watched.port}/main",
            "shared_keys": [key("k1", 1)],
            "shared_timeout": 1.0,
            "validator": lambda token, bucket: token in allowed,
        }
        fronts = [serve({"data": double.entry()}, **config) for _ in range(3)]
        assert [get(front.url()) for front in fronts] == [200, 200, 200]
        master = watched.master()
        allowed.clear()
        fronts[0].server.invalidate(CLIENT.access)
        master.stop()
        assert [get(front.url()) for front in fronts] == [403, 403, 403]
        until(lambda: watched.master() is not master, "the copy takes over", 30)
        allowed.add(CLIENT.access)
        fronts[1].server.invalidate(CLIENT.access, wait=30)
        assert [get(front.url()) for front in fronts] == [200, 200, 200]


def test_a_copy_that_hangs_holds_no_revocation_up(
    tmp_path: Path, serve: Any, double: S3Double
) -> None:
    with sentinel(tmp_path / "sentinel") as watched:
        config = {
            "shared_state": f"valkey://127.0.0.1:{watched.servers[0].port}",
            "shared_keys": [key("k1", 1)],
        }
        front = serve({"data": double.entry()}, **config)
        os.kill(watched.servers[1].child.pid, signal.SIGSTOP)
        try:
            front.server.invalidate("x", wait=10)
        finally:
            os.kill(watched.servers[1].child.pid, signal.SIGCONT)


def test_a_cluster(tmp_path: Path, serve: Any, double: S3Double) -> None:
    asked: list[str] = []
    with cluster(tmp_path / "cluster") as nodes:
        config = {
            "shared_state": "valkey+cluster://"
            + ",".join(f"127.0.0.1:{node.port}" for node in nodes),
            "shared_keys": [key("k1", 1)],
            "shared_timeout": 2.0,
            "validator": lambda token, bucket: not asked.append(bucket),
            "max_presign_url_usage_attempts": 2,
        }
        fronts = [serve({"data": double.entry()}, **config) for _ in range(3)]
        assert [get(front.url()) for front in fronts] == [200, 200, 200]
        fronts[0].server.invalidate(CLIENT.access)
        assert [get(front.url()) for front in fronts] == [200, 200, 200]
        assert len(asked) == 2
        assert Counter(presigned(fronts, 6)) == {200: 2, 403: 4}
        assert sum(b"osp:" in node.call("KEYS", "*") for node in nodes) == 1
