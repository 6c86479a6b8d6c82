"""A store and a proxy in front of it, to try things out: `./build.sh run [--once]`.

The proxy is python/examples/demo_proxy.py, as its users would run it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import botocore.exceptions
from helpers.children import Child
from helpers.clients import Keys, boto
from helpers.ports import free_port
from helpers.stores import versitygw
from helpers.wait import accepts

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "python" / "examples" / "demo_proxy.py"
BUCKET = "demo"
ALICE, BOB = Keys("alice", "alice-secret"), Keys("bob", "bob-secret")


def start(stack: ExitStack, folder: Path, port: int) -> tuple[str, Child]:
    """Starts both; returns the proxy's endpoint and its process."""
    store = stack.enter_context(versitygw(folder / "store"))
    client = store.client()
    if BUCKET not in [b["Name"] for b in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    proxy = stack.enter_context(
        Child(
            [sys.executable, EXAMPLE],
            folder / "proxy.log",
            env={
                "STORE_ACCESS_KEY": store.keys.access,
                "STORE_SECRET_KEY": store.keys.secret,
                "STORE_HOST": "localhost",
                "STORE_PORT": str(store.port),
                "STORE_REGION": "us-east-1",
                "STORE_STYLE": "path",
                "PROXY_PORT": str(port),
            },
            cwd=folder,
        )
    )
    proxy.listening(port)
    return f"http://127.0.0.1:{port}", proxy


def introduce(url: str) -> None:
    print(f"""
The proxy serves the bucket "{BUCKET}" at {url}

    access key  {ALICE.access}     secret key  {ALICE.secret}      may do everything
    access key  {BOB.access}       secret key  {BOB.secret}        may read

aws-cli:
    export AWS_ACCESS_KEY_ID=alice AWS_SECRET_ACCESS_KEY=alice-secret
    export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION=us-east-1
    aws s3 cp README.md s3://{BUCKET}/  &&  aws s3 ls s3://{BUCKET}/

boto3:
    s3 = boto3.client("s3", endpoint_url="{url}", region_name="us-east-1",
                      aws_access_key_id="alice", aws_secret_access_key="alice-secret")
    s3.put_object(Bucket="{BUCKET}", Key="hello", Body=b"world")

polars:
    at = {{"aws_endpoint_url": "{url}", "aws_region": "us-east-1",
          "aws_access_key_id": "alice", "aws_secret_access_key": "alice-secret"}}
    polars.DataFrame({{"a": [1, 2]}}).write_parquet("s3://{BUCKET}/a.parquet", storage_options=at)
    polars.scan_parquet("s3://{BUCKET}/a.parquet", storage_options=at).collect()

The example is {EXAMPLE.relative_to(ROOT)}. Ctrl-C ends both.
""")


def use(url: str) -> None:
    """Uses the proxy once, as two clients, and says what it saw."""
    alice, bob = boto(url, ALICE), boto(url, BOB, retry=False)
    put = alice.put_object(Bucket=BUCKET, Key="hello", Body=b"world")
    print(f"put:     {put['ResponseMetadata']['HTTPStatusCode']}, ETag {put['ETag']}")
    print(f"list:    {[item['Key'] for item in alice.list_objects_v2(Bucket=BUCKET)['Contents']]}")
    body = bob.get_object(Bucket=BUCKET, Key="hello")["Body"].read()
    print(f"get:     {body!r}")
    print(f"refused: {refusal(bob.put_object, Bucket=BUCKET, Key='hello', Body=b'mine')}")
    alice.delete_object(Bucket=BUCKET, Key="hello")
    left = alice.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    print(f"delete:  {len(left)} objects left")
    if body != b"world" or left:
        raise SystemExit("the demo failed: that is not what was put")


def refusal(call: Any, **arguments: Any) -> str:
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            return str(error)
        raise
    raise SystemExit("the demo failed: a write was allowed that must not be")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="use it once and stop")
    once = parser.parse_args().once
    with ExitStack() as stack:
        if once:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="osp-demo-")))
        else:
            folder = ROOT / ".build" / "demo"
            folder.mkdir(exist_ok=True)
        port = 8080 if not once and not accepts(8080) else free_port()
        url, proxy = start(stack, folder, port)
        if once:
            use(url)
            print("everything went as it should")
            return
        introduce(url)
        try:
            proxy.process.wait()
            sys.exit(f"the proxy ended:\n{proxy.output()[-2000:]}")
        except KeyboardInterrupt:
            print("\nstopping")


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    main()
