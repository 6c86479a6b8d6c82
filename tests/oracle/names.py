"""Names that a request can say: S3's own from botocore's model, and those of other dialects."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any

import botocore.session


@functools.cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("s3")


def _operations() -> list[Any]:
    return [_model().operation_model(name) for name in _model().operation_names]


@functools.cache
def selectors() -> list[str]:
    """The parameters that select an operation: `?tagging`, `?select&select-type=2`."""
    uris = [str(operation.http["requestUri"]) for operation in _operations()]
    found = {pair.partition("=")[0] for uri in uris for pair in uri.partition("?")[2].split("&")}
    return sorted(found - {""})


@functools.cache
def configurations() -> dict[str, set[str]]:
    """By selector: the operations on a bucket that change what is configured there."""
    found = defaultdict(set)
    for operation in _operations():
        path, _, query = str(operation.http["requestUri"]).partition("?")
        changes = operation.http["method"] in ("PUT", "DELETE", "POST")
        if query and path == "/{Bucket}" and changes and query != "delete":
            found[query.partition("&")[0]].add(operation.name)
    return dict(found)


def _located(location: str) -> list[str]:
    found = set()
    for operation in _operations():
        members = operation.input_shape.members.values() if operation.input_shape else ()
        for member in members:
            if member.serialization.get("location") == location:
                found.add(str(member.serialization["name"]))
    return sorted(found)


@functools.cache
def parameters() -> list[str]:
    """The other query parameters of S3."""
    return _located("querystring")


@functools.cache
def headers() -> list[str]:
    """S3's request headers, without those of answers that Object Lambda writes."""
    return [name for name in _located("header") if not name.startswith("x-amz-fwd-")]


# Names that are not S3's, by who understands them.
FOREIGN = {
    "nobody": [
        "bogus", "force", "recursive", "_method", "method", "X-HTTP-Method-Override", "action",
        "Action", "op", "cmd", "list", "key", "object", "bucket", "file", "path", "ACL", "Tagging",
        "Retention", "uploadid", "UploadId", "versionid", "Uploads", "Delete", "Policy",
    ],
    "S3 in headers only": [
        "x-amz-copy-source", "x-amz-rename-source", "x-amz-acl", "x-amz-meta-a", "x-amz-tagging",
        "x-amz-bypass-governance-retention", "x-amz-security", "x-id",
    ],
    "MinIO": [
        "lambdaArn", "events", "replication-reset", "replication-reset-status", "replication-check",
        "replication-metrics", "metadata", "ping", "x-minio-extract", "X-Minio-Source",
        "forceDelete", "x-minio-force-delete", "client-token", "dryRun",
    ],
    "versitygw": ["owner", "list-buckets", "change-bucket-owner", "create-user"],
    "Ceph": [
        "append", "position", "usage", "quota", "stats", "mdsearch", "allow-unordered", "format",
        "user", "keys", "caps", "purge-objects", "purge-data", "unlink", "fix", "uid", "subuser",
        "sync", "layout", "rgwx-prefetch", "rgwx-stat", "attrs", "check-objects", "PayerAccess",
    ],
    "Google": [
        "billing", "compose", "defaultObjectAcl", "storageClass", "generation", "userProject",
        "encryptionConfig", "upload_id", "uploadType", "softDeleted", "autoclass",
        "ifGenerationMatch",
    ],
    "Alibaba, Huawei, Tencent": [
        "symlink", "objectMeta", "bucketInfo", "stat", "referer", "live", "vod", "img", "style",
        "cname", "worm", "wormId", "wormExtend", "asyncFetch", "callback", "x-oss-process",
        "process", "sequential", "rename", "name", "modify", "truncate", "length", "storagePolicy",
        "backtosource", "storageinfo", "x-image-process", "ci-process", "domain", "origin",
        "cleanup",
        "directcoldaccess", "fetch", "restoreobject", "udf", "comp", "regionList",
    ],
    "IBM, EMC, others": [
        "protection", "legalHold", "extendRetention", "extended", "firewall", "add", "remove",
        "namespace", "searchmetadata", "query", "endpoint", "isstaleallowed", "fileaccess",
    ],
}  # fmt: skip
# What a name may be given so that it means something.
VALUES = {
    "uploadId": "@upload@",
    "versionId": "@version@",
    "partNumber": "1",
    "list-type": "2",
    "select": "&select-type=2",
    "position": "0",
    "prefix": "secret/",
    "marker": "secret/",
    "start-after": "secret/",
    "key-marker": "secret/",
    "id": "1",
    "inventory": "&id=1",
    "metrics": "&id=1",
    "analytics": "&id=1",
    "intelligent-tiering": "&id=1",
    "annotation": "&annotationName=a",
    "metadata": "true",
    "events": "s3:ObjectCreated:*",
    "lambdaArn": "arn:minio:s3-object-lambda::_:webhook",
    "replication-reset": "reset",
    "force": "true",
    "forceDelete": "true",
    "recursive": "true",
    "x-amz-copy-source": "/@open@/secret/x",
    "x-amz-rename-source": "/@open@/secret/x",
    "x-amz-acl": "public-read",
    "name": "secret/renamed",
    "_method": "DELETE",
    "method": "DELETE",
    "X-HTTP-Method-Override": "DELETE",
    "x-minio-extract": "true",
    "Action": "AssumeRole",
    "encoding-type": "url",
    "max-keys": "1000",
    "delimiter": "/",
    "x-minio-force-delete": "true",
}

# Headers that no operation of S3 has; with what they could order.
FOREIGN_HEADERS: list[tuple[str, str]] = [
    *(
        (name, method)
        for name in ("x-http-method-override", "x-http-method", "x-method-override")
        for method in ("DELETE", "PUT", "GET")
    ),
    ("x-original-url", "/@open@/secret/x"),
    ("x-rewrite-url", "/@open@/secret/x"),
    ("x-forwarded-prefix", "/@open@/secret"),
    ("x-copy-from", "@open@/secret/x"),
    ("x-object-manifest", "@open@/secret/"),
    ("x-symlink-target", "@open@/secret/x"),
    ("x-delete-at", "1"),
    ("destination", "/@open@/secret/moved"),
    ("x-emc-namespace", "other"),
    ("x-emc-copy-source", "/@open@/secret/x"),
    ("x-goog-copy-source", "/@open@/secret/x"),
    ("x-goog-acl", "public-read"),
    ("x-oss-copy-source", "/@open@/secret/x"),
    ("x-oss-symlink-target", "secret/x"),
    ("x-obs-copy-source", "/@open@/secret/x"),
    ("x-cos-copy-source", "/@open@/secret/x"),
    ("x-bce-copy-source", "/@open@/secret/x"),
    ("copy-source", "/@open@/secret/x"),
    ("x-amz-copy-source-key", "secret/x"),
    ("x-amz-force-delete", "true"),
    ("x-minio-force-delete", "true"),
    ("x-minio-extract", "true"),
    ("x-minio-source-replication-request", "true"),
    ("x-minio-source-etag", "0"),
    ("x-minio-source-mtime", "2001-01-01T00:00:00Z"),
    ("x-minio-internal-actual-size", "1"),
    ("x-minio-meta-a", "b"),
    ("x-minio-replication-delete-status", "COMPLETED"),
    ("x-amz-replication-status", "REPLICA"),
    ("x-amz-meta-x-minio-internal-a", "b"),
    ("x-amz-meta-mtime", "1"),
    ("x-amz-meta-uid", "0"),
    ("x-amz-meta-versitygw-acl", "x"),
    ("rgwx-copy-if-newer", "1"),
    ("x-rgw-append", "1"),
    ("x-amz-append-position", "0"),
    ("x-amz-bogus", "x"),
    ("x-amz-meta-a", "b"),
    ("x-bogus", "x"),
    ("range", "bytes=0-3"),
    ("if-none-match", "*"),
    ("if-match", '"0"'),
    ("content-encoding", "gzip"),
    ("accept-encoding", "gzip"),
    ("origin", "https://app.example"),
    ("x-forwarded-host", "minio"),
    ("x-amz-expected-bucket-owner", "store-owner"),
]
# What S3's own headers may be given, where a word of no meaning would be refused at once.
HEADER_VALUES = {
    "x-amz-acl": "public-read",
    "x-amz-bypass-governance-retention": "true",
    "x-amz-bucket-object-lock-enabled": "true",
    "x-amz-copy-source": "/@open@/secret/x",
    "x-amz-rename-source": "/@open@/secret/x",
    "x-amz-metadata-directive": "REPLACE",
    "x-amz-tagging-directive": "REPLACE",
    "x-amz-object-attributes": "ETag,ObjectSize,ObjectParts",
    "x-amz-object-lock-legal-hold": "ON",
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z",
    "x-amz-object-ownership": "BucketOwnerPreferred",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-tagging": "a=b",
    "x-amz-website-redirect-location": "/secret/x",
    "x-amz-write-offset-bytes": "7",
    "x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
    "x-amz-server-side-encryption": "AES256",
    "x-amz-optional-object-attributes": "RestoreStatus",
    "x-amz-checksum-mode": "ENABLED",
    "Range": "bytes=0-3",
    "If-Match": '"0"',
    "If-None-Match": "*",
}
# These are the client's own framing: signed and sent by `wire`.
FRAMING = {"Content-Length", "Content-MD5"}


def foreign() -> list[str]:
    return [name for names in FOREIGN.values() for name in names]
