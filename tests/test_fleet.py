"""Replicas that share a Valkey decide as one, and each for itself when it is away."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Front, settings
from helpers import monitor
from helpers.clients import Keys, refused
from helpers.double import KEYS, S3Double
from helpers.fleet import METRICS, get, key, presigned, user
from helpers.valkey import Valkey, valkey
from helpers.wait import until
from object_storage_proxy._fleet import examine

LEASE = 2.0  # seconds; go/shared's Lease


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as running:
        yield running


Replicas = Callable[..., list[Front]]


@pytest.fixture
def replicas(serve: Any, double: S3Double, state: Valkey) -> Replicas:
    def start(count: int, **changes: Any) -> list[Front]:
        entry = changes.pop("entry", {})
        shared = {"shared_state": state.url, "shared_keys": [key("k1", 1)], "shared_timeout": 2.0}
        return [serve({"data": double.entry(**entry)}, **shared | changes) for _ in range(count)]

    return start


def status(front: Front, keys: Keys = CLIENT) -> int:
    return get(front.url(), keys)


def test_one_question_for_all_replicas(replicas: Replicas) -> None:
    asked: Counter[str] = Counter()

    def secret(access_key: str) -> str:
        asked["secret"] += 1
        return "s"

    def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
        asked["may"] += 1
        time.sleep(0.05)  # long enough for all to come
        return True

    def creds(token: str, bucket: str) -> dict[str, str]:
        asked["creds"] += 1
        return {"access_key": KEYS.access, "secret_key": KEYS.secret}

    fronts = replicas(
        8,
        hmac_keystore=None,
        hmac_fetcher=secret,
        validator=may,
        bucket_creds_fetcher=creds,
        entry={"access_key": None, "secret_key": None},
    )
    with ThreadPoolExecutor(64) as pool:
        statuses = pool.map(lambda i: status(fronts[i % 8], Keys("alice", "s")), range(64))
        assert set(statuses) == {200}
    assert asked == {"secret": 1, "may": 1, "creds": 1}


def test_a_store_that_does_not_say_why_makes_the_fleet_ask_once(
    replicas: Replicas, double: S3Double
) -> None:
    asked: list[str] = []

    def creds(token: str, bucket: str) -> dict[str, str]:
        asked.append(token)
        return {"access_key": KEYS.access, "secret_key": KEYS.secret}

    fronts = replicas(4, bucket_creds_fetcher=creds, entry={"access_key": None, "secret_key": None})
    assert [status(f) for f in fronts] == [200] * 4
    assert len(asked) == 1
    double.check = lambda seen: "forbidden" if seen.method == "HEAD" else None
    for front in fronts * 2:  # a 403 without a body: it may be about the object, or about the keys
        head = front.boto(retry=False).head_object
        assert refused(head, Bucket="data", Key="k").status == 403
    assert [status(f) for f in fronts] == [200] * 4
    assert len(asked) == 1 + 2  # the first replica makes sure, for all


def test_a_revocation_reaches_all_replicas(replicas: Replicas) -> None:
    allowed = {CLIENT.access}
    fronts = replicas(3, validator=lambda token, bucket: token in allowed)
    assert [status(f) for f in fronts] == [200, 200, 200]
    allowed.clear()
    assert [status(f) for f in fronts] == [200, 200, 200]
    fronts[1].server.invalidate(CLIENT.access)
    assert [status(f) for f in fronts] == [403, 403, 403]
    allowed.add(CLIENT.access)
    fronts[2].server.invalidate(bucket="data")
    assert [status(f) for f in fronts] == [200, 200, 200]


def test_presigned_urls_are_used_up_by_all_together(replicas: Replicas) -> None:
    fronts = replicas(4, max_presign_url_usage_attempts=3)
    assert Counter(presigned(fronts, 40)) == {200: 3, 403: 37}


@pytest.mark.parametrize(("uses", "want"), [("closed", 503), ("local", 200)])
def test_without_the_state_each_decides_for_itself(
    replicas: Replicas, state: Valkey, uses: str, want: int
) -> None:
    asked: list[str] = []

    def may(token: str, bucket: str) -> bool:
        asked.append(bucket)
        return True

    (front,) = replicas(1, validator=may, shared_uses=uses, shared_timeout=0.2, metrics_port=0)
    assert status(front) == 200
    state.stop()
    # Until its lease is over a replica may use what it remembers, and then it asks each time.
    until(lambda: status(front) == 200 and len(asked) > 3, "it asks for itself")
    url = front.boto(signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": "data", "Key": "k"}
    )
    used = httpx.get(url)
    assert used.status_code == want
    if want == 503:
        assert used.headers["x-amz-retry-after"] == "1000"
        assert used.headers["retry-after"] == "1"
    assert readiness(front)["degraded"]
    with pytest.raises(osp.SharedStateError, match="not recorded"):
        front.server.invalidate(wait=0)
    state.restart()

    def remembers() -> bool:
        before = len(asked)
        return [status(front), status(front)] == [200, 200] and len(asked) <= before + 1

    until(remembers, "it shares again")
    front.server.invalidate()
    assert "degraded" not in readiness(front)


def test_a_replica_that_is_cut_off_holds_no_revocation_up_for_long(
    replicas: Replicas, state: Valkey, run_script: Any, double: S3Double
) -> None:
    (front,) = replicas(1)
    config = {
        "cos_map": {"data": double.entry()}, "http_port": 0, "host": "127.0.0.1",
        "shared_state": state.url, "shared_keys": [key("k1", 1)],
    }  # fmt: skip
    other = run_script(
        "import json, time, object_storage_proxy as osp\n"
        f"server = osp.ProxyServer(osp.ProxyServerConfig(**json.loads({json.dumps(config)!r})))\n"
        "server.start()\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    until(lambda: "ready" in other.output(), "the other replica serves")
    os.kill(other.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            front.server.invalidate("x", wait=0.1)
        front.server.invalidate("x")
        assert time.monotonic() - begun < LEASE + 3
    finally:
        os.kill(other.pid, signal.SIGCONT)


def test_nothing_can_be_read_at_the_server(replicas: Replicas, state: Valkey) -> None:
    secrets = {"token-of-alice": "secret-of-alice"}
    (front,) = replicas(
        1,
        hmac_keystore=None,
        hmac_fetcher=secrets.get,
        bucket_creds_fetcher=lambda token, bucket: {
            "access_key": KEYS.access,
            "secret_key": KEYS.secret,
        },
        validator=lambda token, bucket: osp.Decision(True, reason="because-of-that"),
        entry={"access_key": None, "secret_key": None},
    )
    assert status(front, Keys("token-of-alice", "secret-of-alice")) == 200
    held = state.everything()
    assert len(held) > 500
    for text in ("alice", KEYS.secret, KEYS.access, "data", "because"):
        assert text.encode() not in held


def test_what_nobody_of_the_fleet_wrote_grants_nothing(replicas: Replicas, state: Valkey) -> None:
    granted = replicas(1, validator=lambda token, bucket: True)
    assert status(granted[0]) == 200
    # Other replicas have another key: to them that is nothing.
    (front,) = replicas(1, validator=lambda token, bucket: False, shared_keys=[key("k1", 2)])
    assert status(front) == 403
    names = re.findall(rb"osp:\{default\}:[^:\r]*:value:[^\r]*", state.call("KEYS", "*value*"))
    assert len(names) == 2
    for name in names:  # swapped: each has the value of the other
        other = names[1 - names.index(name)]
        sealed = state.call("HGET", other, "sealed").split(b"\r\n", 1)[1].removesuffix(b"\r\n")
        state.call("HSET", name, "sealed", sealed)
    (fresh,) = replicas(1, validator=lambda token, bucket: False, shared_keys=[key("k1", 2)])
    assert status(fresh) == 403


def test_validators_that_differ_share_nothing(replicas: Replicas) -> None:
    (old,) = replicas(1, validator=lambda token, bucket: False, state_version="1")
    (new,) = replicas(1, validator=lambda token, bucket: True, state_version="2")
    assert (status(old), status(new)) == (403, 200)
    by_request: Callable[..., bool] = lambda token, bucket, request: True  # noqa: E731
    (other,) = replicas(1, validator=by_request, state_version="1")
    assert status(other) == 200


def test_a_server_that_is_needed(double: S3Double, serve: Any, state: Valkey) -> None:
    state.stop()
    changes = {"shared_state": state.url, "shared_keys": [key("k1", 1)]}
    assert status(serve({"data": double.entry()}, **changes)) == 200
    with pytest.raises((OSError, RuntimeError)):
        serve({"data": double.entry()}, shared_required=True, **changes)


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"shared_state": "http://h"}, "shared_state: must begin with valkey://"),
        ({"shared_state": "valkey://u:hunter2@h"}, "shared_state: must not hold a password"),
        ({"shared_state": "valkey+sentinel://h"}, "shared_state: must end with the name"),
        ({"shared_keys": None}, "shared_keys: is required with shared_state"),
        ({"shared_keys": []}, "shared_keys: must have one key at least"),
        ({"shared_keys": ["hunter2"]}, "shared_keys[0]: must be"),
        ({"shared_keys": ["k1:aHVudGVyMg=="]}, "shared_keys[0]: must have 32 bytes"),
        ({"shared_keys": [key("k1", 1), key("k1", 2)]}, "shared_keys[1]: must have another name"),
        ({"shared_timeout": 0}, "shared_timeout: must be between"),
        ({"shared_namespace": "a b"}, "shared_namespace: must have up to 64"),
        ({"shared_uses": "open"}, "shared_uses: must be"),
        ({"shared_ca_file": "/none"}, "shared_ca_file: "),
        ({"shared_cert_file": "/none"}, "shared_cert_file: needs shared_key_file"),
    ],
)
def test_mistakes_name_the_parameter_and_quote_nothing(
    double: S3Double, changes: dict[str, Any], want: str
) -> None:
    shared = {"shared_state": "valkey://127.0.0.1", "shared_keys": [key("k1", 1)]}
    config = settings({"data": double.entry()}, **shared | changes)
    with pytest.raises(osp.ConfigError) as caught:
        osp.ProxyServer(config).start()
    assert want in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("wait", "error"), [("1", TypeError), (True, TypeError), (-1, ValueError), (3601, ValueError)]
)
def test_a_wait_is_a_number_of_seconds(serve: Any, double: S3Double, wait: Any, error: Any) -> None:
    front = serve({"data": double.entry()})
    with pytest.raises(error, match="wait"):
        front.server.invalidate(wait=wait)
    front.server.invalidate(wait=0)


def test_a_signal_is_handled_while_a_revocation_waits(replicas: Replicas, state: Valkey) -> None:
    class ToldError(Exception):
        pass

    def tell(*_: object) -> None:
        raise ToldError

    (front,) = replicas(1)
    state.stop()
    before = signal.signal(signal.SIGUSR1, tell)
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(ToldError):
            front.server.invalidate("x", wait=60)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_stop_ends_a_revocation(replicas: Replicas, state: Valkey) -> None:
    (front,) = replicas(1)
    state.stop()
    with ThreadPoolExecutor(1) as pool:
        revocation = pool.submit(front.server.invalidate, "x", wait=600)
        front.server.stop(0)
        error = revocation.exception(timeout=60)
    # The stop may have been faster than the revocation's beginning.
    assert isinstance(error, osp.SharedStateError) or "not running" in str(error)


def test_the_command_needs_no_replica(replicas: Replicas, state: Valkey, tmp_path: Path) -> None:
    allowed = {CLIENT.access}
    (front,) = replicas(1, validator=lambda token, bucket: token in allowed)
    assert status(front) == 200
    allowed.clear()
    config = tmp_path / "proxy.toml"
    config.write_text(
        f'http_port = 0\nshared_state = "{state.url}"\nshared_keys = ["{key("k1", 1)}"]\n'
        '[cos_map.data]\nhost = "localhost"\nport = 1\n'
    )

    def invalidate(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "object_storage_proxy", "invalidate", "-c", config]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    assert invalidate("--token", "somebody").returncode == 0
    assert status(front) == 200
    done = invalidate("--token", CLIENT.access)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert status(front) == 403
    for wrong in ((), ("--all", "--token", "x"), ("--all", "--wait", "-1")):
        assert invalidate(*wrong).returncode == 2
    state.stop()
    away = invalidate("--all")
    assert away.returncode == 1
    assert "the revocation was not recorded" in away.stderr


def readiness(front: Front) -> dict[str, Any]:
    answer: dict[str, Any] = monitor.get(front.server, "/readyz").json()
    return answer


def test_the_fleet_can_be_seen(replicas: Replicas) -> None:
    first, second = replicas(2, metrics_port=0, validator=lambda token, bucket: True)
    for front in (first, second, second):
        assert status(front) == 200
    seen = monitor.scrape(second.server)
    for name, value in {"up": 1, "lease": 1, "replicas": 2, "revocations_behind": 0}.items():
        until(
            lambda name=name, value=value: (
                monitor.scrape(second.server).value(f"osp_shared_state_{name}") == value
            ),
            name,
        )
    assert seen.value("osp_shared_state_answers_total", result="hit") == 1
    assert seen.value("osp_shared_state_answers_total", result="miss") == 0
    # A warm request makes no round trip.
    assert seen.value("osp_shared_state_commands_total") == 1
    ours = {name for name in seen.kinds if name.startswith("osp_shared_state_")}
    assert ours == METRICS.keys()
    row = monitor.status(second.server)["shared_state"]
    assert (row["up"], row["hits"]) == (True, 1)
    assert row["mean"] > 0


def test_the_user_of_the_documentation_may_do_enough(double: S3Double, tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    users.write_text("user default off\n" + user("hunter2"))
    with valkey(tmp_path / "guarded", "--aclfile", users) as server:
        shared = {"shared_state": server.url, "shared_keys": [key("k1", 1)]}
        config = settings({"data": double.entry()}, shared_user="osp", **shared)
        config.shared_password = "hunter2"
        assert examine(config, 10)["problems"] == []
        config.shared_password = "hunter3"
        (problem,) = examine(config, 10)["problems"]
        assert "hunter" not in problem
