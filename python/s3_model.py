"""Makes go/s3op/model.go from AWS's own model of S3, as botocore ships it.

Usage: python python/s3_model.py [FILE]      (default: go/s3op/model.go)

The generated file is committed, so that building needs no botocore; `./build.sh
check` compares the two. What AWS adds comes with the next version of botocore
that tests/requirements.txt pins.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import botocore.loaders  # type: ignore[import-untyped]

_TARGET = Path(__file__).resolve().parents[1] / "go" / "s3op" / "model.go"

# Operations that the proxy never serves: the first hands out credentials of the store, the
# second has the target of ListBuckets, at other hosts; the third goes to the hosts of
# object lambdas.
_LEFT_OUT = {"CreateSession", "ListDirectoryBuckets", "WriteGetObjectResponse"}

# The actions of IAM that an operation needs, where they are not the one of its own name, from
# AWS's "Actions, resources, and condition keys for Amazon S3" and the permissions that its API
# reference names for each operation. Of two with a bar between them, the second is needed
# instead when a version is named.
_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateBucketMetadataConfiguration": "CreateBucketMetadataTableConfiguration",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketMetadataConfiguration": "DeleteBucketMetadataTableConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObject": "DeleteObject|DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectTagging|DeleteObjectVersionTagging",
    "DeleteObjects": "DeleteObject|DeleteObjectVersion",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketMetadataConfiguration": "GetBucketMetadataTableConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObject": "GetObject|GetObjectVersion",
    "GetObjectAcl": "GetObjectAcl|GetObjectVersionAcl",
    "GetObjectAttributes": (
        "GetObject|GetObjectVersion GetObjectAttributes|GetObjectVersionAttributes"
    ),
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetObjectTagging": "GetObjectTagging|GetObjectVersionTagging",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject|GetObjectVersion",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectAcl": "PutObjectAcl|PutObjectVersionAcl",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutObjectTagging": "PutObjectTagging|PutObjectVersionTagging",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "RenameObject": "PutObject",  # the old key is asked about by GetObject and DeleteObject
    "SelectObjectContent": "GetObject",
    "UpdateObjectEncryption": "PutObject UpdateObjectEncryption",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}

_HEAD = """\
// Code generated by python/s3_model.py; DO NOT EDIT.

package s3op

// model is every operation of AWS's model of S3, by name.
var model = []spec{
"""


def main(target: Path) -> None:
    service = botocore.loaders.Loader().load_service_model("s3", "service-2")
    rows = [
        _row(name, operation, service["shapes"])
        for name, operation in sorted(service["operations"].items())
        if name not in _LEFT_OUT and not operation.get("deprecated")
    ]
    target.write_text(_HEAD + "".join(rows) + "}\n", encoding="utf-8")


def _row(name: str, operation: dict[str, Any], shapes: dict[str, Any]) -> str:
    http = operation["http"]
    path, _, query = http["requestUri"].partition("?")
    level = {"/": "service", "/{Bucket}": "bucket", "/{Bucket}/{Key+}": "object"}[path]
    shape = shapes[operation["input"]["shape"]] if "input" in operation else {}
    members = shape.get("members", {})
    required = {members[member]["locationName"] for member in _in_query(members, shape)}
    taken = {m["locationName"] for m in members.values() if m.get("location") == "querystring"}
    fields = {m["locationName"] for m in members.values() if m.get("location") == "header"}
    selects = " ".join(
        f"{key}={value}" if value else key
        for key, value in parse_qsl(query, keep_blank_values=True)
        if key != "x-id"
    )
    columns = {
        "name": name,
        "method": http["method"],
        "selects": selects,
        "needs": " ".join(sorted(required)),
        "takes": " ".join(sorted(taken - required)),
        "headers": " ".join(sorted(field.lower() for field in fields)),
        "actions": _ACTIONS.get(name, name),
    }
    texts = [f'{key}: "{value}"' for key, value in columns.items() if value]
    texts.insert(2, f"at: {level}")
    if "payload" in shape or any("location" not in member for member in members.values()):
        texts.append("body: true")
    return "\t{" + ", ".join(texts) + "},\n"


def _in_query(members: dict[str, Any], shape: dict[str, Any]) -> list[str]:
    """The members that must be there, and are parameters."""
    return [m for m in shape.get("required", []) if members[m].get("location") == "querystring"]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _TARGET)
