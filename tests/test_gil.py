"""With warm caches a request needs no Python: the GIL may be held by anybody."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from conftest import CLIENT
from helpers.children import Child
from helpers.clients import boto
from helpers.gil import HOLD, held, needs_pydll, prepare
from helpers.ports import free_port

SCRIPT = (
    """
import ctypes, json, os, sys
import object_storage_proxy as osp

settings, secrets, keys = map(json.loads, sys.argv[1:])
config = osp.ProxyServerConfig(
    validator=lambda token, bucket, request: True,
    hmac_fetcher=secrets.get,
    bucket_creds_fetcher=lambda token, bucket: keys,
    **settings,
)
with osp.ProxyServer(config):
"""
    + HOLD
)


@needs_pydll
def test_warm_requests_are_served_while_a_thread_holds_the_gil(
    any_store: Any, tmp_path: Path
) -> None:
    bucket, port = any_store.make_bucket("gil"), free_port()
    any_store.client().put_object(Bucket=bucket, Key="k", Body=b"data")
    prepare(tmp_path)
    arguments = [
        {
            "cos_map": {bucket: any_store.entry(access_key=None, secret_key=None)},
            "host": "127.0.0.1",
            "http_port": port,
        },
        {CLIENT.access: CLIENT.secret},
        {"access_key": any_store.keys.access, "secret_key": any_store.keys.secret},
    ]
    command = [sys.executable, "-c", SCRIPT, *map(json.dumps, arguments)]
    with Child(command, tmp_path / "proxy.log", cwd=tmp_path) as proxy:
        proxy.listening(port)
        s3 = boto(f"http://127.0.0.1:{port}", CLIENT, retry=False, read_timeout=15)

        def get() -> bytes:
            body: bytes = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
            return body

        assert get() == b"data"  # fills the caches
        with held(proxy, tmp_path):
            for _ in range(20):
                assert get() == b"data"
