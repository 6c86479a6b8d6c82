"""The command line finds the entry of a bucket as the proxy does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from object_storage_proxy.cli.buckets import entry_name

VECTORS = json.loads((Path(__file__).parent / "vectors" / "buckets.json").read_text())


@pytest.mark.parametrize(("bucket", "found"), VECTORS["finds"].items())
def test_a_bucket_finds_the_entry_that_the_library_finds(bucket: str, found: str | None) -> None:
    assert entry_name(bucket, VECTORS["entries"]) == found
    assert entry_name(bucket, reversed(VECTORS["entries"])) == found
