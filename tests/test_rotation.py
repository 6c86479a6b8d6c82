"""Credentials of a store that change while they are in use: keys that rotate, tokens that end."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from helpers.clients import Keys, refused
from helpers.double import S3Double, Seen
from helpers.ibm import IamDouble
from helpers.load import load
from helpers.wait import until


class Rotating:
    """A store of which the key changes, and a fetcher that knows the current one."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.rotate()
        self.asked = 0

    def rotate(self) -> None:
        self.keys = Keys(f"store-key-{next(self.numbers)}", "secret")

    def fetch(self, token: str, bucket: str) -> dict[str, Any]:
        self.asked += 1
        return {"access_key": self.keys.access, "secret_key": self.keys.secret}

    def check(self, seen: Seen) -> str | None:
        used = seen.headers["authorization"].split("Credential=")[1].split("/")[0]
        return None if used == self.keys.access else f"{used} is no key any more"


@pytest.mark.slow
def test_rotation_under_load_costs_no_get(serve: Any) -> None:
    rotating = Rotating()
    with S3Double(check=rotating.check) as double:
        double.objects[b"/data/k"] = b"x" * 1000
        entry = double.entry(access_key=None, secret_key=None)
        front = serve({"data": entry}, bucket_creds_fetcher=rotating.fetch)
        clients = [front.boto(retry=False) for _ in range(8)]
        turn = itertools.cycle(clients)
        with load(lambda: next(turn).get_object(Bucket="data", Key="k")["Body"].read()) as outcomes:
            for n in range(1, 6):
                enough = outcomes["good"] + 100
                until(lambda enough=enough: outcomes["good"] > enough, f"gets before rotation {n}")
                rotating.rotate()
            until(lambda: outcomes["good"] > 600, "gets after the last rotation")
        assert set(outcomes) == {"good"}
        assert rotating.asked <= 5 * 4  # and not once for every request


def test_an_upload_during_a_rotation_is_tried_again_by_its_client(serve: Any) -> None:
    rotating = Rotating()
    with S3Double(check=rotating.check) as double:
        entry = double.entry(access_key=None, secret_key=None)
        front = serve({"data": entry}, bucket_creds_fetcher=rotating.fetch)
        front.boto().put_object(Bucket="data", Key="k", Body=b"1")
        rotating.rotate()
        refusal = refused(front.boto(retry=False).put_object, Bucket="data", Key="k", Body=b"2")
        assert (refusal.status, refusal.code) == (503, "ServiceUnavailable")
        rotating.rotate()
        front.boto().put_object(Bucket="data", Key="k", Body=b"3")  # boto3 tries again
        assert double.objects == {b"/data/k": b"3"}


@pytest.mark.slow
def test_keys_that_are_wrong_for_good_make_nobody_busy(serve: Any) -> None:
    wrong = Rotating()
    with S3Double(check=lambda seen: "never") as double:
        entry = double.entry(access_key=None, secret_key=None)
        s3 = serve({"data": entry}, bucket_creds_fetcher=wrong.fetch).boto(retry=False)
        begun = time.monotonic()
        for _ in range(50):
            refusal = refused(s3.get_object, Bucket="data", Key="k")
            assert (refusal.status, refusal.code) == (403, "AccessDenied")
            assert wrong.keys.access not in refusal.message
        assert wrong.asked <= 3 * (2 + time.monotonic() - begun)  # some a second, not two a request


def test_a_bearer_token_that_the_store_refuses_is_exchanged_again(serve: Any) -> None:
    revoked: set[str] = set()
    with IamDouble({"api-key"}) as iam:

        def check(seen: Seen) -> str | None:
            token = seen.headers["authorization"].removeprefix("Bearer ")
            return "revoked" if token in revoked else iam.problem_with_bearer(seen)

        with S3Double(check=check) as double:
            double.objects[b"/data/k"] = b"x"
            entry = double.entry(access_key=None, secret_key=None, api_key="api-key")
            front = serve({"data": entry}, iam_endpoint=iam.endpoint)
            s3 = front.boto(retry=False)
            assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
            revoked.update(iam.tokens)
            # A token that is seconds old is not exchanged again: see iam.Reject.
            assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
            front.server.invalidate()
            assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"
            assert len(iam.tokens) == 2
