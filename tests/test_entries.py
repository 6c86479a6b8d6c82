"""What an entry of cos_map makes of a store's bucket: names, folders, patterns, rights."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import boto3
import botocore.exceptions
import botocore.handlers
import object_storage_proxy as osp
import pytest
from botocore.config import Config
from conftest import CLIENT, Front
from helpers.clients import refused
from helpers.double import KEYS, S3Double
from helpers.raw import send, sign

MIB = 1 << 20


@pytest.fixture(scope="module")
def lake(store: Any) -> str:
    """A bucket with two teams' folders; clients see the first as "data"."""
    name: str = store.make_bucket("lake")
    for key in ("other/secret", "team", "team-b/secret"):
        store.client().put_object(Bucket=name, Key=key, Body=b"secret")
    return name


@pytest.fixture
def s3(serve: Any, store: Any, lake: str, scheme: str) -> Any:
    """The client's view: a folder with a space in its name."""
    front = serve({"data": store.entry(bucket=lake, prefix="team a")})
    return front.boto(scheme, retry=False)


class TestAFolderAsABucket:
    def test_objects_live_in_the_folder(self, s3: Any, store: Any, lake: str) -> None:
        for key in ("k", "ü/+%20 &<>'\"", "team a/k", "other/secret"):
            s3.put_object(Bucket="data", Key=key, Body=key.encode())
            assert s3.get_object(Bucket="data", Key=key)["Body"].read() == key.encode()
            assert s3.head_object(Bucket="data", Key=key)["ContentLength"] == len(key.encode())
            inside = store.client().get_object(Bucket=lake, Key="team a/" + key)
            assert inside["Body"].read() == key.encode()
            s3.delete_object(Bucket="data", Key=key)
            assert refused(s3.get_object, Bucket="data", Key=key).code == "NoSuchKey"
        assert "other/secret" in store.keys_in(lake)

    @pytest.mark.parametrize("encoding", ["url", None])
    @pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
    def test_listings(self, s3: Any, operation: str, encoding: str | None) -> None:
        keys = ["a b/1", "a b/2+3", "c&d", "z", "ü/%41"]
        for key in keys:
            s3.put_object(Bucket="data", Key=key, Body=b"x")
        if encoding is None:
            s3.meta.events.unregister(
                f"before-parameter-build.s3.{to_name(operation)}",
                botocore.handlers.set_list_objects_encoding_type_url,
            )
        pages = list(
            s3.get_paginator(operation).paginate(Bucket="data", PaginationConfig={"PageSize": 2})
        )
        assert [c["Key"] for page in pages for c in page.get("Contents", [])] == keys
        assert len(pages) == 3
        one = getattr(s3, operation)(Bucket="data", Prefix="a b/")
        assert one["Name"] == "data"
        assert one["Prefix"].replace("+", " ") == "a b/"  # MinIO's way, which boto3 leaves alone
        assert [c["Key"] for c in one["Contents"]] == keys[:2]
        folders = getattr(s3, operation)(Bucket="data", Delimiter="/")
        assert [p["Prefix"] for p in folders["CommonPrefixes"]] == ["a b/", "ü/"]
        assert [c["Key"] for c in folders["Contents"]] == ["c&d", "z"]
        after = {"StartAfter": "c&d"} if operation.endswith("v2") else {"Marker": "c&d"}
        rest = getattr(s3, operation)(Bucket="data", **after)
        assert [c["Key"] for c in rest["Contents"]] == keys[3:]
        s3.delete_objects(Bucket="data", Delete={"Objects": [{"Key": k} for k in keys]})
        assert "Contents" not in getattr(s3, operation)(Bucket="data")

    def test_uploads_in_parts(self, s3: Any, store: Any, lake: str, scheme: str) -> None:
        upload = s3.create_multipart_upload(Bucket="data", Key="big one")
        assert (upload["Bucket"], upload["Key"]) == ("data", "big one")
        which = {"Bucket": "data", "Key": "big one", "UploadId": upload["UploadId"]}
        listed = s3.list_multipart_uploads(Bucket="data", Prefix="big one")
        assert (listed["Bucket"], [u["Key"] for u in listed["Uploads"]]) == ("data", ["big one"])
        etags = [
            s3.upload_part(**which, PartNumber=n, Body=bytes([n]) * size)["ETag"]
            for n, size in ((1, 5 * MIB), (2, 10))
        ]
        parts = s3.list_parts(**which)
        assert (parts["Bucket"], parts["Key"], len(parts["Parts"])) == ("data", "big one", 2)
        done = s3.complete_multipart_upload(
            **which,
            MultipartUpload={
                "Parts": [{"PartNumber": n + 1, "ETag": e} for n, e in enumerate(etags)]
            },
        )
        assert (done["Bucket"], done["Key"]) == ("data", "big one")
        assert done["Location"] == f"{s3.meta.endpoint_url}/data/big%20one"
        assert (
            store.client().head_object(Bucket=lake, Key="team a/big one")["ContentLength"]
            == 5 * MIB + 10
        )
        s3.copy_object(Bucket="data", Key="copy", CopySource={"Bucket": "data", "Key": "big one"})
        assert (
            store.client().head_object(Bucket=lake, Key="team a/copy")["ContentLength"]
            == 5 * MIB + 10
        )
        s3.delete_objects(Bucket="data", Delete={"Objects": [{"Key": "big one"}, {"Key": "copy"}]})

    def test_errors_speak_of_the_clients_names(self, s3: Any, scheme: str) -> None:
        with pytest.raises(s3.exceptions.NoSuchKey) as caught:
            s3.get_object(Bucket="data", Key="missing")
        told = json.dumps(caught.value.response)
        assert "team a" not in told
        assert "lake-" not in told

    def test_the_whole_bucket_is_out_of_reach(self, s3: Any) -> None:
        assert s3.head_bucket(Bucket="data")
        for call in (s3.get_bucket_policy, s3.get_bucket_acl, s3.delete_bucket, s3.create_bucket):
            assert refused(call, Bucket="data").code == "NotImplemented"


def to_name(operation: str) -> str:
    return "ListObjectsV2" if operation.endswith("v2") else "ListObjects"


WAYS_OUT = [
    "../other/secret",
    "..%2Fother%2Fsecret",
    "%2e%2e/other/secret",
    "%2E%2E%2Fother/secret",
    "x/../../other/secret",
    "..",
    "./../other/secret",
    "..;/other/secret",
    "..%5Cother%5Csecret",
    "..\\other\\secret",
    "%252e%252e/other/secret",
    "..%c0%afother/secret",
    "%c0%ae%c0%ae/other/secret",
    "..%00/other/secret",
    "/../other/secret",
    "//other/secret",
    "..%2f..%2fother%2fsecret?versionId=../secret",
]


@pytest.mark.parametrize("way", WAYS_OUT)
def test_there_is_no_way_out_of_the_folder(serve: Any, store: Any, lake: str, way: str) -> None:
    """However the key is spelled, nothing of another folder is read, written or removed."""
    front: Front = serve({"data": store.entry(bucket=lake, prefix="team a")})
    before = sorted(store.keys_in(lake))
    path, _, query = f"/data/{way}".partition("?")
    canonical = quote(unquote_to_bytes(path), safe="/-_.~") + (f"?{query}" if query else "")
    for method, body in (("GET", b""), ("PUT", b"mine"), ("DELETE", b"")):
        headers = sign(method, front.url() + canonical, CLIENT, body)
        answer = send(front.url(), method, f"/data/{way}", headers, body)
        assert answer.body != b"secret"
        assert answer.code != "SignatureDoesNotMatch"
    left = [k for k in store.keys_in(lake) if not k.startswith("team a/")]
    assert left == [k for k in before if not k.startswith("team a/")]
    s3 = front.boto(retry=False)
    for prefix in ("../", way, quote(way)):
        listed = {}
        with contextlib.suppress(botocore.exceptions.ClientError):
            listed = s3.list_objects_v2(Bucket="data", Prefix=prefix)
        assert all(c["Key"].startswith(prefix) for c in listed.get("Contents", []))
        assert "secret" not in str(listed.get("CommonPrefixes"))


def test_two_stores_equal_names_live_side_by_side(
    serve: Any, running_stores: Any, minio: Any
) -> None:
    one, two = running_stores("versitygw"), minio
    for at in (one, two):
        at.client().create_bucket(Bucket="logs")
    s3 = serve({"logs": one.entry(), "logs-of-two": two.entry(bucket="logs")}).boto()
    s3.put_object(Bucket="logs", Key="k", Body=b"one")
    s3.put_object(Bucket="logs-of-two", Key="k", Body=b"two")
    assert one.client().get_object(Bucket="logs", Key="k")["Body"].read() == b"one"
    assert two.client().get_object(Bucket="logs", Key="k")["Body"].read() == b"two"
    assert s3.list_objects_v2(Bucket="logs-of-two")["Name"] == "logs-of-two"


class TestPatterns:
    def test_the_exact_name_comes_first_then_the_longest_pattern(self, serve: Any) -> None:
        with S3Double() as exact, S3Double() as team, S3Double() as rest:
            cos_map = {"*": rest.entry(), "team-*": team.entry(), "team-one": exact.entry()}
            s3 = serve(cos_map).boto()
            for bucket in ("team-one", "team-two", "sales"):
                s3.put_object(Bucket=bucket, Key="k", Body=b"x")
            paths = [[seen.path for seen in double.seen] for double in (exact, team, rest)]
            assert paths == [["/team-one/k"], ["/team-two/k"], ["/sales/k"]]
            assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["team-one"]

    def test_the_fetcher_and_the_validator_get_the_clients_name(self, serve: Any) -> None:
        asked = []

        def creds(token: str, bucket: str) -> dict[str, str | float | Any]:
            asked.append(bucket)
            return {"access_key": f"key-of-{bucket}", "secret_key": "s"}

        with S3Double(check=lambda seen: None) as double:
            entry = double.entry(access_key=None, secret_key=None)
            s3 = serve({"team-*": entry}, bucket_creds_fetcher=creds).boto()
            for bucket in ("team-a", "team-b", "team-a"):
                s3.put_object(Bucket=bucket, Key="k", Body=b"x")
            used = [
                s.headers["authorization"].split("Credential=")[1].split("/")[0]
                for s in double.seen
            ]
        assert asked == ["team-a", "team-b"]
        assert used == ["key-of-team-a", "key-of-team-b", "key-of-team-a"]


def test_read_only(serve: Any, any_store: Any) -> None:
    bucket = any_store.make_bucket()
    any_store.client().put_object(Bucket=bucket, Key="k", Body=b"x")
    s3 = serve({bucket: any_store.entry(read_only=True)}).boto(retry=False)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    gone = {"Objects": [{"Key": "k"}]}
    refusals = [
        refused(s3.put_object, Bucket=bucket, Key="k", Body=b"y"),
        refused(s3.delete_object, Bucket=bucket, Key="k"),
        refused(s3.delete_objects, Bucket=bucket, Delete=gone),
        refused(s3.create_multipart_upload, Bucket=bucket, Key="k"),
        refused(s3.copy_object, Bucket=bucket, Key="l", CopySource={"Bucket": bucket, "Key": "k"}),
        refused(s3.delete_bucket, Bucket=bucket),
    ]
    assert {(r.status, r.code, r.message) for r in refusals} == {
        (403, "AccessDenied", "The bucket is read-only.")
    }
    assert any_store.keys_in(bucket) == ["k"]


class TestAnonymous:
    @pytest.fixture
    def nobody(self) -> Any:
        def client(front: Front) -> Any:
            return boto3.client(
                "s3",
                endpoint_url=front.url(),
                region_name="us-east-1",
                config=Config(
                    signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1}
                ),
            )

        return client

    def test_reads_go_to_the_validator_with_an_empty_token(
        self, serve: Any, store: Any, nobody: Any
    ) -> None:
        bucket = store.make_bucket()
        for key in ("public/k", "private/k"):
            store.client().put_object(Bucket=bucket, Key=key, Body=b"x")

        def may(token: str, name: str, request: dict[str, Any]) -> bool:
            return token == "" and request["key"].startswith("public/")

        s3 = nobody(serve({bucket: store.entry(anonymous=True)}, validator=may))
        assert s3.get_object(Bucket=bucket, Key="public/k")["Body"].read() == b"x"
        assert s3.head_object(Bucket=bucket, Key="public/k")["ContentLength"] == 1
        assert refused(s3.get_object, Bucket=bucket, Key="private/k").code == "AccessDenied"
        assert refused(s3.list_objects_v2, Bucket=bucket).code == "AccessDenied"
        for call in (
            lambda: refused(s3.put_object, Bucket=bucket, Key="public/k", Body=b"y"),
            lambda: refused(s3.delete_object, Bucket=bucket, Key="public/k"),
        ):
            assert call().code == "AccessDenied"
        assert store.client().get_object(Bucket=bucket, Key="public/k")["Body"].read() == b"x"

    def test_it_is_off_by_default(self, serve: Any, any_store: Any, nobody: Any) -> None:
        bucket = any_store.make_bucket()
        any_store.client().put_object(Bucket=bucket, Key="k", Body=b"x")
        s3 = nobody(serve({bucket: any_store.entry()}))
        refusal = refused(s3.get_object, Bucket=bucket, Key="k")
        assert (refusal.status, refusal.code) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "config", [{"domain": "localhost"}, {"domains": ["a.example", "localhost"]}]
)
def test_virtual_hosted_style(
    serve: Any, store: Any, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def to_this_machine(host: str, *args: Any, **kwargs: Any) -> Any:
        return look_up("127.0.0.1" if host.endswith(".localhost") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", to_this_machine)
    bucket = store.make_bucket()
    asked = []

    def may(token: str, name: str, request: dict[str, Any]) -> bool:
        asked.append((request["bucket"], request["key"], request["path"]))
        return True

    front = serve({bucket: store.entry()}, validator=may, **config)
    s3 = virtual_client(front.url().replace("127.0.0.1", "localhost"))
    body = random.Random(1).randbytes(100_000)
    s3.put_object(Bucket=bucket, Key="a b/k", Body=body)
    assert s3.get_object(Bucket=bucket, Key="a b/k")["Body"].read() == body
    assert store.keys_in(bucket) == ["a b/k"]
    assert (bucket, "a b/k", f"/{bucket}/a%20b/k") in asked


def virtual_client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=CLIENT.access,
        aws_secret_access_key=CLIENT.secret,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "virtual"}),
    )


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"prefix": "/abs"}, 'cos_map["data"].prefix'),
        ({"prefix": "a/../b"}, 'cos_map["data"].prefix'),
        ({"prefix": "a//b"}, 'cos_map["data"].prefix'),
        ({"prefix": "/"}, 'cos_map["data"].prefix'),
        ({"bucket": "a/b"}, 'cos_map["data"].bucket'),
        ({"read_only": "yes"}, 'cos_map["data"].read_only'),
        ({"anonymous": 1}, 'cos_map["data"].anonymous'),
        ({"readonly": True}, 'cos_map["data"].readonly'),
    ],
)
def test_mistakes_are_named(entry: dict[str, Any], path: str) -> None:
    config = osp.ProxyServerConfig({"data": {"host": "h", "port": 1, **entry}}, http_port=0)
    with pytest.raises(osp.ConfigError) as caught:
        osp.ProxyServer(config).start()
    assert [p for p, _ in caught.value.mistakes] == [path]


@pytest.mark.parametrize("name", ["a*b*", "te am-*", "a/*"])
def test_patterns_that_make_no_sense(name: str) -> None:
    config = osp.ProxyServerConfig({name: {"host": "h", "port": 1}}, http_port=0)
    with pytest.raises(osp.ConfigError):
        osp.ProxyServer(config).start()
    fixed = osp.ProxyServerConfig({"a*": {"host": "h", "port": 1, "bucket": "one"}}, http_port=0)
    with pytest.raises(osp.ConfigError, match="can't be set for a pattern"):
        osp.ProxyServer(fixed).start()


class TestCosMapSpellings:
    @pytest.mark.parametrize(
        "spelling",
        [
            {"access_key": KEYS.access, "secret_key": KEYS.secret, "addressing_style": "path"},
            {"accessKey": KEYS.access, "secretKey": KEYS.secret, "addressingStyle": "path"},
            {"access_key": KEYS.access, "secretKey": KEYS.secret, "addressing_style": "path",
             "time-to-live": 5, "tls": False, "api_key": None},
            {"accessKey": KEYS.access, "access_key": None, "secret_key": KEYS.secret,
             "addressingStyle": "path", "ttl": 5, "is_tls_enabled": False, "region": "us-east-1"},
        ],
        ids=["snake", "camel", "mixed", "None beside the other spelling"],
    )  # fmt: skip
    def test_every_spelling_works(self, serve: Any, spelling: dict[str, Any]) -> None:
        with S3Double() as double:
            entry = {"host": "127.0.0.1", "port": double.port, **spelling}
            serve({"data": entry}).boto().put_object(Bucket="data", Key="k", Body=b"x")
            assert (double.problems, double.objects) == ([], {b"/data/k": b"x"})

    def test_a_cos_map_item_is_an_entry_too(self, serve: Any) -> None:
        with S3Double() as double:
            item = osp.CosMapItem(
                host="127.0.0.1", port=double.port, access_key=KEYS.access, secret_key=KEYS.secret,
                addressing_style="path",
            )  # fmt: skip
            serve({"data": item}).boto().put_object(Bucket="data", Key="k", Body=b"x")
            assert double.objects == {b"/data/k": b"x"}
