"""Two stores, and a proxy in front of both: what copies between them are tested with."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from helpers.stores import Store

PAIRS = [("minio", "versitygw"), ("versitygw", "minio"), ("minio", "minio")]
HOUR = datetime.timedelta(hours=1)
FILLED = {
    "ContentType": "text/x",
    "ContentEncoding": "br",
    "ContentLanguage": "de",
    "ContentDisposition": "inline",
    "CacheControl": "no-cache",
    "Expires": datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc),
    "Metadata": {"a": "b", "C-d": "e f"},
    "Tagging": "t=1&u=a%20b%2F%3D%2B",
}
SOURCES: dict[str, dict[str, Any]] = {
    "filled": {"Body": b"hello", **FILLED},
    "empty": {"Body": b""},
    "large": {"Body": random.Random(3).randbytes(300_000), "ChecksumAlgorithm": "SHA256"},
}
SHOWN = (
    *("ContentType", "ContentEncoding", "ContentLanguage", "ContentDisposition", "CacheControl"),
    *("Expires", "Metadata", "ETag", "ContentLength", "ChecksumType", "ChecksumCRC32"),
    *("ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"),
)


@dataclass(frozen=True)
class Two:
    """The bucket "from" is at one store, and "to" at another; "near" is at that one, too."""

    source: Store
    target: Store
    front: Any  # conftest.Front
    buckets: dict[str, str]  # by entry: what its store calls it

    def __post_init__(self) -> None:
        for store, entry in ((self.source, "from"), (self.target, "near")):
            for key, what in SOURCES.items():
                store.client().put_object(Bucket=self.buckets[entry], Key=key, **what)

    def sources(self) -> Iterator[tuple[str, Store]]:
        yield "near", self.target
        yield "from", self.source

    def clear(self, key: str = "k") -> None:
        self.target.client().delete_object(Bucket=self.buckets["target"], Key=key)

    def stored(self, key: str = "k") -> dict[str, Any]:
        """What the target's store has, as far as it matters."""
        s3, where = self.target.client(), {"Bucket": self.buckets["target"], "Key": key}
        try:
            got = s3.get_object(**where, ChecksumMode="ENABLED")
        except botocore.exceptions.ClientError as error:
            return {"Stored": error.response["Error"]["Code"]}
        tags = s3.get_object_tagging(**where)["TagSet"]
        shown = {name: got[name] for name in SHOWN if name in got}
        tags = sorted((t["Key"], t["Value"]) for t in tags)
        return {**shown, "Body": got["Body"].read(), "Tags": tags}

    def copied(self, source: dict[str, str], order: dict[str, Any]) -> dict[str, Any]:
        """What the client is told of a copy, and what there is then."""
        s3 = self.front.boto()
        try:
            answer = s3.copy_object(Bucket="target", Key="k", CopySource=source, **order)
        except botocore.exceptions.ClientError as error:
            told = error.response
            status = told["ResponseMetadata"]["HTTPStatusCode"]
            return {"Status": status, "Code": told["Error"]["Code"], **self.stored()}
        result = answer["CopyObjectResult"]
        age = datetime.datetime.now(datetime.timezone.utc) - result["LastModified"]
        version = answer.get("CopySourceVersionId")
        seen = {"Now": abs(age) < HOUR, "Told": result["ETag"], "Version": version}
        return {**seen, **self.stored()}


def differences(near: dict[str, Any], far: dict[str, Any]) -> dict[str, Any]:
    """What differs, but for the time that MinIO forgets when it copies."""
    names = (near.keys() | far.keys()) - {"Expires"}
    both = {name: (near.get(name), far.get(name)) for name in names}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}
