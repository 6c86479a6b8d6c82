"""What users of object-storage-proxy have: their script as it is, and its count of requests."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
from helpers.children import Child
from helpers.clients import Keys, boto, refused
from helpers.double import S3Double
from helpers.ibm import IamDouble
from helpers.ports import free_port

SCRIPT = """
import json
import os
import random

from dotenv import load_dotenv

import object_storage_proxy as osp

load_dotenv()

osp.enable_request_counting()


def docreds(token: str, bucket: str) -> str:
    apikey = os.getenv("COS_API_KEY")
    if not apikey:
        raise ValueError("COS_API_KEY environment variable not set")
    print(f"Fetching credentials for {bucket}... requests: {osp.get_request_count()}", flush=True)
    return json.dumps({"api_key": apikey})


def do_validation(token: str, bucket: str) -> bool:
    print(f"PYTHON: Validating headers: {token[:5]} for {bucket}...", flush=True)
    return len(token) > 4000 and random.choice([True, True])


def lookup_secret_key(access_key: str) -> str | None:
    return os.getenv(access_key)


cos_map = {
    "proxy-ibm-bucket": {
        "host": "127.0.0.1",
        "region": "eu-de",
        "port": int(os.environ["COS_PORT"]),
        "api_key": os.getenv("NO_SUCH_API_KEY"),
        "addressing_style": "path",
        "ttl": 300,
    },
    "proxy-aws-bucket": {
        "host": "127.0.0.1",
        "region": "us-east-1",
        "port": int(os.environ["S3_PORT"]),
        "access_key": os.getenv("AWS_ACCESS_KEY"),
        "secret_key": os.getenv("AWS_SECRET_KEY"),
        "api_key": os.getenv("NOT_FOR_AWS"),
        "ttl": None,
        "addressingStyle": "path",
    },
}

ra = osp.ProxyServerConfig(
    cos_map=cos_map,
    bucket_creds_fetcher=docreds,
    validator=do_validation,
    http_port=int(os.environ["PROXY_PORT"]),
    threads=1,
    hmac_keystore=[{"access_key": "kept", "secret_key": "kept-secret"}],
    skip_signature_validation=True,
    hmac_fetcher=lookup_secret_key,
    verify=False,
    iam_endpoint=os.environ["IAM"],
)

if __name__ == "__main__":
    osp.start_server(ra)
    print("ended after", osp.get_request_count())
"""


def test_it_runs_as_it_is(tmp_path: Path) -> None:
    token = "eyJhbGciOi.J9/+=" * 256  # 4 KB with slashes, as tokens have
    port = free_port()
    with (
        IamDouble({"the-api-key"}) as iam,
        S3Double(check=iam.problem_with_bearer) as cos,
        S3Double() as aws,
    ):
        (tmp_path / "script.py").write_text(SCRIPT)
        (tmp_path / ".env").write_text(
            f"COS_API_KEY=the-api-key\nCOS_PORT={cos.port}\nS3_PORT={aws.port}\n"
            f"AWS_ACCESS_KEY={aws.keys.access}\nAWS_SECRET_KEY={aws.keys.secret}\n"
            f"PROXY_PORT={port}\nIAM={iam.endpoint}\n"
        )
        with Child([sys.executable, "script.py"], tmp_path / "log", cwd=tmp_path) as child:
            child.listening(port)
            url = f"http://127.0.0.1:{port}"
            s3 = boto(url, Keys(token, "meaningless"))
            for bucket in ("proxy-ibm-bucket", "proxy-aws-bucket"):
                s3.put_object(Bucket=bucket, Key="k", Body=b"seed")
                assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"seed"
            short = boto(url, Keys("short", "meaningless"), retry=False)
            assert refused(short.get_object, Bucket="proxy-aws-bucket", Key="k").status == 403
            child.process.send_signal(signal.SIGINT)
            assert child.process.wait(20) == 0, child.output()
        assert (cos.problems, aws.problems, iam.problems) == ([], [], [])
        assert "ended after 5" in child.output()
        assert "Fetching credentials for proxy-ibm-bucket" in child.output()
        assert token not in child.output()


def test_requests_are_counted_while_counting_is_on(serve: Any) -> None:
    with S3Double() as double:
        s3 = serve({"data": double.entry()}).boto()
        osp.disable_request_counting()
        s3.put_object(Bucket="data", Key="k", Body=b"x")
        before = osp.get_request_count()
        osp.enable_request_counting()
        try:
            for _ in range(3):
                s3.get_object(Bucket="data", Key="k")
        finally:
            osp.disable_request_counting()
        s3.get_object(Bucket="data", Key="k")
        assert osp.get_request_count() - before == 3
