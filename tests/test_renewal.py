"""Real clients get keys by nothing but variables, and renew them while they are at work.

boto3 is in test_sts.py, which is about what it gets.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Front, Serve
from helpers.certificates import trusted_by_java
from helpers.children import clean_environment
from helpers.clients import CLIENT
from helpers.identity import ROLE, arn, job, known
from helpers.issuer import Issuer
from helpers.pages import ROOT
from helpers.stores import Store
from helpers.wait import until

CLIENTS = ROOT / "tests" / "clients"
ELSEWHERE = ROOT / ".build" / "clients" / "bin" / "python"
ENGINES = ROOT / ".build" / "engines"
LENGTH = 12 << 20


@dataclass
class Scene:
    """A role whose sessions last some seconds, and who was seen with one."""

    front: Front
    store: Store
    bucket: str
    folder: Path
    token: str
    sessions: dict[str, int] = field(default_factory=dict)  # when they end, by access key

    def web(self, scheme: str) -> dict[str, str]:
        """With STS where object_store looks for it, too."""
        given = job(self.front.url(scheme), self.folder, self.token).environment("writer")
        return {**given, "AWS_ENDPOINT_URL_STS": self.front.url(scheme)}

    def container(self, scheme: str) -> dict[str, str]:
        return job(self.front.url(scheme), self.folder, self.token).container("writer")

    def uses(self, command: list[Any], variables: dict[str, str]) -> None:
        """Runs a client that says when it is half done, and goes on when its keys are over."""
        environment = clean_environment(
            HOME=str(self.folder),
            S3_BUCKET=self.bucket,
            SSL_CERT_FILE=str(self.front.ca),
            AWS_CA_BUNDLE=str(self.front.ca),
            AWS_EC2_METADATA_DISABLED="true",
            **variables,
        )
        with (
            (self.folder / "said").open("w+") as said,
            subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            ) as client,
        ):
            assert client.stdin
            assert client.stdout
            half = client.stdout.readline()
            if half == "half\n":
                self.keys_end()
            out, _ = client.communicate("go on\n", timeout=400)
            said.seek(0)
            assert (half, client.returncode) == ("half\n", 0), half + out + said.read()[-6000:]
        assert len(self.sessions) > 1

    def keys_end(self) -> None:
        until(lambda: self.sessions, "a request")
        # They were told in whole seconds.
        until(lambda: time.time() > max(self.sessions.values()) + 1, "the end of the keys")

    def uploaded(self) -> int:
        return int(
            self.store.client().head_object(Bucket=self.bucket, Key="uploaded")["ContentLength"]
        )


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, serve: Serve, any_store: Any, tmp_path: Path
) -> Iterator[Scene]:
    # A JVM that has just started may take seconds from getting keys to using them.
    seconds = 15 if request.node.get_closest_marker("identity") else 2
    with Issuer(algorithm="RS256") as issuer:
        bucket = any_store.make_bucket()
        sessions: dict[str, int] = {}

        def watch(token: str, bucket: str, request: dict[str, Any]) -> bool:
            sessions[request["session"]["access_key"]] = request["session"]["expires"]
            return token == "writer"

        lasting = {"min_duration": 1, "max_duration": seconds}
        front = serve(
            {bucket: any_store.entry(ttl=0)},
            **known(issuer, writer={**ROLE, **lasting, "keys": "*"}),
            validator=watch,
        )
        yield Scene(front, any_store, bucket, tmp_path, issuer.token(), sessions)


# object_store, on which obstore, deltalake and polars stand, wants STS by https.
WAYS = [
    ("s3fs", "web", "http"),
    ("s3fs", "container", "http"),
    ("obstore", "web", "https"),
    ("obstore", "container", "http"),
    ("deltalake", "web", "https"),
    ("duckdb", "container", "http"),
    ("polars", "web", "https"),
    ("polars", "container", "http"),
    ("pyarrow", "container", "http"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way", "scheme"), WAYS)
def test_a_client_renews_its_keys_in_the_middle(
    scene: Scene, name: str, way: str, scheme: str
) -> None:
    python = sys.executable if name == "polars" else ELSEWHERE
    variables = getattr(scene, way)(scheme)
    if scheme == "http":
        variables["AWS_ALLOW_HTTP"] = "true"
    scene.uses([python, CLIENTS / "renew.py", name], variables)
    if name not in ("deltalake", "duckdb", "polars"):
        assert scene.uploaded() == LENGTH


@pytest.mark.slow
@pytest.mark.parametrize("way", ["web", "container"])
def test_the_aws_command_renews_its_keys_in_the_middle(scene: Scene, way: str) -> None:
    """It reads what it uploads from a pipe, which has the second half when its keys are over."""
    aws = Path(sys.executable).parent / "aws"
    upload = f"(head -c {LENGTH} /dev/zero; echo half >&3; read _ <&4; head -c {LENGTH} /dev/zero)"
    line = f"{upload} | {aws} s3 cp - s3://{scene.bucket}/uploaded >&2"
    scene.uses(["bash", "-c", f"exec 3>&1 4<&0; {line}"], getattr(scene, way)("http"))
    assert scene.uploaded() == 2 * LENGTH


@pytest.mark.identity
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["web", "container"])
def test_the_aws_sdk_for_java_renews_its_keys_in_the_middle(scene: Scene, way: str) -> None:
    command = ["java", "-cp", f"{ENGINES / 'jars'}/*", CLIENTS / "java" / "Renew.java"]
    scene.uses(command, {"AWS_REGION": "us-east-1", **getattr(scene, way)("http")})
    assert scene.uploaded() == LENGTH


AWS = "software.amazon.awssdk.auth.credentials"
S3A = "org.apache.hadoop.fs.s3a"


@pytest.mark.identity
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["web", "assumed"])
def test_spark_renews_its_keys_in_the_middle(scene: Scene, way: str) -> None:
    provider = {
        "web": {"aws.credentials.provider": f"{AWS}.WebIdentityTokenFileCredentialsProvider"},
        "assumed": {
            "aws.credentials.provider": f"{S3A}.auth.AssumedRoleCredentialProvider",
            "assumed.role.arn": arn("writer"),
            # S3A puts https:// before it.
            "assumed.role.sts.endpoint": scene.front.url("https").removeprefix("https://"),
            "assumed.role.sts.endpoint.region": "us-east-1",
        },
    }[way]
    settings = {f"spark.hadoop.fs.s3a.{name}": value for name, value in provider.items()}
    variables = {
        **(scene.web("http") if way == "web" else {}),
        **trusted_by_java(scene.front.ca, scene.folder),
        "AWS_REGION": "us-east-1",
        "PYTHONPATH": str(CLIENTS),
        "S3_ENDPOINT": scene.front.url(),
        "S3_ACCESS": CLIENT.access,
        "S3_SECRET": CLIENT.secret,
        "S3_CA": str(scene.front.ca),
        "SPARK_JARS": f"{ENGINES / 'spark-jars'}/*",
        "SPARK_SETTINGS": json.dumps(settings),
    }
    python = ENGINES / "spark" / "bin" / "python"
    scene.uses([python, CLIENTS / "spark" / "renew.py"], variables)


@pytest.mark.slow
def test_polars_with_boto3_has_keys_of_more_than_boto3s_fifteen_minutes(
    serve: Serve, any_store: Any, tmp_path: Path
) -> None:
    bucket = any_store.make_bucket()
    with Issuer(algorithm="RS256") as issuer:
        front = serve({bucket: any_store.entry()}, **known(issuer, writer=ROLE))
        given = job(front.url(), tmp_path, issuer.token()).environment("writer")
        code = (
            "import polars as pl\n"
            f"pl.DataFrame({{'k': [1, 2]}}).write_parquet('s3://{bucket}/k')\n"
            f"print(pl.scan_parquet('s3://{bucket}/k').select(pl.col('k').sum()).collect().item())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=clean_environment(HOME=str(tmp_path), AWS_ALLOW_HTTP="true", **given),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout == "3\n", done.stderr
