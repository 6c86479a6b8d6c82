"""What a validator is asked, by which signature, and what becomes of its answer."""

from __future__ import annotations

from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT
from helpers.calls import Calls
from helpers.clients import Keys, refused
from helpers.double import S3Double
from helpers.raw import send, sign
from helpers.wait import until


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


class TestValidator:
    def test_two_parameters_get_token_and_bucket_once_per_ttl(
        self, serve: Any, double: S3Double
    ) -> None:
        asked = Calls(lambda token, name: True)
        s3 = serve({"data": double.entry()}, validator=asked.of_two()).boto()
        for key in "kkl":
            s3.head_object(Bucket="data", Key=key)
        assert asked.args == [(CLIENT.access, "data")]

    def test_ttl_0_asks_every_time(self, serve: Any, double: S3Double) -> None:
        asked = Calls(lambda token, name: True)
        s3 = serve({"data": double.entry(ttl=0)}, validator=asked.of_two()).boto()
        for _ in range(3):
            s3.head_object(Bucket="data", Key="k")
        assert len(asked.args) == 3

    def test_three_parameters_get_the_request(self, serve: Any, double: S3Double) -> None:
        asked = Calls(lambda token, name, request: True)
        double.objects[b"/data"] = b"<ListBucketResult/>"
        front = serve(
            {"data": double.entry()},
            validator=asked.of_three(),
            trusted_proxies=["127.0.0.0/8"],
        )
        s3 = front.boto()
        s3.meta.events.register(
            "before-sign.s3",
            lambda request, **_: request.headers.add_header("X-Forwarded-For", "192.0.2.7"),
        )
        s3.list_objects_v2(Bucket="data", Prefix="a b/ü", Delimiter="/")
        token, name, request = asked.args[0]
        assert (token, name) == (CLIENT.access, "data")
        assert request["method"] == "GET"
        assert request["path"] == "/data"
        assert request["source"] == "192.0.2.7"
        assert request["list-type"] == "2"
        assert request["prefix"] == "a b/ü"
        assert request["delimiter"] == "/"

    def test_a_decision_brings_its_own_ttl(self, serve: Any, double: S3Double) -> None:
        verdicts = {"kept": osp.Decision(True), "asked again": osp.Decision(True, ttl=0)}
        for name, verdict in verdicts.items():
            asked = Calls(lambda token, bucket, verdict=verdict: verdict)
            s3 = serve({"data": double.entry()}, validator=asked.of_two()).boto()
            for _ in range(3):
                s3.head_object(Bucket="data", Key="k")
            assert len(asked.args) == (1 if name == "kept" else 3)

    def test_a_refusing_decision_tells_its_reason_to_the_log_only(
        self, serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "object_storage_proxy")
        refusing = osp.Decision(False, reason="not on a Tuesday")
        front = serve({"data": double.entry()}, validator=lambda token, name: refusing)
        s3 = front.boto(retry=False)

        def told() -> bool:  # the library learns of a changed log level a little later
            refusal = refused(s3.get_object, Bucket="data", Key="k")
            assert (refusal.code, "Tuesday" in refusal.message) == ("AccessDenied", False)
            return "not on a Tuesday" in caplog.text

        until(told, "the reason in the log")

    @pytest.mark.parametrize(
        "nonsense",
        [
            osp.Decision(1),  # type: ignore[arg-type]
            osp.Decision(True, ttl=-1),
            osp.Decision(True, ttl=float("nan")),
            osp.Decision(True, ttl="1"),  # type: ignore[arg-type]
            osp.Decision,
            1,
            "True",
            None,
        ],
        ids=repr,
    )
    def test_what_is_no_decision_refuses(self, serve: Any, double: S3Double, nonsense: Any) -> None:
        front = serve({"data": double.entry()}, validator=lambda token, name: nonsense)
        refusal = refused(front.boto(retry=False).get_object, Bucket="data", Key="k")
        assert (refusal.status, refusal.code) == (403, "AccessDenied")

    def test_a_rule_by_prefix_does_not_leak(self, serve: Any, any_store: Any) -> None:
        """An allowed path must not open its neighbours, nor GET open PUT."""
        bucket = any_store.make_bucket()

        def rule(token: str, name: str, request: dict[str, Any]) -> bool:
            return request["method"] == "GET" and request["path"].startswith(f"/{bucket}/open/")

        for key in ("open/a", "closed/a"):
            any_store.client().put_object(Bucket=bucket, Key=key, Body=b"x")
        s3 = serve({bucket: any_store.entry()}, validator=rule).boto(retry=False)
        for _ in range(2):
            assert s3.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"x"
            assert refused(s3.get_object, Bucket=bucket, Key="closed/a").code == "AccessDenied"
            assert (
                refused(s3.put_object, Bucket=bucket, Key="open/a", Body=b"y").code
                == "AccessDenied"
            )
        assert any_store.client().get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"x"

    def test_narrowed_by_auth_cache_by_it_is_asked_once(self, serve: Any, double: S3Double) -> None:
        asked = Calls(lambda token, name, request: True)
        s3 = serve(
            {"data": double.entry()},
            validator=asked.of_three(),
            auth_cache_by=("token", "bucket"),
        ).boto()
        for key in "kl":
            s3.head_object(Bucket="data", Key=key)
        assert len(asked.args) == 1

    def test_an_async_validator_is_awaited(self, serve: Any, double: S3Double) -> None:
        async def rule(token: str, name: str) -> bool:
            return token == CLIENT.access

        two = Keys("second", "secret-2")
        pairs = [{"access_key": k.access, "secret_key": k.secret} for k in (CLIENT, two)]
        front = serve({"data": double.entry()}, validator=rule, hmac_keystore=pairs)
        assert front.boto().head_object(Bucket="data", Key="k")
        refusal = refused(front.boto(keys=two, retry=False).get_object, Bucket="data", Key="k")
        assert refusal.code == "AccessDenied"

    def test_the_first_request_to_a_bucket_may_be_a_put(self, serve: Any, any_store: Any) -> None:
        bucket = any_store.make_bucket()
        front = serve({bucket: any_store.entry()}, validator=lambda token, name: True)
        front.boto(retry=False).put_object(Bucket=bucket, Key="first", Body=b"x" * 100_000)
        assert "first" in any_store.keys_in(bucket)

    def test_a_copy_must_be_allowed_to_read_its_source(self, serve: Any, any_store: Any) -> None:
        mine, theirs = any_store.make_bucket("mine"), any_store.make_bucket("theirs")
        any_store.client().put_object(Bucket=theirs, Key="secret", Body=b"secret")
        cos_map = {name: any_store.entry() for name in (mine, theirs)}
        s3 = serve(cos_map, validator=lambda token, name: name == mine).boto(retry=False)
        refusal = refused(
            s3.copy_object, Bucket=mine, Key="got", CopySource={"Bucket": theirs, "Key": "secret"}
        )
        assert (refusal.status, refusal.code) == (403, "AccessDenied")
        assert any_store.keys_in(mine) == []


class TestListBuckets:
    def test_it_lists_the_configured_buckets_that_the_validator_allows(self, serve: Any) -> None:
        entry = {"host": "127.0.0.1", "port": 1, "access_key": "a", "secret_key": "s"}
        cos_map = dict.fromkeys(("alpha", "beta", "gamma"), entry)
        s3 = serve(cos_map, validator=lambda token, name: name != "beta").boto()
        assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["alpha", "gamma"]

    def test_it_is_for_those_who_sign(self, serve: Any) -> None:
        entry = {"host": "127.0.0.1", "port": 1, "access_key": "a", "secret_key": "s"}
        front = serve({"alpha": entry})
        refusal = refused(front.boto(keys=Keys("nobody", "x"), retry=False).list_buckets)
        assert (refusal.status, refusal.code) == (403, "InvalidAccessKeyId")
