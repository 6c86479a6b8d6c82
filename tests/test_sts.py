"""Temporary keys by STS and for containers: clients get them with nothing but variables."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import httpx
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Serve
from helpers.children import clean_environment
from helpers.cli import mistaken, runner
from helpers.clients import Keys, refused
from helpers.double import S3Double
from helpers.identity import ALL, READS, ROLE, arn, exchange, holder, job, known, policy, sts
from helpers.issuer import Issuer
from helpers.monitor import get, scrape
from helpers.pages import DOCS, blocks
from helpers.ports import free_port
from helpers.wait import until


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.mark.parametrize("way", ["environment", "container"])
def test_boto3_needs_nothing_but_variables(
    serve: Serve,
    issuer: Issuer,
    any_store: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    bucket = any_store.make_bucket()
    front = serve(
        {bucket: any_store.entry()},
        **known(issuer, writer=ROLE),
    )
    for name, value in getattr(job(front.url(), tmp_path, issuer.token()), way)("writer").items():
        monkeypatch.setenv(name, value)
    s3 = boto3.session.Session().client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"
    who = boto3.session.Session().client("sts").get_caller_identity()
    assert who["Arn"].startswith("arn:aws:sts::000000000000:assumed-role/writer/")


@pytest.mark.parametrize("way", ["environment", "container"])
def test_the_aws_command_needs_nothing_but_variables(
    serve: Serve, issuer: Issuer, any_store: Any, tmp_path: Path, way: str
) -> None:
    bucket = any_store.make_bucket()
    front = serve(
        {bucket: any_store.entry()},
        **known(issuer, writer=ROLE),
    )
    variables = getattr(job(front.url(), tmp_path, issuer.token()), way)("writer")

    def aws(*args: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).parent / "aws", *args],
            env=clean_environment(**{**variables, "HOME": str(tmp_path)}),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "here").write_text("content")
    aws("s3", "cp", str(tmp_path / "here"), f"s3://{bucket}/k")
    assert aws("s3", "cp", f"s3://{bucket}/k", "-") == "content"


@pytest.mark.parametrize("way", ["environment", "container"])
def test_keys_are_renewed_during_a_transfer_that_outlives_them(
    serve: Serve,
    issuer: Issuer,
    any_store: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    bucket = any_store.make_bucket()
    front = serve(
        {bucket: any_store.entry()},
        **known(issuer, writer={**ROLE, "min_duration": 1, "max_duration": 2}),
    )
    for name, value in getattr(job(front.url(), tmp_path, issuer.token()), way)("writer").items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    s3 = session.client("s3")
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    parts = []
    for number in (1, 2):
        done = s3.upload_part(**upload, PartNumber=number, Body=b"x" * (5 << 20))
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
        keys = session.get_credentials().get_frozen_credentials()
        old = front.boto(
            keys=Keys(keys.access_key, keys.secret_key), session_token=keys.token, retry=False
        )

        def ended(old: Any = old) -> bool:
            try:
                old.head_object(Bucket=bucket, Key="k")
            except botocore.exceptions.ClientError as error:
                return error.response["Error"]["Code"] == "400"  # ExpiredToken, in a HEAD
            return False

        until(ended, "the end of the keys")
        assert refused(old.list_parts, **upload).code == "ExpiredToken"
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 10 << 20


def test_a_role_and_a_session_policy_narrow(serve: Serve, issuer: Issuer, double: S3Double) -> None:
    front = serve(
        {"data": double.entry()},
        **known(issuer, reader={"policy": policy(READS)}),
    )
    given = exchange(front, issuer.token(sub="job-7"), "reader")
    assert given["SubjectFromWebIdentityToken"] == "job-7"
    assert (given["Provider"], given["Audience"]) == (issuer.url, "s3")
    assert given["AssumedRoleUser"]["Arn"].endswith(":assumed-role/reader/test")
    assert given["PackedPolicySize"] > 0
    s3 = holder(front, given)
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    assert refused(s3.put_object, Bucket="data", Key="k", Body=b"").code == "AccessDenied"
    only_l = {**ALL, "Resource": "arn:aws:s3:::data/l"}
    given = exchange(front, issuer.token(), "reader", Policy=json.dumps(policy(only_l)))
    s3 = holder(front, given)
    assert s3.get_object(Bucket="data", Key="l")["Body"].read() == b"x"
    assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
    assert refused(s3.put_object, Bucket="data", Key="l", Body=b"").code == "AccessDenied"


def test_a_client_with_keys_assumes_a_role(serve: Serve, double: S3Double) -> None:
    role = {"keys": CLIENT.access, "policy": policy(READS), "tags": "team", "external_id": "x-1"}
    front = serve({"data": double.entry()}, roles={"reader": role})
    ask = {"RoleArn": arn("reader"), "RoleSessionName": "test", "ExternalId": "x-1"}
    tags = [{"Key": "team", "Value": "blue"}]
    given = sts(front).assume_role(**ask, SourceIdentity="origin", Tags=tags)
    assert given["SourceIdentity"] == "origin"
    assert holder(front, given).get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    keys = given["Credentials"]
    temporary = Keys(keys["AccessKeyId"], keys["SecretAccessKey"])
    who = sts(front, temporary, keys["SessionToken"]).get_caller_identity()
    assert who["Arn"] == given["AssumedRoleUser"]["Arn"]
    assert who["UserId"] == given["AssumedRoleUser"]["AssumedRoleId"]
    assert sts(front).get_caller_identity()["UserId"] == CLIENT.access
    for change, code in (
        ({"ExternalId": "x-2"}, "AccessDenied"),
        ({"RoleArn": arn("writer")}, "AccessDenied"),
        ({"Tags": [{"Key": "cost", "Value": "1"}]}, "AccessDenied"),
        ({"DurationSeconds": 3601}, "ValidationError"),
        ({"Policy": "{}"}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/Any"}]}, "ValidationError"),
    ):
        assert refused(sts(front).assume_role, **{**ask, **change}).code == code, change
    assert refused(sts(front).get_session_token).code == "AccessDenied"
    wrong = sts(front, Keys(CLIENT.access, "wrong"))
    assert refused(wrong.get_caller_identity).code == "SignatureDoesNotMatch"
    stranger = sts(front, Keys("stranger", "x"))
    assert refused(stranger.get_caller_identity).code == "InvalidClientTokenId"


def test_the_code_of_the_page_assumes_a_role(
    serve: Serve, double: S3Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = {"keys": CLIENT.access, "policy": policy(READS)}
    front = serve({"data": double.entry()}, roles={"reader": role})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CLIENT.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CLIENT.secret)
    (block,) = blocks(DOCS / "sts.md", "python")
    names: dict[str, Any] = {"boto3": boto3}
    exec(block.text.replace("https://s3.example.com", front.url()), names)
    s3 = holder(front, names["answer"])
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"


def test_a_token_that_proves_nothing_has_stss_own_code(
    serve: Serve, issuer: Issuer, double: S3Double
) -> None:
    front = serve(
        {"data": double.entry()},
        **known(issuer, writer=ROLE),
    )
    with Issuer() as stranger:
        foreign = stranger.token()
    head, _, tail = issuer.token().partition(".")
    for token, code in (
        (foreign, "InvalidIdentityToken"),
        (head + "x." + tail, "InvalidIdentityToken"),
        (issuer.token(aud="another"), "InvalidIdentityToken"),
        (issuer.token(exp=1), "ExpiredTokenException"),
        ("none", "InvalidIdentityToken"),
    ):
        assert refused(exchange, front=front, token=token).code == code
    assert refused(exchange, front=front, token=issuer.token(), role="none").code == "AccessDenied"


def test_an_issuer_that_is_away_is_tried_again(serve: Serve, double: S3Double) -> None:
    with Issuer() as issuer:
        token, parameters = issuer.token(), known(issuer, writer=ROLE)
    front = serve({"data": double.entry()}, **parameters)
    refusal = refused(exchange, front=front, token=token)
    assert (refusal.status, refusal.code) == (400, "IDPCommunicationError")


def test_the_callback_decides_about_other_roles(
    serve: Serve, issuer: Issuer, double: S3Double
) -> None:
    asked: list[Any] = []

    def role_assumer(request: dict[str, Any]) -> osp.Session | None:
        asked.append(request)
        if request["action"] == "GetSessionToken":
            return osp.Session(token="somebody")
        return osp.Session(token="somebody") if request["role"] == "any" else None

    front = serve(
        {"data": double.entry()},
        **known(issuer),
        role_assumer=role_assumer,
        validator=lambda token, bucket: token == "somebody",
    )
    for given in (exchange(front, issuer.token(), "any"), sts(front).get_session_token()):
        assert holder(front, given).get_object(Bucket="data", Key="k")["Body"].read() == b"x"
    assert refused(exchange, front=front, token=issuer.token(), role="other").code == "AccessDenied"
    assert [r["role"] for r in asked] == ["any", "", "other"]


def test_nothing_secret_is_logged(
    serve: Serve,
    issuer: Issuer,
    double: S3Double,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "object_storage_proxy")
    front = serve(
        {"data": double.entry()},
        **known(issuer, writer=ROLE),
        access_log=str(tmp_path / "access.log"),
        metrics_port=0,
    )
    token = issuer.token()
    given = exchange(front, token)["Credentials"]
    refused(exchange, front=front, token=token, role="none")
    query = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": arn("writer"),
        "RoleSessionName": "test",
        "WebIdentityToken": token,
    }
    for role, status in ((arn("writer"), 200), ("none", 400)):  # as object_store asks
        assert httpx.post(front.url(), params={**query, "RoleArn": role}).status_code == status
    uri = f"{front.url()}/-/credentials"
    for role, status in (("writer", 200), ("none", 403)):
        answer = httpx.get(uri, params={"role": role}, headers={"Authorization": token})
        assert answer.status_code == status
        assert answer.headers["cache-control"] == "no-store"
    seen = scrape(front.server)
    named = {"action": "AssumeRoleWithWebIdentity"}
    assert seen.value("osp_sts_requests_total", **named, result="ok") == 2
    assert seen.value("osp_sts_requests_total", **named, result="AccessDenied") == 1
    assert seen.value("osp_sts_requests_total", **named, result="ValidationError") == 1
    contained = {"action": "ContainerCredentials"}
    assert seen.value("osp_sts_requests_total", **contained, result="ok") == 1
    metrics = get(front.server, "/metrics").text
    front.server.stop()  # writes the rest of the access log
    lines = (tmp_path / "access.log").read_text()
    assert lines.count('"operation":"AssumeRoleWithWebIdentity"') == 4
    assert lines.count('"operation":"ContainerCredentials"') == 2
    everything = lines + caplog.text + metrics
    for secret in (token.split(".")[2], given["SecretAccessKey"], given["SessionToken"]):
        assert secret not in everything


def test_the_command_gets_keys(
    serve: Serve, issuer: Issuer, double: S3Double, tmp_path: Path
) -> None:
    front = serve(
        {"data": double.entry()},
        **known(issuer, writer=ROLE),
    )
    file = job(front.url(), tmp_path, issuer.token()).token_file
    run = runner(tmp_path)
    args = ("credentials", "--endpoint", front.url(), "--role", "writer", "--token-file", file)
    done = run(*args, "--duration", "900")
    assert done.returncode == 0, done.stderr
    keys = json.loads(done.stdout)
    assert keys["Version"] == 1
    assert keys["Expiration"].endswith("Z")
    assert holder(front, {"Credentials": keys}).get_object(Bucket="data", Key="k")
    done = run(*args, "--format", "env")
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert holder(
        front,
        {
            "Credentials": {
                "AccessKeyId": lines["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": lines["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": lines["AWS_SESSION_TOKEN"],
            }
        },
    ).get_object(Bucket="data", Key="k")
    done = run(
        "credentials",
        AWS_ENDPOINT_URL=front.url(),
        AWS_ROLE_ARN=arn("writer"),
        AWS_WEB_IDENTITY_TOKEN_FILE=str(file),
    )
    assert done.returncode == 0, done.stderr


def test_the_command_says_what_is_wrong(
    serve: Serve, issuer: Issuer, double: S3Double, tmp_path: Path
) -> None:
    front = serve({"data": double.entry()}, **known(issuer))
    file = job(front.url(), tmp_path, issuer.token()).token_file
    run = runner(tmp_path)
    given = {"--endpoint": front.url(), "--role": "none", "--token-file": str(file)}

    def told(**changes: str) -> Any:
        options = {**given, **{f"--{name}": value for name, value in changes.items()}}
        return run("credentials", *(text for pair in options.items() for text in pair))

    clear = mistaken(told(endpoint="http://192.0.2.1:9000"))[0]
    assert "with https, or on this machine" in clear
    done = told()
    assert (done.returncode, done.stdout) == (1, "")
    assert "the proxy refused: AccessDenied: " in done.stderr
    done = told(endpoint=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "can't be asked" in done.stderr
    given["--token-file"] = str(tmp_path / "none")
    assert "can't be read" in mistaken(told())[0]
    given["--endpoint"] = "127.0.0.1"
    assert "must be a URL" in mistaken(told())[0]
    assert "--endpoint is required" in mistaken(run("credentials"))[0]
