"""Entries that assume a role: the store's keys are those of a session, renewed before it ends."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers import stores
from helpers.certificates import Certificates
from helpers.children import clean_environment
from helpers.cli import runner, write_toml
from helpers.clients import CLIENT, Keys, refused
from helpers.double import S3Double, Seen
from helpers.fleet import key
from helpers.stores import PROGRAMS, Store
from helpers.sts import ARN, PAIR, StsDouble, refusal
from helpers.valkey import valkey
from helpers.wait import until

NO_PAIR = {"access_key": None, "secret_key": None}
MINIO_ROLE = {"assume_role_arn": "arn:minio:iam:::role/lake", "assume_role_duration": 900}


@pytest.fixture
def sts() -> Iterator[StsDouble]:
    with StsDouble() as double:
        yield double
    assert double.problems == []


@pytest.fixture
def lake(sts: StsDouble) -> Iterator[S3Double]:
    with S3Double(check=sts.problem_with_session) as double:
        double.objects[b"/data/k"] = b"over there"
        yield double


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("header.first.signature\n")
    return path


def signed(lake: S3Double, sts: StsDouble, **changes: Any) -> dict[str, Any]:
    """An entry that assumes the role with a key pair."""
    role = {"assume_role_arn": ARN, "sts_endpoint": sts.endpoint}
    pair = {"access_key": PAIR.access, "secret_key": PAIR.secret}
    return lake.entry(**{**role, **pair, **changes})


def federated(lake: S3Double, sts: StsDouble, token_file: Path) -> dict[str, Any]:
    """An entry that assumes the role with a web identity, and has no key at all."""
    return signed(lake, sts, web_identity_token_file=token_file, **NO_PAIR)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that is in the log, with the details of each line."""
    return "".join(str(vars(record)) for record in [*caplog.records])


def get(s3: Any, bucket: str = "data") -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    return body


def code(s3: Any, bucket: str) -> str:
    """The error that a GET gets; "" for none."""
    try:
        get(s3, bucket)
    except s3.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_pair_assumes_the_role_and_signs_for_nothing_else(
    serve: Any, sts: StsDouble, lake: S3Double, scheme: str
) -> None:
    entry = signed(lake, sts, role_session_name="osp@here", external_id="ext/1")
    assert get(serve({"data": entry}).boto(scheme)) == b"over there"
    assert sts.forms == [
        {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": ARN,
            "RoleSessionName": "osp@here",
            "ExternalId": "ext/1",
            "DurationSeconds": "3600",
        }
    ]
    assert lake.problems == []


def test_a_web_identity_needs_no_key_and_is_read_each_time(
    serve: Any, sts: StsDouble, lake: S3Double, token_file: Path
) -> None:
    front = serve({"data": federated(lake, sts, token_file)})
    s3 = front.boto(retry=False)
    assert get(s3) == b"over there"
    token_file.write_text("header.second.signature\n")
    front.server.invalidate()
    assert get(s3) == b"over there"
    assert [form["WebIdentityToken"] for form in sts.forms] == [
        "header.first.signature",
        "header.second.signature",
    ]
    assert lake.problems == []


def test_entries_and_clients_share_a_session(serve: Any, sts: StsDouble, lake: S3Double) -> None:
    entry = signed(lake, sts)
    front = serve({"one-data": entry, "two-data": {**entry, "ttl": 1}})
    clients = [front.boto() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for n, s3 in enumerate(clients):
            bucket = ("one-data", "two-data")[n % 2]
            pool.submit(s3.put_object, Bucket=bucket, Key=f"k{n}", Body=b"")
    assert len(lake.objects) == 9
    assert sts.given == 1


@pytest.mark.slow
def test_a_session_is_renewed_before_it_ends(serve: Any, sts: StsDouble, lake: S3Double) -> None:
    sts.expires_in = 4  # one that is that short is used for half of its life
    s3 = serve({"data": signed(lake, sts)}).boto(retry=False)
    until(lambda: get(s3) == b"over there" and sts.given >= 3, "two renewals")
    assert lake.problems == []
    used = {seen.headers["x-amz-security-token"] for seen in lake.seen}
    assert used >= {"session-token-1", "session-token-2"}


def test_a_fault_of_the_token_service_passes_unseen(
    serve: Any, sts: StsDouble, lake: S3Double
) -> None:
    faults = [refusal(503, "ServiceUnavailable"), refusal(400, "Throttling")]
    sts.answer = lambda: faults.pop() if faults else None
    assert get(serve({"data": signed(lake, sts)}).boto(retry=False)) == b"over there"
    assert len(sts.forms) == 3


def test_a_wrong_role_is_refused_without_its_keys(
    serve: Any, sts: StsDouble, lake: S3Double, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    front = serve({"data": signed(lake, sts, assume_role_arn=ARN + "-wrong")})
    s3 = front.boto(retry=False)
    for _ in range(3):
        refusal = refused(s3.get_object, Bucket="data", Key="k")
        assert (refusal.status, refusal.code) == (403, "AccessDenied")
        assert "refused the role" in refusal.message
    assert len(sts.forms) == 1  # and not one for every request
    assert lake.seen == []

    def told() -> bool:  # once the level of the log is known
        assert code(s3, "data") == "AccessDenied"
        return 'STS responded with 403 "AccessDenied"' in logged(caplog)

    until(told, "the cause in the log")


def test_sessions_that_the_store_refuses_are_replaced_once(
    serve: Any, sts: StsDouble, lake: S3Double
) -> None:
    front = serve({"data": signed(lake, sts)})
    s3 = front.boto(retry=False)
    get(s3)
    sts.revoke()

    codes: set[str] = set()

    def served() -> bool:  # not for its first seconds: another session would fare no better
        codes.add(code(s3, "data"))
        return "" in codes

    until(served, "a new session")
    assert codes <= {"", "AccessDenied"}
    assert sts.given == 2


def test_invalidate_ends_the_session_for_whom_it_is_about(
    serve: Any, sts: StsDouble, lake: S3Double
) -> None:
    other = Keys("other-client", "other-secret")
    pairs = [{"access_key": k.access, "secret_key": k.secret} for k in (CLIENT, other)]
    front = serve({"data": signed(lake, sts)}, hmac_keystore=pairs)
    get(front.boto())
    front.server.invalidate(token=other.access)
    get(front.boto())
    assert sts.given == 1
    front.server.invalidate(token=CLIENT.access)
    get(front.boto())
    assert sts.given == 2


def test_no_secret_of_a_session_is_shown(
    serve: Any, sts: StsDouble, lake: S3Double, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    front = serve(
        {"data": federated(lake, sts, token_file), "more": signed(lake, sts)},
        access_log="python",
        metrics_port=0,
    )
    get(front.boto())
    sts.answer = lambda: (200, {}, b"<session-secret-9 header.first.signature")
    refused(front.boto(retry=False).get_object, Bucket="more", Key="k")
    until(lambda: "after 4 attempts" in logged(caplog), "the cause in the log")
    told = caplog.text + logged(caplog)
    for secret in ("session-secret", "session-token", "header.first", PAIR.secret):
        assert secret not in told


def test_replicas_share_a_session(
    serve: Any, sts: StsDouble, lake: S3Double, tmp_path: Path
) -> None:
    with valkey(tmp_path) as state:
        shared = {"shared_state": state.url, "shared_keys": [key("k1", 1)], "shared_timeout": 2.0}
        fronts = [serve({"data": signed(lake, sts)}, **shared) for _ in range(3)]
        for front in fronts:
            assert get(front.boto()) == b"over there"
        assert sts.given == 1
        fronts[0].server.invalidate(wait=5.0)
        for front in fronts:
            assert get(front.boto()) == b"over there"
        assert sts.given > 1
    assert lake.problems == []


def test_a_fleet_replaces_a_session_that_the_store_refuses_once(
    serve: Any, sts: StsDouble, lake: S3Double, tmp_path: Path
) -> None:
    """The first replica that is refused gets another one, and the rest find it with the fleet."""
    with valkey(tmp_path) as state:
        shared = {"shared_state": state.url, "shared_keys": [key("k1", 1)], "shared_timeout": 2.0}
        fronts = [serve({"data": signed(lake, sts)}, **shared) for _ in range(3)]
        for front in fronts:
            get(front.boto())
        assert sts.given == 1
        sts.revoke()
        for front in fronts:
            s3 = front.boto(retry=False)
            until(lambda s3=s3: code(s3, "data") == "", "a session that the store takes")
        late = serve({"data": signed(lake, sts)}, **shared)
        get(late.boto(retry=False))
        assert sts.given == 2


def listing(seen: Seen) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b"<ListBucketResult/>"


def test_the_doctor_says_when_and_why_a_role_can_not_be_assumed(
    sts: StsDouble, lake: S3Double, tmp_path: Path, token_file: Path
) -> None:
    """And a file takes a role as Kubernetes gives it to a pod."""
    lake.answer = listing
    good = federated(lake, sts, token_file)
    of_the_pod = {
        "assume_role_arn": "${AWS_ROLE_ARN}",
        "web_identity_token_file": "${AWS_WEB_IDENTITY_TOKEN_FILE}",
    }
    entries = {
        "good": {**good, **of_the_pod},
        "wrong": {**good, "assume_role_arn": ARN + "-wrong"},
        "missing": {**good, "web_identity_token_file": str(tmp_path / "nowhere")},
    }
    for entry in entries.values():
        del entry["access_key"], entry["secret_key"]
        entry["web_identity_token_file"] = str(entry["web_identity_token_file"])
    write_toml(tmp_path / "proxy.toml", {"http_port": 1, "cos_map": entries})
    env = {"AWS_ROLE_ARN": ARN, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file)}
    done = runner(tmp_path)("doctor", "--timeout", "5", **env)
    assert done.returncode == 1
    assert "ok      good" in done.stdout
    assert 'STS responded with 403 "AccessDenied"' in done.stdout
    assert "web_identity_token_file: no such file or directory" in done.stdout
    assert "1 of 3 entries ok" in done.stdout


def test_minio_gives_keys_on_its_own_endpoint(serve: Any, minio: Store, scheme: str) -> None:
    bucket = minio.make_bucket()
    s3 = serve({bucket: minio.entry(**MINIO_ROLE)}).boto(scheme)
    s3.put_object(Bucket=bucket, Key="k", Body=b"by a session")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"by a session"
    assert minio.keys_in(bucket) == ["k"]


def test_a_pair_that_minio_does_not_know_assumes_nothing(serve: Any, minio: Store) -> None:
    bucket = minio.make_bucket()
    entry = minio.entry(**MINIO_ROLE, secret_key="wrong-secret")
    refusal = refused(
        serve({bucket: entry}).boto(retry=False).put_object, Bucket=bucket, Key="k", Body=b""
    )
    assert (refusal.status, refusal.code) == (403, "AccessDenied")
    assert minio.keys_in(bucket) == []


def test_the_token_service_is_reached_by_tls_as_the_store_is(
    serve: Any, minio: Store, certificates: Certificates, tmp_path: Path
) -> None:
    with stores.minio(tmp_path, certificates) as secure:
        bucket = secure.make_bucket()
        entry = secure.entry(**MINIO_ROLE, ca_file=certificates.ca)
        serve({bucket: entry}).boto().put_object(Bucket=bucket, Key="k", Body=b"x")
        assert secure.keys_in(bucket) == ["k"]


@pytest.fixture
def mc(minio: Store, tmp_path: Path) -> Callable[..., None]:
    """MinIO's command for administrators: mc("user", "add", ...), after the alias."""
    host = f"http://{minio.keys.access}:{minio.keys.secret}@127.0.0.1:{minio.port}"

    def run(*args: str) -> None:
        env = clean_environment(MC_HOST_store=host, HOME=str(tmp_path))
        subprocess.run([PROGRAMS / "mc", "admin", *args], env=env, check=True, capture_output=True)

    return run


def test_a_session_that_minio_has_revoked_is_replaced(
    serve: Any, minio: Store, mc: Callable[..., None]
) -> None:
    """MinIO forgets a user's sessions with the user."""
    name, bucket = f"lake-{os.getpid()}", minio.make_bucket()

    def make_user() -> None:
        mc("user", "add", "store", name, "lake-secret")
        mc("policy", "attach", "store", "readwrite", "--user", name)

    make_user()
    entry = minio.entry(**MINIO_ROLE, access_key=name, secret_key="lake-secret")
    s3 = serve({bucket: entry}).boto(retry=False)
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    mc("user", "remove", "store", name)
    until(lambda: code(s3, bucket) == "AccessDenied", "that MinIO has forgotten the session")
    make_user()
    until(lambda: code(s3, bucket) == "", "a new session")
