"""All replicas are restarted, one after the other, while clients use them."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT
from helpers.balancers import EACH_KIND, KINDS, REPLICAS, Fleet
from helpers.certificates import Certificates
from helpers.clients import boto
from helpers.load import load
from helpers.stores import Store

CLIENTS = 8

pytestmark = pytest.mark.slow


class Work:
    """What a client does: puts an object, gets it, deletes it, over connections that it keeps."""

    def __init__(self, fleet: Fleet, bucket: str, **client: Any) -> None:
        self._make = lambda: boto(fleet.url, CLIENT, **client)
        self._bucket, self._numbers, self._own = bucket, itertools.count(), threading.local()

    def __call__(self) -> None:
        s3 = self._own.__dict__.setdefault("s3", None) or self._make()
        self._own.s3 = s3
        where = {"Bucket": self._bucket, "Key": f"k{next(self._numbers)}"}
        body = where["Key"].encode() * 3_000
        s3.put_object(**where, Body=body)
        assert s3.get_object(**where)["Body"].read() == body
        s3.delete_object(**where)


def rolled(fleet: Fleet, work: Work) -> dict[str, int]:
    """What became of the work while each replica was restarted; each serves again after it."""
    with load(work, CLIENTS) as outcomes:
        for number, address in enumerate(REPLICAS):
            before, done = fleet.served(address), outcomes["good"]
            assert fleet.restart(number) == 0
            assert outcomes["good"] > done
            assert fleet.served(address) > before
    return dict(outcomes)


@pytest.mark.parametrize("kind", EACH_KIND)
@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "PROXY protocol"])
def test_no_request_is_lost(
    tmp_path: Path, any_store: Store, certificates: Certificates, kind: str, encrypted: bool
) -> None:
    """Behind a balancer that looks at /readyz, even for clients that never repeat anything.

    Otherwise for those that do as SDKs do.
    """
    bucket = any_store.make_bucket()
    tls = certificates if encrypted else None
    repeats = not KINDS[kind].looks
    with Fleet(tmp_path, kind, {bucket: any_store.entry()}, tls) as fleet:
        work = Work(fleet, bucket, retry=repeats, ca=certificates.ca if tls else None)
        outcomes = rolled(fleet, work)
    assert set(outcomes) == {"good"}, outcomes
    assert any_store.keys_in(bucket) == []
