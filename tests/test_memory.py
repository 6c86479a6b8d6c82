"""Bodies stream: what the proxy needs does not grow with them."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT
from helpers.children import Child
from helpers.clients import boto
from helpers.ports import free_port

MIB = 1 << 20
SIZE = 1024 * MIB
SCRIPT = """
import json, sys
import object_storage_proxy as osp
osp.start_server(osp.ProxyServerConfig(**json.loads(sys.argv[1])))
"""


class Zeros(io.RawIOBase):
    """A seekable file of zeros that takes no room."""

    def __init__(self, size: int) -> None:
        self.size, self.at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int = -1) -> bytes:
        left = self.size - self.at
        size = left if size < 0 else min(size, left)
        self.at += size
        return bytes(size)


def memory(child: Child, what: str) -> int:
    """VmRSS or VmHWM (the most it ever was), in MiB."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) // 1024


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_gibibyte_up_and_down_takes_no_memory(any_store: Any, tmp_path: Path) -> None:
    bucket, port = any_store.make_bucket("large"), free_port()
    settings = {
        "cos_map": {bucket: any_store.entry()},
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "host": "127.0.0.1",
        "http_port": port,
    }
    args = [sys.executable, "-c", SCRIPT, json.dumps(settings)]
    with Child(args, tmp_path / "proxy.log") as proxy:
        proxy.listening(port)
        s3 = boto(f"http://127.0.0.1:{port}", CLIENT, read_timeout=300)
        s3.put_object(Bucket=bucket, Key="small", Body=b"x" * MIB)
        s3.get_object(Bucket=bucket, Key="small")["Body"].read()
        before = memory(proxy, "VmRSS")
        s3.put_object(Bucket=bucket, Key="large", Body=Zeros(SIZE))
        body, got = s3.get_object(Bucket=bucket, Key="large")["Body"], 0
        while block := body.read(MIB):
            got += len(block)
        assert got == SIZE
        assert memory(proxy, "VmHWM") - before < 64
    any_store.client().delete_object(Bucket=bucket, Key="large")
