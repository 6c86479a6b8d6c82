"""Sessions: temporary keys of the proxy's own, from the first object to their end."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import object_storage_proxy as osp
import pytest
from conftest import Front, Serve
from helpers import certificates as pki
from helpers import monitor
from helpers.cli import mistaken, runner, write_toml
from helpers.clients import Keys, refused
from helpers.double import S3Double
from helpers.fleet import key
from helpers.valkey import valkey
from helpers.wait import until

READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def client(front: Front, keys: osp.TemporaryKeys, **kwargs: Any) -> Any:
    pair = Keys(keys.access_key, keys.secret_key)
    return front.boto(keys=pair, session_token=keys.session_token, retry=False, **kwargs)


def get(s3: Any, bucket: str = "data", name: str = "k") -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=name)["Body"].read())


def refusal(s3: Any) -> str:
    return str(refused(s3.get_object, Bucket="data", Key="k").code)


class TestIssuedKeys:
    def test_serve_whoever_has_them_until_they_end(self, serve: Serve, store: Any) -> None:
        bucket = store.make_bucket()
        seen: list[Any] = []

        def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
            seen.append((token, request.get("session")))
            return token == "alice"

        front = serve({bucket: store.entry()}, validator=may)
        keys = front.server.issue("alice", ttl=600, name="laptop", claims={"groups": ["a", "b"]})
        s3 = client(front, keys, signature_version="s3v4")
        s3.put_object(Bucket=bucket, Key="k", Body=b"content")
        assert get(s3, bucket) == b"content"
        url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
        form = s3.generate_presigned_post(bucket, "form")
        with httpx.Client(trust_env=False) as http:
            assert http.get(url).content == b"content"
            assert http.post(form["url"], data=form["fields"], files={"file": b"f"}).is_success
        assert get(s3, bucket, "form") == b"f"
        parts = s3.create_multipart_upload(Bucket=bucket, Key="parts")
        s3.abort_multipart_upload(Bucket=bucket, Key="parts", UploadId=parts["UploadId"])
        assert {token for token, _ in seen} == {"alice"}
        assert seen[0][1] == {
            "role": "",
            "name": "laptop",
            "subject": "",
            "issuer": "",
            "source_identity": "",
            "claims": {"groups": ["a", "b"]},
            "tags": {},
            "access_key": keys.access_key,
            "expires": int(keys.expiration.timestamp()),
        }
        assert 590 < (keys.expiration - datetime.now(timezone.utc)).total_seconds() <= 600

    def test_end(self, serve: Serve, double: S3Double) -> None:
        front = serve({"data": double.entry()})
        keys = front.server.issue("alice", ttl=1)
        s3 = client(front, keys, signature_version="s3v4")
        url = s3.generate_presigned_url("get_object", {"Bucket": "data", "Key": "k"})
        until(lambda: datetime.now(timezone.utc) >= keys.expiration, "the end")
        assert refusal(s3) == "ExpiredToken"
        answer = httpx.get(url, trust_env=False)
        assert (answer.status_code, "<Code>ExpiredToken</Code>" in answer.text) == (400, True)
        assert double.seen == []

    def test_are_narrowed_by_their_policy(
        self, serve: Serve, double: S3Double, tmp_path: Path
    ) -> None:
        path = tmp_path / "read.json"
        path.write_text(json.dumps(policy(READ)))
        front = serve({"data": double.entry()}, validator=lambda token, bucket: True)
        for narrow in (policy(READ), path):
            s3 = client(front, front.server.issue("alice", policy=narrow))
            assert get(s3) == b"x"
            for change in (s3.put_object, s3.delete_object):
                assert refused(change, Bucket="data", Key="k").code == "AccessDenied"
        assert {seen.method for seen in double.seen} == {"GET"}

    def test_are_known_to_policies(self, serve: Serve, double: S3Double) -> None:
        home = "arn:aws:s3:::data/${jwt:team}/*"
        rules = policy(
            {**READ, "Principal": {"Token": "alice"}, "Resource": home},
            {**READ, "Principal": {"Group": "admins"}},
            {**READ, "Effect": "Deny", "Principal": {"Claim": {"team": "red"}}},
        )
        double.objects[b"/data/blue/k"] = b"b"
        front = serve({"data": double.entry()}, policy=rules)

        def tried(**claims: str) -> list[str]:
            s3 = client(front, front.server.issue("alice", claims=claims))
            calls = [(s3.get_object, {"Bucket": "data", "Key": k}) for k in ("blue/k", "k")]
            codes = []
            for call, what in calls:
                with contextlib.suppress(Exception):
                    call(**what)
                    codes.append(what["Key"])
            return codes

        assert tried(team="blue") == ["blue/k"]
        assert tried(groups="admins") == ["blue/k", "k"]
        assert tried(groups="admins", team="red") == []
        assert tried() == []

    @pytest.mark.parametrize("what", ["another's token", "cut short", "changed", "another secret"])
    def test_that_were_tampered_with_are_refused(
        self, serve: Serve, double: S3Double, what: str
    ) -> None:
        asked: list[str] = []

        def hmac_fetcher(access_key: str) -> str:
            asked.append(access_key)
            return "known"

        front = serve({"data": double.entry()}, hmac_fetcher=hmac_fetcher)
        keys, other = front.server.issue("alice"), front.server.issue("bob")
        secret, token, code = keys.secret_key, keys.session_token, "InvalidToken"
        if what == "another's token":
            token = other.session_token
        elif what == "cut short":
            token = token[:-4]
        elif what == "changed":
            token = token[:-1] + ("A" if token[-1] != "A" else "B")
        else:
            secret, code = "known", "SignatureDoesNotMatch"
        tampered = osp.TemporaryKeys(keys.access_key, secret, token, keys.expiration)
        assert refusal(client(front, tampered)) == code
        assert (asked, double.seen) == ([], [])

    def test_show_nothing_secret(
        self, serve: Serve, double: S3Double, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, logger="object_storage_proxy")
        log = tmp_path / "access.log"
        front = serve(
            {"data": double.entry()},
            access_log=str(log),
            metrics_port=0,
            validator=lambda token, bucket, request: request["method"] == "GET",
        )
        keys = front.server.issue("alice", name="laptop")
        s3 = client(front, keys)
        get(s3)
        refused(s3.put_object, Bucket="data", Key="k")
        broken = osp.TemporaryKeys(
            keys.access_key, keys.secret_key, keys.session_token[:-4], keys.expiration
        )
        assert refusal(client(front, broken)) == "InvalidToken"
        until(lambda: log.exists() and log.read_text().count("\n") == 3, "three lines")
        metrics = monitor.get(front.server, "/metrics").text
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [line["session"] for line in lines] == ["laptop", "laptop", ""]
        assert [line["token"] for line in lines] == ["alice", "alice", ""]
        sent = [str(seen) for seen in double.seen]
        for text in (log.read_text(), caplog.text, repr(keys), metrics, *sent):
            assert keys.secret_key not in text
            assert keys.session_token not in text
            assert keys.session_token[:-4] not in text


class TestInvalidate:
    @pytest.mark.parametrize("by", ["token", "access key", "everything"])
    def test_ends_what_was_issued_before(self, serve: Serve, double: S3Double, by: str) -> None:
        front = serve({"data": double.entry()})
        issue = front.server.issue
        mine, others = issue("alice"), issue("bob")
        assert get(client(front, mine)) == b"x"
        about = {"token": "alice", "access key": mine.access_key, "everything": None}[by]
        front.server.invalidate(about)
        assert refusal(client(front, mine)) == "ExpiredToken"
        if by == "everything":
            assert refusal(client(front, others)) == "ExpiredToken"
        else:
            assert get(client(front, others)) == b"x"
        assert get(client(front, issue("alice"))) == b"x"

    def test_of_something_else_ends_none(self, serve: Serve, double: S3Double) -> None:
        front = serve({"data": double.entry()})
        s3 = client(front, front.server.issue("alice"))
        front.server.invalidate("alice", "data")
        front.server.invalidate(bucket="data")
        front.server.invalidate(role="any")
        front.server.invalidate(subject="alice")
        front.server.invalidate(sessions=False)
        assert get(s3) == b"x"
        with pytest.raises(ValueError, match="role and subject"):
            front.server.invalidate("alice", role="any")


class TestReplicas:
    @pytest.fixture
    def shared(self, tmp_path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
        with valkey(tmp_path) as state:
            keyring = [key("k1", 1)]
            yield state, {"shared_state": state.url, "shared_keys": keyring, "shared_timeout": 2.0}

    def test_accept_and_end_what_another_has_issued(
        self, serve: Serve, double: S3Double, shared: Any
    ) -> None:
        one, two = (serve({"data": double.entry()}, **shared[1]) for _ in range(2))
        get(client(one, one.server.issue("nobody")))  # from now on ends are remembered
        keys = one.server.issue("alice")
        assert get(client(two, keys)) == b"x"
        one.server.invalidate("alice")
        late = serve({"data": double.entry()}, **shared[1])
        for front in (one, two, late):
            assert refusal(client(front, keys)) == "ExpiredToken"
        assert get(client(late, two.server.issue("alice"))) == b"x"

    def test_that_cannot_tell_what_has_ended_refuse(
        self, serve: Serve, double: S3Double, shared: Any
    ) -> None:
        state, options = shared
        front = serve({"data": double.entry()}, **options)
        get(client(front, front.server.issue("nobody")))
        fresh = front.server.issue("alice")
        state.stop()
        s3 = client(front, fresh)
        assert refused(s3.get_object, Bucket="data", Key="k").status == 503
        assert get(front.boto()) == b"x"  # a key of the keystore needs nobody

    def test_that_begin_with_an_empty_state_accept_nothing_older(
        self, serve: Serve, double: S3Double, shared: Any, tmp_path: Path
    ) -> None:
        alone = serve({"data": double.entry()}, shared_keys=shared[1]["shared_keys"])
        keys = alone.server.issue("alice")
        front = serve({"data": double.entry()}, **shared[1])
        assert refusal(client(front, keys)) == "ExpiredToken"
        assert get(client(front, front.server.issue("alice"))) == b"x"


class TestTheCommand:
    def test_issues_keys_without_a_replica(
        self, serve: Serve, double: S3Double, tmp_path: Path
    ) -> None:
        run, keyring = runner(tmp_path), [key("k1", 1)]
        write_toml(tmp_path / "proxy.toml", {"cos_map": {}, "http_port": 1, "shared_keys": keyring})
        (tmp_path / "read.json").write_text(json.dumps(policy(READ)))
        done = run("issue", "--token", "alice", "--ttl", "10m", "--policy", "read.json")
        issued = json.loads(done.stdout)
        front = serve({"data": double.entry()}, shared_keys=keyring)
        keys = osp.TemporaryKeys(
            issued["AccessKeyId"],
            issued["SecretAccessKey"],
            issued["SessionToken"],
            datetime.fromisoformat(issued["Expiration"].replace("Z", "+00:00")),
        )
        s3 = client(front, keys)
        assert get(s3) == b"x"
        assert refused(s3.put_object, Bucket="data", Key="k").code == "AccessDenied"
        lines = run("issue", "--token", "alice", "-f", "env").stdout.splitlines()
        named = dict(line.split("=", 1) for line in lines)
        assert list(named) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]

    def test_says_what_is_wrong(self, tmp_path: Path) -> None:
        run = runner(tmp_path)
        write_toml(tmp_path / "proxy.toml", {"cos_map": {}, "http_port": 1})
        assert "shared_keys" in mistaken(run("issue", "--token", "alice"))[0]
        assert "--ttl" in mistaken(run("issue", "--token", "alice", "--ttl", "37h"))[0]
        assert "--claim" in mistaken(run("issue", "--token", "alice", "--claim", "x"))[0]


def test_what_is_no_request_for_keys_is_a_mistake(serve: Serve, double: S3Double) -> None:
    front = serve({"data": double.entry()})
    given: dict[str, Any] = {"ttl": 129601, "policy": policy({**READ, "Principal": "*"})}
    with pytest.raises(osp.ConfigError) as caught:
        front.server.issue("", claims={"a": 1, "b": ["x", None]}, **given)
    assert [path for path, _ in caught.value.mistakes] == [
        "token",
        "ttl",
        "policy.Statement[0].Principal",
        "claims.a",
        "claims.b[1]",
    ]
    with pytest.raises(osp.ConfigError, match="too large"):
        front.server.issue("alice", claims={"a": [f"{n:x}" * 40 for n in range(100)]})


def test_decisions_are_kept_for_each_session(serve: Serve, double: S3Double) -> None:
    asked: list[str] = []

    def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
        asked.append(request["session"]["name"])
        return request["session"]["name"] == "good"

    front = serve({"data": double.entry()}, validator=may, auth_cache_by=["token", "bucket"])
    good, bad = (client(front, front.server.issue("alice", name=n)) for n in ("good", "bad"))
    for _ in range(2):
        assert get(good) == b"x"
        assert refusal(bad) == "AccessDenied"
    assert asked == ["good", "bad"]


def test_the_certificate_of_a_connection_is_shown(
    serve: Serve, double: S3Double, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
        seen.append(request.get("client_certificate"))
        return True

    one, other = pki.make(tmp_path / "one"), pki.make(tmp_path / "other")
    both = tmp_path / "both.pem"
    both.write_bytes(one.ca.read_bytes() + other.ca.read_bytes())
    front = serve({"data": double.entry()}, validator=may, tls_client_ca_path=both)
    for pair in (one, one, other):
        shown = (str(pair.cert), str(pair.key))
        assert get(front.boto("https", retry=False, client_cert=shown)) == b"x"
    assert get(front.boto()) == b"x"
    assert len(seen) == 3  # a decision for each certificate, and for none
    assert set(seen[0]) == {"subject", "dns_names", "email_addresses", "uris", "ip_addresses"}
    assert seen[0]["dns_names"] or seen[0]["ip_addresses"]
    assert seen[2] is None
