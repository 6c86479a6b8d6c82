"""`policy diff`: which requests of an access log a policy would decide otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Front
from helpers.cli import mistaken, runner
from helpers.clients import refused
from helpers.double import S3Double
from helpers.wait import until

LINE = {
    "time": "2026-01-31T12:00:00.000001Z",
    "client": "192.0.2.7",
    "access_key": "alice",
    "token": "",
    "role": "",
    "session": "",
    "method": "GET",
    "operation": "GetObject",
    "bucket": "data",
    "key": "public/a",
    "code": "",
    "refused_by": "",
    "scheme": "https",
}
REFUSED = {"code": "AccessDenied", "refused_by": "decision"}


def policy(*statements: dict[str, Any]) -> str:
    everybody = [{"Principal": "*", "Resource": "*", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": everybody}, indent=1)


READS = {"Sid": "Reads", "Effect": "Allow", "Action": "s3:GetObject"}
NOT_SECRET = {
    "Sid": "NotSecret",
    "Effect": "Deny",
    "Action": "s3:*",
    "Resource": "arn:aws:s3:::data/secret/*",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "new.json").write_text(policy(READS, NOT_SECRET))
    return tmp_path


def write(folder: Path, *lines: dict[str, Any]) -> None:
    (folder / "access.log").write_text("".join(json.dumps(LINE | more) + "\n" for more in lines))


COMMAND = ["policy", "diff", "--policy", "new.json"]


def test_groups_what_would_change_by_whom_and_why(folder: Path) -> None:
    write(
        folder,
        {},
        {"key": "secret/a"},
        {"key": "secret/b%20c"},
        {"key": "secret/b", "access_key": "bob", **REFUSED},
        {"access_key": "", **REFUSED},
        {"method": "PUT", "operation": "PutObject"},
        {"code": "NoSuchBucket"},
        {"code": "SignatureDoesNotMatch"},
    )
    done = runner(folder)(*COMMAND, "access.log")
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        "would be allowed: 1 GetObject by clients without a signature, such as /data/public/a: "
        'statement "Reads" in line 4 allows s3:GetObject',
        "would be refused: 2 GetObject by alice, such as /data/secret/a: "
        'statement "NotSecret" in line 11 denies s3:GetObject',
        "would be refused: 1 PutObject by alice, such as /data/public/a: "
        "no statement allows s3:PutObject",
        "6 requests: 1 would be allowed, 3 would be refused, 0 can't be told; 2 left out",
    ]
    done = runner(folder)(*COMMAND, "--json", "access.log")
    found = json.loads(done.stdout)
    assert (found["requests"], found["left_out"], len(found["groups"])) == (6, 2, 3)


def test_names_the_holders_of_temporary_keys(folder: Path) -> None:
    role = {"Sid": "Lake", "Effect": "Deny", "Action": "s3:*", "Principal": {"Role": "lake"}}
    (folder / "new.json").write_text(policy(READS, {**role, "Resource": "arn:aws:s3:::data/a/*"}))
    held = {"access_key": "ASIA0000000000000000", "token": "alice", "role": "", "session": "s"}
    of_role = {**held, "token": "team", "role": "lake"}
    write(
        folder,
        {**held, "method": "PUT", "operation": "PutObject"},
        {**held, **REFUSED},  # perhaps by a policy of the session's
        {**of_role, "access_key": "", "key": "a/b"},
        {**of_role, "method": "PUT", "operation": "PutObject"},  # perhaps the role's policy allows
    )
    done = runner(folder)(*COMMAND, "access.log")
    assert done.returncode == 1, done.stderr
    assert [line.partition(", such as")[0] for line in done.stdout.splitlines()] == [
        "can't be told: 1 GetObject by alice",
        "can't be told: 1 PutObject by team",
        "would be refused: 1 PutObject by alice",
        "would be refused: 1 GetObject by team",
        "4 requests: 0 would be allowed, 2 would be refused, 2 can't be told; 0 left out",
    ]
    assert "depends on the session's own policies\n" in done.stdout
    assert "depends on the role's policy\n" in done.stdout


@pytest.mark.parametrize("by", ["signature", "other"])
def test_leaves_out_what_no_decision_refused(folder: Path, by: str) -> None:
    write(folder, {"code": "AccessDenied", "refused_by": by})
    done = runner(folder)(*COMMAND, "access.log")
    assert done.returncode == 0
    assert done.stdout.endswith("0 can't be told; 1 left out\n")


def test_needs_an_action_for_what_s3_does_not_have(folder: Path) -> None:
    write(folder, {"operation": "Unknown"})
    done = runner(folder)(*COMMAND, "access.log")
    assert done.returncode == 1
    assert done.stdout.startswith("would be refused: 1 Unknown by alice")


def test_prints_no_control_characters_of_strangers(folder: Path) -> None:
    write(folder, {**REFUSED, "access_key": "a\x1b[2J\u202e", "bucket": "data\n"})
    done = runner(folder)(*COMMAND, "access.log")
    assert done.returncode == 1
    assert r"a\x1b[2J\u202e" in done.stdout
    assert len(done.stdout.splitlines()) == 2


def test_says_where_a_log_begins_not_to_tell_what_refused(folder: Path) -> None:
    write(folder, {"operation": "PutObject"}, {"refused_by": None}, {})
    done = runner(folder)(*COMMAND, "access.log")
    (told,) = mistaken(done)
    assert told.startswith("access.log:2: has no refused_by, without which ")
    assert done.stdout == ""  # rather than half of the differences


def test_compares_with_another_policy(folder: Path) -> None:
    (folder / "old.json").write_text(policy(READS))
    write(folder, {}, {"key": "secret/a", **REFUSED}, {"operation": "PutObject"})
    done = runner(folder)(*COMMAND, "--against", "old.json", "access.log")
    assert done.returncode == 1
    (change, _) = done.stdout.splitlines()
    assert change.startswith("would be refused: 1 GetObject by alice, such as /data/secret/a")
    same = runner(folder)(*COMMAND, "--against", "new.json", "access.log")
    assert same.returncode == 0
    assert "0 would be allowed, 0 would be refused" in same.stdout


def test_says_what_the_log_can_not(folder: Path) -> None:
    lists = {"Effect": "Allow", "Action": "s3:ListBucket"}
    prefix = {"StringLike": {"s3:prefix": "public/*"}}
    (folder / "new.json").write_text(policy({**lists, "Condition": prefix}))
    many = {"operation": "DeleteObjects", "method": "POST", "key": ""}
    write(folder, {"operation": "ListObjectsV2", "key": ""}, many)
    done = runner(folder)(*COMMAND, "access.log")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "can't be told: 1 ListObjectsV2 by alice, such as /data/: depends on s3:prefix",
        "can't be told: 1 DeleteObjects by alice, such as /data/: depends on the keys of the list",
        "2 requests: 0 would be allowed, 0 would be refused, 2 can't be told; 0 left out",
    ]


@pytest.mark.parametrize("form", ["json", "logfmt"])
def test_reads_what_the_proxy_writes(serve: Any, double: S3Double, folder: Path, form: str) -> None:
    log = folder / "access.log"
    front: Front = serve(
        {"data": double.entry()},
        access_log=log,
        access_log_format=form,
        validator=lambda token, bucket, request: request["key"] != "no",
    )
    double.objects |= {b'/data/a b"c=d': b"x", "/data/secret/ü\n".encode(): b"x"}
    s3 = front.boto(retry=False)
    for key in ('a b"c=d', "secret/ü\n"):
        s3.get_object(Bucket="data", Key=key)["Body"].read()
    assert refused(s3.get_object, Bucket="data", Key="no").code == "AccessDenied"
    until(lambda: log.read_text().count("\n") == 3, "three lines")
    done = runner(folder)(*COMMAND, "-", text=log.read_text())
    assert done.returncode == 1, done.stderr
    allowed, denied, _ = done.stdout.splitlines()
    assert "such as /data/no: " in allowed
    assert "such as /data/secret/%C3%BC%0A: " in denied


def test_says_what_is_wrong(folder: Path) -> None:
    run = runner(folder)
    assert "access.log: No such file" in mistaken(run(*COMMAND, "access.log"))[0]
    for text in ("nonsense", '{"time": 1}', "[]", '192.0.2.1 - - "GET / HTTP/1.1" 200 2'):
        (folder / "access.log").write_text(json.dumps(LINE) + "\n" + text + "\n")
        (told,) = mistaken(run(*COMMAND, "access.log"))
        assert told == "access.log:2: is no line of an access log in json or logfmt"
    write(folder, {})
    (folder / "new.json").write_text("{")
    assert mistaken(run(*COMMAND, "access.log"))[0].startswith("new.json: line 1: is not JSON")
