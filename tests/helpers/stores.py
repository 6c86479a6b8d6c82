"""Real S3 stores on 127.0.0.1, each a child process on a folder of its own.

The programs are built by build.sh from the versions in tests/stores/go.mod.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions

from helpers.certificates import Certificates
from helpers.children import Child
from helpers.clients import Keys, boto
from helpers.ports import free_port
from helpers.wait import until

PROGRAMS = Path(__file__).resolve().parents[2] / ".build" / "stores"
REGION = "us-east-1"


@dataclass(frozen=True)
class Store:
    """A running store and the keys of its owner."""

    name: str
    port: int
    child: Child
    tls: bool = False
    ca: Path | None = None
    keys: Keys = field(default_factory=lambda: Keys("store-owner", "store-owner-secret"))
    version: str = ""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    def client(self, **kwargs: Any) -> Any:
        """A boto3 client that talks to the store directly, the same one each time."""
        return _client(self, **kwargs)

    def entry(self, **changes: Any) -> dict[str, Any]:
        """The cos_map entry for a bucket of this store."""
        return {
            "host": "localhost",
            "port": self.port,
            "region": REGION,
            "access_key": self.keys.access,
            "secret_key": self.keys.secret,
            "addressing_style": "path",
            "is_tls_enabled": self.tls,
            **changes,
        }

    def make_bucket(self, prefix: str = "data") -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def answers(self) -> bool:
        """Whether the store does what it is asked to."""
        try:
            self.client(retry=False).list_buckets()
        except botocore.exceptions.ClientError:
            return False
        return True

    def keys_in(self, bucket: str) -> list[str]:
        """What the store itself says is in the bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


@functools.cache
def _client(store: Store, **kwargs: Any) -> Any:
    return boto(store.url, store.keys, ca=store.ca, **kwargs)


@contextmanager
def versitygw(folder: Path, certificates: Certificates | None = None) -> Iterator[Store]:
    """The Versity gateway on a plain folder."""
    port = free_port()
    data, sidecar = folder / "data", folder / "sidecar"
    for each in (data, sidecar):
        each.mkdir(parents=True, exist_ok=True)
    tls = ["--cert", certificates.cert, "--key", certificates.key] if certificates else []
    args = [PROGRAMS / "versitygw", "--port", f"127.0.0.1:{port}", "--keep-alive", *tls]
    # The sidecar holds metadata where the filesystem has no extended attributes.
    args += ["posix", "--sidecar", sidecar, data]
    keys = Keys("store-owner", "store-owner-secret")
    env = {"ROOT_ACCESS_KEY": keys.access, "ROOT_SECRET_KEY": keys.secret, "VGW_REGION": REGION}
    with Child(args, folder / "versitygw.log", env=env) as child:
        child.listening(port)
        yield Store("versitygw", port, child, bool(certificates), certificates and certificates.ca)


@contextmanager
def minio(folder: Path, certificates: Certificates | None = None) -> Iterator[Store]:
    """MinIO on a plain folder."""
    port = free_port()
    data, certs = folder / "data", folder / "certs"
    for each in (data, certs):
        each.mkdir(parents=True, exist_ok=True)
    if certificates:
        (certs / "public.crt").write_bytes(certificates.cert.read_bytes())
        (certs / "private.key").write_bytes(certificates.key.read_bytes())
    args = [PROGRAMS / "minio", "server", "--quiet", "--address", f"127.0.0.1:{port}"]
    args += ["--console-address", f"127.0.0.1:{free_port()}", "--certs-dir", certs, data]
    keys = Keys("store-owner", "store-owner-secret")
    env = {
        "MINIO_ROOT_USER": keys.access,
        "MINIO_ROOT_PASSWORD": keys.secret,
        "MINIO_REGION": REGION,
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
    }
    with Child(args, folder / "minio.log", env=env) as child:
        child.listening(port)
        store = Store("minio", port, child, bool(certificates), certificates and certificates.ca)
        until(store.answers, "MinIO, which listens before it is initialised", 30)
        yield store


STORES: dict[str, Callable[..., Any]] = {"versitygw": versitygw, "minio": minio}
