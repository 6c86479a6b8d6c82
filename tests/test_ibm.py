"""IBM COS: an API key becomes a bearer token, once, and is renewed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from helpers.clients import refused
from helpers.double import S3Double
from helpers.ibm import IamDouble
from helpers.wait import until

KEY = "an-api-key"
NO_PAIR = {"access_key": None, "secret_key": None}


@pytest.fixture
def iam() -> Iterator[IamDouble]:
    with IamDouble({KEY}) as double:
        yield double
    assert double.problems == []


@pytest.fixture
def cos(iam: IamDouble) -> Iterator[S3Double]:
    with S3Double(check=iam.problem_with_bearer) as double:
        yield double
    assert double.problems == []


@pytest.mark.parametrize("name", ["api_key", "apikey"])
def test_a_static_key_is_exchanged_once(
    serve: Any, iam: IamDouble, cos: S3Double, scheme: str, name: str
) -> None:
    entry = cos.entry(**NO_PAIR, **{name: KEY})
    s3 = serve({"data": entry}, iam_endpoint=iam.endpoint).boto(scheme)
    s3.put_object(Bucket="data", Key="k", Body=b"over there")
    assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"over there"
    assert cos.objects == {b"/data/k": b"over there"}
    assert iam.tokens == ["bearer-1"]


def test_the_environment_may_name_the_token_service(
    serve: Any, iam: IamDouble, cos: S3Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its base URL, as IBM's own tools take it."""
    monkeypatch.setenv("IBMCLOUD_IAM_API_ENDPOINT", iam.endpoint.removesuffix("/identity/token"))
    serve({"data": cos.entry(**NO_PAIR, api_key=KEY)}).boto().put_object(
        Bucket="data", Key="k", Body=b"x"
    )
    assert iam.tokens == ["bearer-1"]


@pytest.mark.parametrize("answer", [KEY, json.dumps({"api_key": KEY}), {"apikey": KEY}])
def test_a_fetched_key_is_exchanged(serve: Any, iam: IamDouble, cos: S3Double, answer: Any) -> None:
    front = serve(
        {"data": cos.entry(**NO_PAIR)},
        iam_endpoint=iam.endpoint,
        bucket_creds_fetcher=lambda token, bucket: answer,
    )
    front.boto().put_object(Bucket="data", Key="k", Body=b"x")
    assert iam.tokens == ["bearer-1"]


def test_two_buckets_and_many_clients_share_one_exchange(
    serve: Any, iam: IamDouble, cos: S3Double
) -> None:
    entry = cos.entry(**NO_PAIR, api_key=KEY)
    front = serve({"one-data": entry, "two-data": entry}, iam_endpoint=iam.endpoint)
    clients = [front.boto() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for n, s3 in enumerate(clients):
            pool.submit(
                s3.put_object, Bucket=("one-data", "two-data")[n % 2], Key=f"k{n}", Body=b""
            )
    assert len(cos.objects) == 8
    assert iam.tokens == ["bearer-1"]


@pytest.mark.slow
def test_a_token_is_renewed_before_it_expires(serve: Any, cos: S3Double, iam: IamDouble) -> None:
    iam.expires_in = 4  # one that is that short is used for half of its life
    s3 = serve({"data": cos.entry(**NO_PAIR, api_key=KEY)}, iam_endpoint=iam.endpoint).boto()

    def renewed() -> bool:
        s3.put_object(Bucket="data", Key="k", Body=b"x")
        return len(iam.tokens) >= 3

    until(renewed, "two renewals")
    assert {seen.headers["authorization"] for seen in cos.seen} >= {
        "Bearer bearer-1",
        "Bearer bearer-2",
    }


def test_a_fault_of_the_token_service_passes_unseen(
    serve: Any, iam: IamDouble, cos: S3Double
) -> None:
    iam.statuses = [503, 500]
    s3 = serve({"data": cos.entry(**NO_PAIR, api_key=KEY)}, iam_endpoint=iam.endpoint).boto(
        retry=False
    )
    s3.put_object(Bucket="data", Key="k", Body=b"x")
    assert iam.tokens == ["bearer-1"]


def test_a_key_that_the_token_service_refuses(serve: Any, iam: IamDouble, cos: S3Double) -> None:
    front = serve({"data": cos.entry(**NO_PAIR, api_key="wrong")}, iam_endpoint=iam.endpoint)
    refusal = refused(front.boto(retry=False).put_object, Bucket="data", Key="k", Body=b"x")
    assert (refusal.status, refusal.code) == (403, "AccessDenied")
    assert "wrong" not in refusal.message
    assert cos.seen == []


def test_checksum_trailers_are_verified_here_and_not_forwarded(
    serve: Any, iam: IamDouble, cos: S3Double
) -> None:
    s3 = serve({"data": cos.entry(**NO_PAIR, api_key=KEY)}, iam_endpoint=iam.endpoint).boto("https")
    s3.put_object(Bucket="data", Key="k", Body=b"trailing", ChecksumAlgorithm="CRC32")
    assert cos.objects == {b"/data/k": b"trailing"}
    sent = cos.seen[-1].headers
    assert not [name for name in sent if "checksum" in name or "trailer" in name]
    assert "aws-chunked" not in sent.get("content-encoding", "")
