"""Odd keys, wherever a request can say one, and the paths of stores' own interfaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

from oracle import documents, names
from oracle.request import METHODS, WRITTEN, Case, fitting

# Spellings of keys that a store could take for others.
ODD_KEYS = (
    "/secret/x", "//secret/x", "secret//x", "public//x", "dir//x", "dir/../secret/x",
    "./secret/x", "../secret/x", "../@closed@/k", "..", ".", "dir/..", "dir/.", "./k", "k/.",
    "%2e/secret/x", "%2e%2e/secret/x", "dir/%2e%2e/secret/x", "dir/%2E%2E%2fsecret/x",
    "%2fsecret/x", "%2Fsecret%2Fx", "%2f%2fsecret/x", "secret%2fx", "%73ecret/x", "s%65cret/x",
    "public%2Fx", "%70ublic/x", "..%2fsecret/x", "..%5csecret%5cx", "\\secret\\x", "secret\\x",
    "secret/x/", "secret/x//", "secret/", "k/", "k//", "/k", "//k", "/", "//", "%00k", "k%00",
    "secret/x%00", "secret/x%20", "secret/x.", "secret/x;v=1", "k;versionId=null", "k%3Facl",
    "k%3Fversions", "k%23", "secret/%78", "%25secret/x", "%2573ecret/x", "%252e%252e/secret/x",
    "SECRET/x", "secret/%EF%BC%8Fx", "%C0%AFsecret/x", "%E2%80%A8", "secret/x%0A", "%0Asecret/x",
    "new/", "a//b", "/a", "a/./b", "~", "*", "secret/*", "secret%2F*", "__XLDIR__",
    "secret__XLDIR__", "secret/x__XLDIR__", "k__XLDIR__", "dir/.sgwtmp", "dir/.sgwtmp/x",
    ".sgwtmp/x", ".sgwtmp/multipart", ".sgwtmp/multipart/@secret-hash@/@secret-upload@/1",
    ".uploads/x", "k.versions/x", "secret/x.versions/v_1", ".mpus-1-secret/up-1",
    ".sgwtmp", ".minio.sys/x", ".minio.sys/buckets", "xl.meta", "k/xl.meta", "secret/x/xl.meta",
    ".metadata/k", "k.versitygw", "lost+found", "con", "./.", "...", "/..", "/../secret/x",
    "k/../secret/x", "k/../../@closed@/k", "outside/x", "team/k", "../outside/x", "/../outside/x",
    "//outside/x", "%2e%2e/outside/x",
)  # fmt: skip
_ON_KEYS: dict[str, tuple[str, ...]] = {
    "": METHODS,
    "tagging": ("GET", "PUT", "DELETE"),
    "acl": ("GET", "PUT"),
    "uploads": ("POST",),
    "attributes": ("GET",),
    "retention": ("PUT", "DELETE"),
    "versionId=null": ("GET", "HEAD", "DELETE"),
    "uploadId=@secret-upload@": ("GET", "PUT", "DELETE"),
    "uploadId=@upload@&partNumber=1": ("PUT",),
    "select&select-type=2": ("POST",),
    "bogus": ("GET", "DELETE"),
}
_LISTINGS = (
    "prefix={}", "list-type=2&prefix={}", "versions&prefix={}", "uploads&prefix={}",
    "prefix={}&delimiter=/", "list-type=2&start-after={}&prefix=secret/",
)  # fmt: skip
# Targets whose bucket is not what it seems.
_ODD_PATHS = (
    "//@open@/secret/x", "/@open@%2Fsecret%2Fx", "/@open@%2fk", "/./@open@/secret/x",
    "/x/../@open@/secret/x", "/@empty@/../@open@/secret/x", "/@empty@/..%2f@open@/k",
    "/@empty@%2f..%2f@closed@/k", "/%2e/@closed@/k", "/@open@/../@closed@", "///", "/@open@//",
    "/@open@/?acl", "/@open@//?acl", "//@closed@", "/@closed@/", "/@closed@//", "/@open@;acl",
    "/.", "/..", "/../@closed@/k", "/@CLOSED@/k",
)  # fmt: skip


def odd_keys() -> Iterator[Case]:
    """Keys that a store could take for another one, in paths and listings."""
    for key, (query, methods) in product(ODD_KEYS, _ON_KEYS.items()):
        name = query.partition("=")[0].partition("&")[0]
        for method in methods:
            body = b""
            if method in ("PUT", "POST"):
                body = fitting(method, "/bucket/key", name) if query else WRITTEN
            for bucket in ("@open@", "@folder@") if query in ("", "tagging") else ("@open@",):
                target = f"/{bucket}/{key}?{query}" if query else f"/{bucket}/{key}"
                yield Case("odd key", method, target, body=body)
    for bucket, key, query in product(("@open@", "@folder@"), ODD_KEYS, _LISTINGS):
        prefix = query.format(quote(key, safe="@%/"))
        yield Case("odd prefix", "GET", f"/{bucket}?{prefix}")
    for path, method in product(_ODD_PATHS, METHODS):
        yield Case("odd path", method, path, body=WRITTEN if method == "PUT" else b"")


_CONTROL = (
    "minio", ".minio.sys", "admin", "swift", "auth", ".sgwtmp", "health", "metrics", "webhdfs",
    "minio-reserved", "_admin", "status", "probe", "v1", "dashboard", "api", "list-users",
    "crossdomain.xml",
)  # fmt: skip


def control_planes() -> Iterator[Case]:
    """Paths of stores' own interfaces, which look like buckets to a pattern."""
    # Nothing that stops or freezes a store: then it couldn't be judged any more.
    paths = [
        "minio/admin/v3/info", "minio/admin/v3/storageinfo", "minio/admin/v3/list-users",
        "minio/admin/v3/list-canned-policies", "minio/admin/v3/accountinfo",
        "minio/admin/v3/add-canned-policy?name=evil", "minio/admin/v3/add-user?accessKey=evil",
        "minio/admin/v3/service?action=unfreeze", "minio/admin/v3/get-config",
        "minio/admin/v3/top/locks",
        "minio/admin/v3/set-bucket-quota?bucket=@open@", "minio/admin/v3/export-bucket-metadata",
        "minio/admin/v3/get-bucket-quota?bucket=@closed@", "minio/health/live",
        "minio/health/cluster",
        "minio/v2/metrics/cluster", "minio/prometheus/metrics", "minio/metrics/v3",
        "minio/kms/v1/status",
        "minio/webrpc", "minio/bootstrap/v1/verify", "minio/grid/v1", "minio/peer/v39/health",
        "minio/storage/x", "minio/lock/v7/health", "minio/login", "%6dinio/admin/v3/info",
        "minio%2Fadmin%2Fv3%2Finfo", "./minio/admin/v3/info", "/minio/admin/v3/info",
        "minio//admin/v3/info", "minio/./admin/v3/info", "MINIO/admin/v3/info",
        ".minio.sys/config/config.json", ".minio.sys/buckets", ".minio.sys/format.json",
        ".minio.sys/pool.bin", "%2eminio.sys/config", "admin/user?uid=x", "admin/bucket",
        "admin/usage",
        "admin/metadata/user", "swift/v1/@closed@/k", "swift/v1", "auth/v1.0", "auth", ".sgwtmp/x",
        ".sgwtmp/multipart", "create-user", "list-users", "list-buckets", "change-bucket-owner",
        "v1/status", "v2/GetClusterHealth", "check?domain=x", "webhdfs/v1/x?op=LISTSTATUS",
    ]  # fmt: skip
    for path, method in product([*_CONTROL, *paths], (*METHODS, "PATCH")):
        for more in ("", "uploads", "location") if method != "PATCH" else ("",):
            joined = f"/{path}{'&' if '?' in path else '?'}{more}" if more else f"/{path}"
            yield Case("control plane", method, joined, body=b"{}" if method == "PUT" else b"")
    for action in ("AssumeRole", "GetCallerIdentity", "ListUsers", "CreateUser", "GetSessionToken"):
        body = f"Action={action}&Version=2011-06-15&UserName=evil".encode()
        form = (("content-type", "application/x-www-form-urlencoded"),)
        for target in ("/", "/?x-id=x", "/@open@", "/@new@"):
            yield Case("control plane", "POST", target, form, body)


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\x00", "&#0;")


def deletions() -> Iterator[Case]:
    """Lists to delete, with odd keys, versions, and what two parsers could read differently."""
    decoded = [*ODD_KEYS, "k", "secret/x", "new", "k&#47;", "&#115;ecret/x", "secret&#47;x"]
    bodies = [f"<Object><Key>{_xml(key)}</Key></Object>" for key in decoded]
    bodies += [
        f"<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>"
        for key in ("k", "secret/x")
        for version in ("null", "@version@", "", "../x", "x", "/", "null ")
    ]
    bodies += [
        "<Object><Key>k</Key><Key>secret/x</Key></Object>",
        "<Object><Key>k</Key></Object><Object><Key>secret/x</Key></Object>",
        "<Object><Key>k<!-- -->x</Key></Object>",
        "<Object><Key><![CDATA[secret/x]]></Key></Object>",
        "<Object><Key>k</Key></Object><Quiet>true</Quiet>", "<object><key>secret/x</key></object>",
        "<Object><Key> secret/x </Key></Object>", "<Object><Key>\nsecret/x\n</Key></Object>",
        "<Object Key='secret/x'><Key>k</Key></Object>",
        "<x><Object><Key>secret/x</Key></Object></x>",
        "<Object><x:Key xmlns:x='y'>secret/x</x:Key><Key>k</Key></Object>", "",
        "<Object><Key>k</Key><ETag>*</ETag></Object>",
        "<Object><Key>k</Key><Size>1</Size></Object>",
        "<Prefix>secret/</Prefix><Object><Key>k</Key></Object>", "<Object><Key></Key></Object>",
    ]  # fmt: skip
    for bucket, inner in product(("@open@", "@folder@", "@kept@", "@closed@"), bodies):
        body = f"<Delete>{inner}</Delete>".encode()
        yield Case("list to delete", "POST", f"/{bucket}?delete", body=body)
    for more, client in product(("=", "=x", "&versionId=null", "&force"), ("trusted", "named")):
        body = documents.OF_BUCKETS["delete"]
        yield Case("list to delete", "POST", f"/@open@?delete{more}", body=body, client=client)


_UNPACK = ("x-amz-meta-snowball-auto-extract", "true")
_FIELDS = (
    _UNPACK, ("success_action_status", "201"), ("success_action_redirect", "http://localhost/x"),
    ("tagging", documents.OF_OBJECTS["tagging"].decode()), ("acl", "public-read"),
    ("Key", "secret/x"), ("KEY", "secret/x"), ("bucket", "@other@"), ("Bucket", "@closed@"),
    ("x-ignore-key", "secret/x"), ("uploads", ""), ("uploadId", "@upload@"),
)  # fmt: skip
_FORM_TARGETS = (
    "/@open@/k", "/@open@?uploads", "/@open@?delete", "/@open@/", "/@closed@", "/@new@",
    "/@open@?acl", "/@open@?bogus", "/@open@/k?uploads", "/@open@//",
)  # fmt: skip


def forms() -> Iterator[Case]:
    """Form uploads: odd keys, and fields that order more than bytes."""
    keys = [*ODD_KEYS, "k", "new", "secret/x", "${filename}", "secret/${filename}", ""]
    known = [(name.lower(), value) for name, value in names.HEADER_VALUES.items()]
    foreign = [pair for pair in names.FOREIGN_HEADERS if re.match("x-amz|x-minio", pair[0])]
    fields: list[tuple[tuple[str, str], ...]] = [(pair,) for pair in (*known, *foreign, *_FIELDS)]
    fields += [(_UNPACK, ("x-amz-meta-minio-snowball-prefix", "secret"))]
    for bucket, key in product(("@open@", "@folder@"), keys):
        yield Case("form", "POST", f"/{bucket}", form=(("key", key),), body=WRITTEN)
    for bucket, some in product(("@open@", "@folder@"), fields):
        file = documents.tar() if "snowball" in some[0][0] else WRITTEN
        yield Case("form", "POST", f"/{bucket}", form=(("key", "k"), *some), body=file)
    for target in _FORM_TARGETS:
        yield Case("form", "POST", target, form=(("key", "new"),), body=WRITTEN)
