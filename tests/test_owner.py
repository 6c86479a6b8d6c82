"""What the owner of the proxy decides: who, what, and with which credentials."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT
from helpers.clients import Keys, refused
from helpers.double import KEYS, S3Double
from helpers.wait import until


class Calls:
    """A callable that answers by a rule and remembers what it was asked."""

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule
        self.args: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()

    def note(self, *args: Any) -> Any:
        with self._lock:
            self.args.append(args)
        return self.rule(*args)

    def of_one(self) -> Callable[[Any], Any]:
        return lambda a: self.note(a)

    def of_two(self) -> Callable[[Any, Any], Any]:
        return lambda a, b: self.note(a, b)

    def of_three(self) -> Callable[[Any, Any, Any], Any]:
        return lambda a, b, c: self.note(a, b, c)


@pytest.fixture
def bucket(any_store: Any) -> str:
    name: str = any_store.make_bucket("owned")
    any_store.client().put_object(Bucket=name, Key="there", Body=b"data")
    return name


class TestValidator:
    def test_two_parameters_get_token_and_bucket_once_per_ttl(
        self, serve: Any, any_store: Any, bucket: str
    ) -> None:
        asked = Calls(lambda token, name: True)
        s3 = serve({bucket: any_store.entry()}, validator=asked.of_two()).boto()
        for key in ("there", "there", "other"):
            s3.list_objects_v2(Bucket=bucket, Prefix=key)
        assert asked.args == [(CLIENT.access, bucket)]

    def test_ttl_0_asks_every_time(self, serve: Any, any_store: Any, bucket: str) -> None:
        asked = Calls(lambda token, name: True)
        s3 = serve({bucket: any_store.entry(ttl=0)}, validator=asked.of_two()).boto()
        for _ in range(3):
            s3.head_object(Bucket=bucket, Key="there")
        assert len(asked.args) == 3

    def test_three_parameters_get_the_request(
        self, serve: Any, any_store: Any, bucket: str
    ) -> None:
        asked = Calls(lambda token, name, request: True)
        front = serve(
            {bucket: any_store.entry()},
            validator=asked.of_three(),
            trusted_proxies=["127.0.0.0/8"],
        )
        s3 = front.boto()
        s3.meta.events.register(
            "before-sign.s3",
            lambda request, **_: request.headers.add_header("X-Forwarded-For", "192.0.2.7"),
        )
        s3.list_objects_v2(Bucket=bucket, Prefix="a b/ü", Delimiter="/")
        token, name, request = asked.args[0]
        assert (token, name) == (CLIENT.access, bucket)
        assert request["method"] == "GET"
        assert request["path"] == f"/{bucket}"
        assert request["source"] == "192.0.2.7"
        assert request["list-type"] == "2"
        assert request["prefix"] == "a b/ü"
        assert request["delimiter"] == "/"

    def test_a_decision_brings_its_own_ttl(self, serve: Any, any_store: Any, bucket: str) -> None:
        verdicts = {"kept": osp.Decision(True), "asked again": osp.Decision(True, ttl=0)}
        for name, verdict in verdicts.items():
            asked = Calls(lambda token, bucket, verdict=verdict: verdict)
            s3 = serve({bucket: any_store.entry()}, validator=asked.of_two()).boto()
            for _ in range(3):
                s3.head_object(Bucket=bucket, Key="there")
            assert len(asked.args) == (1 if name == "kept" else 3)

    def test_a_refusing_decision_tells_its_reason_to_the_log_only(
        self, serve: Any, any_store: Any, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "object_storage_proxy")
        refusing = osp.Decision(False, reason="not on a Tuesday")
        front = serve({bucket: any_store.entry()}, validator=lambda token, name: refusing)
        s3 = front.boto(retry=False)

        def told() -> bool:  # the library learns of a changed log level a little later
            refusal = refused(s3.get_object, Bucket=bucket, Key="there")
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
    def test_what_is_no_decision_refuses(
        self, serve: Any, any_store: Any, bucket: str, nonsense: Any
    ) -> None:
        front = serve({bucket: any_store.entry()}, validator=lambda token, name: nonsense)
        refusal = refused(front.boto(retry=False).get_object, Bucket=bucket, Key="there")
        assert (refusal.status, refusal.code) == (403, "AccessDenied")

    def test_a_rule_by_prefix_does_not_leak(self, serve: Any, any_store: Any, bucket: str) -> None:
        """An allowed path must not open its neighbours, nor GET open PUT."""

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

    def test_narrowed_by_auth_cache_by_it_is_asked_once(
        self, serve: Any, any_store: Any, bucket: str
    ) -> None:
        asked = Calls(lambda token, name, request: True)
        s3 = serve(
            {bucket: any_store.entry()},
            validator=asked.of_three(),
            auth_cache_by=("token", "bucket"),
        ).boto()
        for key in ("there", "else"):
            s3.list_objects_v2(Bucket=bucket, Prefix=key)
        assert len(asked.args) == 1

    def test_an_async_validator_is_awaited(self, serve: Any, any_store: Any, bucket: str) -> None:
        async def rule(token: str, name: str) -> bool:
            return token == CLIENT.access

        two = Keys("second", "secret-2")
        pairs = [{"access_key": k.access, "secret_key": k.secret} for k in (CLIENT, two)]
        front = serve({bucket: any_store.entry()}, validator=rule, hmac_keystore=pairs)
        assert front.boto().head_object(Bucket=bucket, Key="there")
        refusal = refused(front.boto(keys=two, retry=False).get_object, Bucket=bucket, Key="there")
        assert refusal.code == "AccessDenied"

    def test_the_first_request_to_a_bucket_may_be_a_put(
        self, serve: Any, any_store: Any, bucket: str
    ) -> None:
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


class TestClientSecrets:
    def test_the_fetcher_is_asked_for_keys_that_the_keystore_lacks_and_once(
        self, serve: Any, any_store: Any, bucket: str
    ) -> None:
        asked = Calls(lambda key: {"fetched": "fetched-secret"}.get(key))
        front = serve({bucket: any_store.entry()}, hmac_fetcher=asked.of_one())
        for keys in (CLIENT, Keys("fetched", "fetched-secret"), Keys("fetched", "fetched-secret")):
            assert front.boto(keys=keys).head_object(Bucket=bucket, Key="there")
        assert asked.args == [("fetched",)]
        refusal = refused(
            front.boto(keys=Keys("third", "x"), retry=False).get_object, Bucket=bucket, Key="there"
        )
        assert refusal.code == "InvalidAccessKeyId"

    @pytest.mark.parametrize(
        "token",
        ["a/b/c", "with.dots-and_dashes", "per%20cent", "eyJ" + "x" * 4096 + ".sig-nature_"],
        ids=["slashes", "dots", "percent", "4 KB"],
    )
    def test_a_token_makes_a_key(
        self, serve: Any, any_store: Any, bucket: str, scheme: str, token: str
    ) -> None:
        front = serve({bucket: any_store.entry()}, hmac_fetcher=lambda key: f"secret of {key[:9]}")
        s3 = front.boto(scheme, keys=Keys(token, f"secret of {token[:9]}"))
        s3.put_object(Bucket=bucket, Key="by token", Body=b"x")
        assert "by token" in any_store.keys_in(bucket)


class TestStoreCredentials:
    def test_each_token_gets_its_own(self, serve: Any) -> None:
        """The fetcher's answer for one token must never serve another."""
        keys = {name: Keys(name, f"{name}-secret") for name in ("reader", "writer")}
        asked = Calls(
            lambda token, name: json.dumps({"access_key": f"store-{token}", "secret_key": "s"})
        )
        pairs = [{"access_key": k.access, "secret_key": k.secret} for k in keys.values()]
        with S3Double(check=lambda seen: None) as double:
            entry = double.entry(access_key=None, secret_key=None)
            front = serve({"data": entry}, hmac_keystore=pairs, bucket_creds_fetcher=asked.of_two())
            for name in ("reader", "writer", "reader", "writer"):
                front.boto(keys=keys[name]).put_object(Bucket="data", Key=name, Body=b"x")
            used = [
                s.headers["authorization"].split("Credential=")[1].split("/")[0]
                for s in double.seen
            ]
        assert used == ["store-reader", "store-writer"] * 2
        assert sorted(asked.args) == [("reader", "data"), ("writer", "data")]

    def test_the_entrys_own_come_first(self, serve: Any) -> None:
        asked = Calls(lambda token, name: json.dumps({"access_key": "x", "secret_key": "y"}))
        with S3Double() as double:
            front = serve({"data": double.entry()}, bucket_creds_fetcher=asked.of_two())
            front.boto().put_object(Bucket="data", Key="k", Body=b"x")
            assert (asked.args, double.problems) == ([], [])

    def test_a_session_token_is_sent_and_signed(self, serve: Any) -> None:
        creds = {
            "access_key": KEYS.access,
            "secret_key": KEYS.secret,
            "session_token": "temporary/+=",
        }
        with S3Double() as double:
            entry = double.entry(access_key=None, secret_key=None)
            front = serve({"data": entry}, bucket_creds_fetcher=lambda t, b: json.dumps(creds))
            front.boto().put_object(Bucket="data", Key="k", Body=b"x")
            assert double.problems == []
            assert double.seen[0].headers["x-amz-security-token"] == "temporary/+="

    def test_an_async_fetcher_is_awaited(self, serve: Any) -> None:
        async def fetch(token: str, name: str) -> str:
            return json.dumps({"access_key": KEYS.access, "secret_key": KEYS.secret})

        with S3Double() as double:
            entry = double.entry(access_key=None, secret_key=None)
            serve({"data": entry}, bucket_creds_fetcher=fetch).boto().put_object(
                Bucket="data", Key="k", Body=b"x"
            )
            assert (double.problems, len(double.seen)) == ([], 1)


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


def test_requests_are_counted_while_counting_is_on(serve: Any) -> None:
    with S3Double() as double:
        s3 = serve({"data": double.entry()}).boto()
        osp.disable_request_counting()
        s3.put_object(Bucket="data", Key="k", Body=b"x")
        before = osp.get_request_count()
        osp.enable_request_counting()
        try:
            for _ in range(3):
                s3.get_object(Bucket="data", Key="k")
        finally:
            osp.disable_request_counting()
        s3.get_object(Bucket="data", Key="k")
        assert osp.get_request_count() - before == 3
