"""Policies: what they deny or do not allow is refused, and with them alone no Python runs."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Front
from helpers.children import Child
from helpers.cli import mistaken, runner, write_toml
from helpers.clients import Keys, boto, refused
from helpers.double import S3Double
from helpers.gil import HOLD, held, needs_pydll, prepare
from helpers.pages import DOCS, blocks
from helpers.ports import free_port
from helpers.served import Served

BOB = Keys("bob", "bob's secret")
PAIRS = [{"access_key": k.access, "secret_key": k.secret} for k in (CLIENT, BOB)]


def statement(action: str | list[str], resource: str | list[str], **more: Any) -> dict[str, Any]:
    """An Allow for everybody, unless there is more to say."""
    return {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


ALL = statement("s3:*", "*")
READS = statement("s3:GetObject", "arn:aws:s3:::data/*")


def get(s3: Any, key: str = "k") -> bytes:
    return bytes(s3.get_object(Bucket="data", Key=key)["Body"].read())


class TestRights:
    def test_of_each_client_are_its_own(self, serve: Any, double: S3Double) -> None:
        home = "arn:aws:s3:::data/home/${aws:username}/*"
        front: Front = serve(
            {"data": double.entry()},
            hmac_keystore=PAIRS,
            policy=policy(
                statement(["s3:GetObject", "s3:PutObject"], home),
                statement("s3:GetObject", "arn:aws:s3:::data/*", Principal={"Token": "bob"}),
            ),
        )
        alice, bob = front.boto(retry=False), front.boto(keys=BOB, retry=False)
        bob.put_object(Bucket="data", Key="home/bob/x", Body=b"1")
        assert get(bob, "home/bob/x") == b"1"
        assert get(bob, "k") == b"x"
        for s3, key in ((alice, "home/bob/x"), (alice, "k")):
            assert refused(s3.get_object, Bucket="data", Key=key).code == "AccessDenied"
        assert refused(bob.put_object, Bucket="data", Key="k").code == "AccessDenied"
        assert refused(bob.delete_object, Bucket="data", Key="home/bob/x").code == "AccessDenied"

    def test_to_list_end_with_the_prefix(self, serve: Any, any_store: Any) -> None:
        bucket = any_store.make_bucket()
        only = {"StringLike": {"s3:prefix": ["a/*"]}}
        lists = statement("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition=only)
        s3 = serve({bucket: any_store.entry()}, policy=policy(lists)).boto(retry=False)
        s3.list_objects_v2(Bucket=bucket, Prefix="a/b")
        for prefix in ({}, {"Prefix": ""}, {"Prefix": "b/"}):
            assert refused(s3.list_objects_v2, Bucket=bucket, **prefix).code == "AccessDenied"

    def test_in_a_list_of_keys_are_those_of_each(self, serve: Any, any_store: Any) -> None:
        bucket, direct = any_store.make_bucket(), any_store.client()
        for key in ("k", "l"):
            direct.put_object(Bucket=bucket, Key=key, Body=b"x")
        deletes = statement("s3:DeleteObject", f"arn:aws:s3:::{bucket}/k")
        s3 = serve({bucket: any_store.entry()}, policy=policy(deletes)).boto(retry=False)
        keys = {"Objects": [{"Key": "k"}, {"Key": "l"}]}
        errors = s3.delete_objects(Bucket=bucket, Delete=keys)["Errors"]
        assert [(e["Key"], e["Code"]) for e in errors] == [("l", "AccessDenied")]
        left = direct.list_objects_v2(Bucket=bucket)["Contents"]
        assert [item["Key"] for item in left] == ["l"]

    def test_to_copy_are_those_of_both_objects(self, serve: Any, double: S3Double) -> None:
        writes = statement("s3:PutObject", "arn:aws:s3:::data/*")
        s3 = serve({"data": double.entry()}, policy=policy(writes)).boto(retry=False)
        copy = {"Bucket": "data", "Key": "new", "CopySource": "data/k"}
        assert refused(s3.copy_object, **copy).code == "AccessDenied"

    def test_list_the_buckets(self, serve: Any, double: S3Double) -> None:
        lists = statement("s3:ListBucket", "arn:aws:s3:::data")
        entries = {"data": double.entry(), "more": double.entry()}
        s3 = serve(entries, policy=policy(lists)).boto(retry=False)
        assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["data"]


class TestWithAValidator:
    def test_a_deny_comes_first_then_the_validator_then_an_allow(
        self, serve: Any, double: S3Double
    ) -> None:
        asked: list[str] = []

        def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
            asked.append(request["key"])
            return bool(request["key"] != "l")

        denies = statement("s3:*", "arn:aws:s3:::data/secret*", Effect="Deny")
        front: Front = serve(
            {"data": double.entry(ttl=0)}, validator=may, policy=policy(READS, denies)
        )
        s3 = front.boto(retry=False)
        assert get(s3) == b"x"
        assert refused(s3.get_object, Bucket="data", Key="l").code == "AccessDenied"
        assert refused(s3.get_object, Bucket="data", Key="secret").code == "AccessDenied"
        s3.put_object(Bucket="data", Key="k")  # which no statement allows
        assert asked == ["k", "l", "k"]  # not about what the policy denies

    def test_a_policy_of_denies_is_a_guardrail(self, serve: Any, double: S3Double) -> None:
        denies = statement("s3:*", "arn:aws:s3:::data/secret*", Effect="Deny")
        s3 = serve(
            {"data": double.entry()}, validator=lambda token, bucket: True, policy=policy(denies)
        ).boto(retry=False)
        assert get(s3) == b"x"
        assert refused(s3.get_object, Bucket="data", Key="secret").code == "AccessDenied"

    def test_check_config_warns_of_statements_that_allow(self, tmp_path: Path) -> None:
        (tmp_path / "rules.py").write_text("def may(token, bucket):\n    return True\n")
        denies = statement("s3:*", "*", Effect="Deny")
        (tmp_path / "policy.json").write_text(json.dumps(policy(denies, {**READS, "Sid": "Reads"})))
        entry = {"host": "h", "port": 1, "policy": policy(ALL)}
        config = {"http_port": 0, "policy": "policy.json", "cos_map": {"data": entry}}
        write_toml(tmp_path / "proxy.toml", {**config, "validator": "rules:may"})
        done = runner(tmp_path)("check-config")
        assert done.returncode == 0, done.stderr
        told = [line.partition("warning: ")[2] for line in done.stderr.splitlines()]
        assert told == [
            "policy: Reads: no effect, since the validator decides",
            "cos_map.data.policy: Statement[0]: no effect, since the validator decides",
        ]
        write_toml(tmp_path / "proxy.toml", config)
        assert not runner(tmp_path)("check-config").stderr


class TestEntries:
    def test_have_rules_of_their_own(self, serve: Any, double: S3Double) -> None:
        entries = {"data": double.entry(policy=policy(READS)), "more": double.entry()}
        s3 = serve(entries).boto(retry=False)
        assert get(s3) == b"x"
        assert refused(s3.put_object, Bucket="data", Key="k").code == "AccessDenied"
        s3.put_object(Bucket="more", Key="k", Body=b"")  # no policy governs it

    def test_deny_what_the_policy_for_all_allows(self, serve: Any, double: S3Double) -> None:
        denies = policy(statement("s3:GetObject", "arn:aws:s3:::data/l", Effect="Deny"))
        s3 = serve({"data": double.entry(policy=denies)}, policy=policy(ALL)).boto(retry=False)
        assert get(s3) == b"x"
        assert refused(s3.get_object, Bucket="data", Key="l").code == "AccessDenied"


class TestUpdates:
    def test_replace_the_policy_at_once(self, serve: Any, double: S3Double, tmp_path: Path) -> None:
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(policy(READS)))
        front: Front = serve({"data": double.entry()}, policy=file)
        s3 = front.boto(retry=False)
        assert get(s3) == b"x"
        file.write_text(json.dumps(policy(statement("s3:PutObject", "*"))))
        assert get(s3) == b"x"  # the file is not watched
        front.server.update(policy=file)
        assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
        with pytest.raises(osp.ConfigError):
            front.server.update(policy={})
        front.server.update(cos_map={"data": double.entry()})
        assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
        front.server.update(policy=policy(ALL))
        assert get(s3) == b"x"

    def test_by_sighup_read_the_file_again(self, tmp_path: Path, double: S3Double) -> None:
        folder = tmp_path / "here"
        folder.mkdir()
        (folder / "policy.json").write_text(json.dumps(policy(READS)))
        with ExitStack() as stack:
            served = Served(folder, stack)
            served.configure(cos_map={"data": double.entry()}, policy="policy.json")
            served.start()
            served.up()
            s3 = served.boto()
            assert get(s3) == b"x"
            (folder / "policy.json").write_text(json.dumps(policy(statement("s3:Put*", "*"))))
            served.child.process.send_signal(signal.SIGHUP)
            served.said("the configuration was reloaded")
            assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
            served.configure(cos_map={"data": double.entry()})
            served.child.process.send_signal(signal.SIGHUP)
            served.said("changed, but needs a restart: policy")
            served.said("the configuration was reloaded", 2)
            assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"

    def test_are_seen_by_a_server_that_watches(self, tmp_path: Path, double: S3Double) -> None:
        folder = tmp_path / "here"
        folder.mkdir()
        (folder / "policy.json").write_text(json.dumps(policy(READS)))
        with ExitStack() as stack:
            served = Served(folder, stack)
            served.configure(cos_map={"data": double.entry()}, policy="policy.json")
            served.start("--watch")
            served.up()
            assert get(served.boto()) == b"x"
            (folder / "policy.json").write_text(json.dumps(policy(statement("s3:Put*", "*"))))
            served.said("the configuration was reloaded")
            assert refused(served.boto().get_object, Bucket="data", Key="k").code == "AccessDenied"


SCRIPT = (
    """
import ctypes, json, os, sys
import object_storage_proxy as osp

with osp.ProxyServer(osp.ProxyServerConfig(**json.loads(sys.argv[1]))):
"""
    + HOLD
)


@needs_pydll
def test_with_a_policy_alone_even_the_first_request_needs_no_python(
    double: S3Double, tmp_path: Path
) -> None:
    port = free_port()
    prepare(tmp_path)
    config = {
        "cos_map": {"data": double.entry()},
        "host": "127.0.0.1",
        "http_port": port,
        "hmac_keystore": PAIRS,
        "policy": policy(READS),
    }
    command = [sys.executable, "-c", SCRIPT, json.dumps(config)]
    with Child(command, tmp_path / "proxy.log", cwd=tmp_path) as proxy:
        proxy.listening(port)
        with held(proxy, tmp_path):
            s3 = boto(f"http://127.0.0.1:{port}", CLIENT, retry=False, read_timeout=15)
            assert get(s3) == b"x"
            assert refused(s3.put_object, Bucket="data", Key="k").code == "AccessDenied"
            assert refused(s3.get_object, Bucket="data2", Key="k").code == "NoSuchBucket"


class TestMistakes:
    def test_have_their_line_and_path(self, tmp_path: Path, double: S3Double) -> None:
        (tmp_path / "policy.json").write_text(
            '{"Version": "2012-10-17",\n "Statement": [{"Effect": "Allow", "Principal": "*",\n'
            '  "Action": "s3:HeadObject", "Resource": "*"}]}'
        )
        (tmp_path / "proxy.toml").write_text(
            'http_port = 0\npolicy = "policy.json"\n\n[cos_map.data]\nhost = "h"\nport = 1\n'
            '[cos_map.data.policy]\nVersion = "2012-10-17"\n\n[[cos_map.data.policy.Statement]]\n'
            'Effect = "Allow"\nPrincipal = "*"\nAction = "s3:*"\nResource = "data/*"\n'
        )
        lines = mistaken(runner(tmp_path)("check-config"))
        assert lines[0] == (
            "proxy.toml:2: policy: line 3: Statement[0].Action: is an operation, which needs "
            "the action s3:GetObject"
        )
        assert lines[1].startswith("proxy.toml:14: cos_map.data.policy.Statement[0].Resource: ")

    def test_in_python_have_their_path(self) -> None:
        wrong = policy({**READS, "Action": "s3:GetObjekt"})
        config = osp.ProxyServerConfig(cos_map={}, http_port=0, policy=wrong)
        with pytest.raises(osp.ConfigError) as caught:
            osp.ProxyServer(config).check()
        assert [path for path, _ in caught.value.mistakes] == ["policy.Statement[0].Action"]


class TestExplain:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        denies = statement(
            "s3:*",
            "*",
            Sid="Outside",
            Effect="Deny",
            Condition={"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        )
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(policy({**READS, "Principal": {"Token": "alice"}}, denies)))
        return path

    def test_names_the_statement(self, file: Path, tmp_path: Path) -> None:
        run = runner(tmp_path)
        command = ["policy", "explain", "--policy", file.name, "--path", "/data/k", "--token"]
        done = run(*command, "alice", "--client-ip", "192.0.2.7")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "allow    s3:GetObject on data/k: Statement[0] in line 1 of policy.json",
            "allowed",
        ]
        done = run(*command, "alice", "--client-ip", "198.51.100.7", "--json")
        assert done.returncode == 1
        explained = json.loads(done.stdout)
        assert explained["questions"][0]["statement"] == 'statement "Outside"'
        done = run(*command, "bob", "--client-ip", "192.0.2.7", "--time", "2026-01-31T12:00:00Z")
        assert done.stdout.splitlines() == ["nothing  s3:GetObject on data/k", "refused"]

    def test_says_what_a_session_would_get(self, file: Path, tmp_path: Path) -> None:
        whose = {"Effect": "Allow", "Principal": {"Claim": {"team": "lake"}}, "Action": "s3:*"}
        file.write_text(json.dumps(policy({**whose, "Resource": "*"})))
        for name, resource in {"role": "data/*", "own": "data/${aws:PrincipalTag/who}/*"}.items():
            attached = statement("s3:GetObject", f"arn:aws:s3:::{resource}")
            del attached["Principal"]
            (tmp_path / f"{name}.json").write_text(json.dumps(policy(attached)))
        run = runner(tmp_path)
        command = ["policy", "explain", "--policy", file.name, "--path", "/data/ann/k"]
        of = ["--token", "people/ann", "--role", "reader", "--role-policy", "role.json"]
        of += ["--session-policy", "own.json", "--claim", "team=pond", "--claim", "team=lake"]
        done = run(*command, *of, "--tag", "who=ann")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "allow    s3:GetObject on data/ann/k: Statement[0] in line 1 of role.json",
            "allow    s3:GetObject on data/ann/k: Statement[0] in line 1 of own.json",
            "allow    s3:GetObject on data/ann/k: Statement[0] in line 1 of policy.json",
            "allowed",
        ]
        done = run(*command, *of, "--tag", "who=bob")
        assert done.returncode == 1
        assert done.stdout.splitlines()[1] == "nothing  s3:GetObject on data/ann/k by own.json"
        done = run(*command, "--token", "people/ann", "--claim", "team=pond")
        assert done.stdout.splitlines() == ["nothing  s3:GetObject on data/ann/k", "refused"]
        assert "--token is required" in mistaken(run(*command, "--role", "reader"))[0]
        assert "--tag must be" in mistaken(run(*command, *of, "--tag", "who"))[0]
        (tmp_path / "own.json").write_text("{")
        assert mistaken(run(*command, *of))[0].startswith("own.json: line 1: is not JSON")

    def test_says_what_is_wrong(self, file: Path, tmp_path: Path) -> None:
        run = runner(tmp_path)
        command = ["policy", "explain", "--policy", file.name, "--path"]
        assert mistaken(run(*command, "data/k")) == [
            "--path: The specified URI couldn't be parsed."
        ]
        (told,) = mistaken(run(*command, "/data?delete", "--method", "POST", "--token", "alice"))
        assert "in its body" in told
        assert "unknown_operations" in mistaken(run(*command, "/data/k?bogus"))[0]
        assert run(*command, "/data/k?bogus", "--unknown-operations").returncode == 1
        assert "--header" in mistaken(run(*command, "/data/k", "--header", "x"))[0]
        assert "--time" in mistaken(run(*command, "/data/k", "--time", "noon"))[0]
        file.write_text("{")
        assert mistaken(run(*command, "/data/k"))[0].startswith("policy.json: line 1: is not JSON")


def test_doctor_is_not_governed(tmp_path: Path, any_store: Any) -> None:
    bucket = any_store.make_bucket()
    nothing = policy(statement("s3:PutObject", "arn:aws:s3:::none/none"))
    entry = {k: v for k, v in any_store.entry(policy=nothing).items() if v is not None}
    write_toml(tmp_path / "proxy.toml", {"cos_map": {bucket: entry}, "policy": nothing})
    done = runner(tmp_path)("doctor", OSP_HTTP_PORT="8080")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", blocks(DOCS / "policies.md", "json"), ids=str)
def test_the_policies_of_the_page_are_understood(block: Any, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(block.text)
    command = ["policy", "explain", "--policy", "policy.json", "--path", "/photos/k"]
    assert runner(tmp_path)(*command).returncode in (0, 1)
