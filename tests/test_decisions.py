"""What a validator is asked about a request, and what becomes of its answer."""

from __future__ import annotations

from typing import Any

import object_storage_proxy as osp
from conftest import CLIENT
from helpers.clients import refused
from helpers.double import S3Double
from helpers.raw import send, sign


class TestTheRequest:
    def test_what_it_tells(self, serve: Any, double: S3Double) -> None:
        seen: list[dict[str, Any]] = []

        def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
            seen.append(request)
            return True

        s3 = serve({"data": double.entry()}, validator=may).boto()
        s3.put_object(Bucket="data", Key="a b", Body=b"12345", Metadata={"team": "blue"})
        s3.copy_object(Bucket="data", Key="c", CopySource={"Bucket": "data", "Key": "a b"})
        put, copy, source = seen
        assert put["operation"] == "PutObject"
        assert (put["bucket"], put["key"], put["version_id"]) == ("data", "a b", "")
        assert (put["access_key"], put["region"], put["presigned"]) == (
            CLIENT.access,
            "us-east-1",
            False,
        )
        assert put["client_ip"] == put["source"] == "127.0.0.1"
        assert put["path"] == "/data/a%20b"
        assert put["content_length"] >= 5
        assert put["headers"]["x-amz-meta-team"] == put["headers"]["X-Amz-Meta-Team"] == "blue"
        assert "boto3" in put["headers"].get("user-agent").lower()
        assert (copy["operation"], copy["copy_source"]) == ("CopyObject", "data/a b")
        assert (source["operation"], source["key"], source["copy_source"]) == (
            "GetObject",
            "a b",
            "",
        )

    def test_headers_hold_no_signature_no_secret_and_nothing_that_nobody_signed(
        self, serve: Any, double: S3Double
    ) -> None:
        seen: dict[str, str] = {}

        def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
            seen.update(request["headers"])
            return True

        front = serve({"data": double.entry()}, validator=may)
        secrets = {
            "X-Amz-Server-Side-Encryption-Customer-Key": "c2VjcmV0",
            "X-Amz-Server-Side-Encryption-Customer-Algorithm": "AES256",
            "X-Role": "reader",
        }
        headers = sign("GET", f"{front.url()}/data/k", CLIENT, headers=secrets)
        added = {"X-Group": "admin", "Cookie": "c=1", "X-Forwarded-For": "192.0.2.1"}
        assert send(front.url(), "GET", "/data/k", {**headers, **added}).status == 200
        assert seen["x-role"] == "reader"
        assert "x-amz-server-side-encryption-customer-algorithm" in seen
        kept = {name for name in seen if "secret" in seen[name] or seen[name] == "c2VjcmV0"}
        hidden = {"authorization", "x-amz-security-token", "x-group", "cookie", "x-forwarded-for"}
        assert not kept
        assert not hidden & set(seen)

    def test_unless_the_decision_says_for_how_long(self, serve: Any, double: S3Double) -> None:
        asked: list[str] = []

        def may(token: str, bucket: str, request: dict[str, Any]) -> osp.Decision:
            asked.append(request["headers"]["host"])
            return osp.Decision(True, ttl=60)

        s3 = serve({"data": double.entry()}, validator=may).boto()
        for _ in range(3):
            s3.head_object(Bucket="data", Key="k")
        assert len(asked) == 1

    def test_who_looks_at_no_header_is_asked_once(self, serve: Any, double: S3Double) -> None:
        asked: list[str] = []

        def may(token: str, bucket: str, request: dict[str, Any]) -> bool:
            asked.append(request["key"])
            return bool(dict(request))  # a copy of the dict looks at no header

        s3 = serve({"data": double.entry()}, validator=may).boto()
        for _ in range(3):
            s3.head_object(Bucket="data", Key="k")
        assert asked == ["k"]


def test_the_reason_reaches_the_client_if_asked(serve: Any, double: S3Double) -> None:
    def may(token: str, bucket: str) -> osp.Decision:
        return osp.Decision(False, reason="ask team <blue>")

    for shown in (False, True):
        front = serve({"data": double.entry()}, validator=may, show_reasons=shown)
        refusal = refused(front.boto(retry=False).get_object, Bucket="data", Key="k")
        assert refusal.code == "AccessDenied"
        assert refusal.message == ("Access Denied: ask team <blue>" if shown else "Access Denied")


def test_each_key_of_a_list_to_delete_is_authorised(serve: Any, store: Any) -> None:
    bucket = store.make_bucket()
    keys = [f"{folder}/{n} &<ü" for folder in ("open", "closed") for n in range(20)]
    for key in keys:
        store.client().put_object(Bucket=bucket, Key=key, Body=b"x")
    asked: list[str] = []

    def may(token: str, name: str, request: dict[str, Any]) -> osp.Decision:
        asked.append(request["operation"])
        return osp.Decision(request["key"].startswith("open/"), reason="closed")

    s3 = serve({bucket: store.entry()}, validator=may, show_reasons=True).boto()
    for quiet in (False, True):
        done = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys], "Quiet": quiet}
        )
        assert [(e["Key"], e["Code"], e["Message"]) for e in done["Errors"]] == [
            (k, "AccessDenied", "Access Denied: closed") for k in keys[20:]
        ]
        if not quiet:
            assert sorted(d["Key"] for d in done["Deleted"]) == sorted(keys[:20])
    assert sorted(store.keys_in(bucket)) == sorted(keys[20:])
    assert asked.count("DeleteObjects") == len(keys)  # the second list was answered from the cache
