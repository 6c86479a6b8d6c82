"""Whose secrets count: those of clients, and those with which the store is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import CLIENT
from helpers.calls import Calls
from helpers.clients import Keys, refused
from helpers.double import KEYS, S3Double


class TestClientSecrets:
    def test_the_fetcher_is_asked_for_keys_that_the_keystore_lacks_and_once(
        self, serve: Any, double: S3Double
    ) -> None:
        asked = Calls(lambda key: {"fetched": "fetched-secret"}.get(key))
        front = serve({"data": double.entry()}, hmac_fetcher=asked.of_one())
        for keys in (CLIENT, Keys("fetched", "fetched-secret"), Keys("fetched", "fetched-secret")):
            assert front.boto(keys=keys).head_object(Bucket="data", Key="k")
        assert asked.args == [("fetched",)]
        refusal = refused(
            front.boto(keys=Keys("third", "x"), retry=False).get_object, Bucket="data", Key="k"
        )
        assert refusal.code == "InvalidAccessKeyId"

    @pytest.mark.parametrize(
        "token",
        ["a/b/c", "with.dots-and_dashes", "per%20cent", "eyJ" + "x" * 4096 + ".sig-nature_"],
        ids=["slashes", "dots", "percent", "4 KB"],
    )
    def test_a_token_makes_a_key(
        self, serve: Any, double: S3Double, scheme: str, token: str
    ) -> None:
        front = serve({"data": double.entry()}, hmac_fetcher=lambda key: f"secret of {key[:9]}")
        s3 = front.boto(scheme, keys=Keys(token, f"secret of {token[:9]}"))
        s3.put_object(Bucket="data", Key="by token", Body=b"x")
        assert double.objects[b"/data/by token"] == b"x"


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
