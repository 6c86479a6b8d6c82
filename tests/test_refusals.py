"""Every refusal: its S3 code, a proxy that lives on, and nothing stored."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import CLIENT, Front
from helpers import raw
from helpers.clients import Keys, refused
from helpers.ports import free_port

BODY = b"must not arrive"


@dataclass
class Attempt:
    """One key of the store, and the ways to try to write to it."""

    place: Any
    key: str

    @property
    def target(self) -> str:
        return f"/{self.place.bucket}/{self.key}"

    def sign(self, **kwargs: Any) -> dict[str, str]:
        url = self.place.front.url() + self.target
        return raw.sign("PUT", url, **{"keys": CLIENT, "body": BODY, **kwargs})

    def send(self, headers: dict[str, str], target: str | None = None) -> raw.Answer:
        return raw.send(self.place.front.url(), "PUT", target or self.target, headers, BODY)


@pytest.fixture
def attempt(place: Any) -> Iterator[Attempt]:
    """Afterwards the store is unchanged and the proxy still serves."""
    before = place.store.keys_in(place.bucket)
    yield Attempt(place, f"refused-{uuid.uuid4().hex}")
    assert place.store.keys_in(place.bucket) == before
    assert place.front.boto().head_bucket(Bucket=place.bucket)


def test_a_right_request_is_not_refused(place: Any) -> None:
    """The same helper, unaltered: otherwise the tests below prove nothing."""
    attempt = Attempt(place, "accepted")
    assert attempt.send(attempt.sign()).status == 200
    assert place.direct.get_object(Bucket=place.bucket, Key="accepted")["Body"].read() == BODY


class TestSignatures:
    def test_an_unsigned_request(self, attempt: Attempt) -> None:
        answer = attempt.send({"Host": attempt.sign()["Host"]})
        assert (answer.status, answer.code) == (403, "AccessDenied")

    def test_an_unknown_key(self, attempt: Attempt) -> None:
        answer = attempt.send(attempt.sign(keys=Keys("nobody", "whatever")))
        assert (answer.status, answer.code) == (403, "InvalidAccessKeyId")

    def test_a_wrong_secret(self, attempt: Attempt) -> None:
        answer = attempt.send(attempt.sign(keys=Keys(CLIENT.access, "wrong")))
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")

    def test_an_altered_path(self, attempt: Attempt) -> None:
        answer = attempt.send(attempt.sign(), target=attempt.target + "x")
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")

    def test_an_added_query_parameter(self, attempt: Attempt) -> None:
        answer = attempt.send(attempt.sign(), target=attempt.target + "?partNumber=1&uploadId=u")
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")

    def test_an_altered_signed_header(self, attempt: Attempt) -> None:
        headers = attempt.sign(headers={"X-Amz-Meta-Owner": "a"})
        answer = attempt.send({**headers, "X-Amz-Meta-Owner": "b"})
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")

    def test_an_amz_header_that_was_not_signed(self, attempt: Attempt) -> None:
        headers = {**attempt.sign(), "X-Amz-Copy-Source": f"/{attempt.place.bucket}/accepted"}
        answer = attempt.send(headers)
        assert (answer.status, answer.code) == (403, "AccessDenied")

    def test_another_body(self, attempt: Attempt) -> None:
        answer = attempt.send(attempt.sign(body=b"what was signed"))
        assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")

    @pytest.mark.parametrize("minutes", [-16, 16])
    def test_a_skewed_clock(self, attempt: Attempt, minutes: int) -> None:
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
        answer = attempt.send(attempt.sign(when=when))
        assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("", "InvalidArgument"),
            ("AWS4-HMAC-SHA256", "InvalidArgument"),
            ("AWS4-HMAC-SHA256 Credential=x", "AuthorizationHeaderMalformed"),
            ("AWS k:s", "InvalidRequest"),
        ],
    )
    def test_a_malformed_authorization(self, attempt: Attempt, value: str, code: str) -> None:
        answer = attempt.send({**attempt.sign(), "Authorization": value})
        assert (answer.status, answer.code) == (400, code)

    @pytest.mark.parametrize("date_too", [True, False])
    def test_another_date_than_was_signed(self, attempt: Attempt, date_too: bool) -> None:
        headers = attempt.sign()
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)
        headers["X-Amz-Date"] = now.strftime("%Y%m%dT%H%M%SZ")
        if date_too:
            headers["Date"] = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
        answer = attempt.send(headers)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


class TestTheAnswer:
    def test_it_is_an_s3_error_document(self, place: Any) -> None:
        attempt = Attempt(place, "explained")
        answer = attempt.send(attempt.sign(keys=Keys("nobody", "x")))
        assert answer.headers["content-type"] == "application/xml"
        for element in ("Code", "Message", "Resource", "RequestId"):
            assert f"<{element}>".encode() in answer.body
        assert answer.headers["x-amz-request-id"].encode() in answer.body

    def test_a_refused_head_has_no_body(self, place: Any) -> None:
        url = place.front.url()
        target = f"/{place.bucket}/explained"
        headers = raw.sign("HEAD", url + target, Keys("nobody", "x"))
        with raw.connect(url) as link, link.makefile("rb") as stream:
            link.sendall(raw.head_bytes("HEAD", target, {**headers, "Connection": "close"}))
            head, _, body = stream.read().partition(b"\r\n\r\n")
        assert (head.split()[1], body) == (b"403", b"")

    def test_it_names_no_secret_and_no_store(self, place: Any) -> None:
        attempt = Attempt(place, "explained")
        answer = attempt.send(attempt.sign(keys=Keys(CLIENT.access, "wrong")))
        text = answer.body.decode() + str(answer.headers)
        for secret in (CLIENT.secret, place.store.keys.access, place.store.keys.secret):
            assert secret not in text
        assert str(place.store.port) not in text


def test_an_unknown_bucket_is_named_only_to_those_who_may_sign(place: Any) -> None:
    s3 = place.front.boto(retry=False)
    refusal = refused(s3.put_object, Bucket="no-such-bucket", Key="k", Body=BODY)
    assert (refusal.status, refusal.code) == (404, "NoSuchBucket")
    stranger = place.front.boto(keys=Keys("nobody", "x"), retry=False)
    for bucket in ("no-such-bucket", place.bucket):
        refusal = refused(stranger.put_object, Bucket=bucket, Key="k", Body=BODY)
        assert (refusal.status, refusal.code) == (403, "InvalidAccessKeyId")


# --- the owner's callbacks -------------------------------------------------


def boom(*args: Any) -> Any:
    raise RuntimeError("the owner's mistake")


async def async_boom(*args: Any) -> Any:
    raise RuntimeError("the owner's mistake")


def nobody(*args: Any) -> Any:
    return False


@pytest.fixture
def guarded(serve: Any, any_store: Any) -> Iterator[Callable[..., tuple[str, Front]]]:
    """A proxy that must refuse; afterwards its bucket is empty."""
    bucket = any_store.make_bucket("guarded")

    def start(entry: dict[str, Any] | None = None, **changes: Any) -> tuple[str, Front]:
        return bucket, serve({bucket: {**any_store.entry(), **(entry or {})}}, **changes)

    yield start
    assert any_store.keys_in(bucket) == []


NOT_TRUE = [False, None, 0, "", "yes", 1, [True], pytest.param(object(), id="an object")]


@pytest.mark.parametrize("validator", [nobody, boom, async_boom], ids=lambda f: f.__name__)
def test_a_validator_that_refuses_or_fails(guarded: Any, validator: Any) -> None:
    bucket, front = guarded(validator=validator)
    s3 = front.boto(retry=False)
    for _ in range(2):
        refusal = refused(s3.put_object, Bucket=bucket, Key="k", Body=BODY)
        assert (refusal.status, refusal.code) == (403, "AccessDenied")


@pytest.mark.parametrize("answer", NOT_TRUE, ids=repr)
def test_a_validator_that_answers_anything_but_true(guarded: Any, answer: Any) -> None:
    bucket, front = guarded(validator=lambda token, bucket: answer)
    refusal = refused(front.boto(retry=False).put_object, Bucket=bucket, Key="k", Body=BODY)
    assert (refusal.status, refusal.code) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "fetcher",
    [boom, async_boom, lambda key: None, lambda key: "", lambda key: b"x", lambda key: 7],
    ids=["raises", "raises later", "None", "empty", "bytes", "a number"],
)
def test_an_hmac_fetcher_that_gives_no_secret(guarded: Any, fetcher: Any) -> None:
    bucket, front = guarded(hmac_keystore=None, hmac_fetcher=fetcher)
    for secret in (CLIENT.secret, "", "None", "7"):
        s3 = front.boto(keys=Keys(CLIENT.access, secret or "x"), retry=False)
        refusal = refused(s3.put_object, Bucket=bucket, Key="k", Body=BODY)
        assert refusal.status == 403
        assert refusal.code in ("InvalidAccessKeyId", "AccessDenied")


def test_an_empty_secret_signs_nothing(guarded: Any) -> None:
    bucket, front = guarded(hmac_keystore=None, hmac_fetcher=lambda key: "")
    url, target = front.url(), f"/{bucket}/k"
    answer = raw.send(
        url, "PUT", target, raw.sign("PUT", url + target, Keys("any", ""), BODY), BODY
    )
    assert answer.status == 403


NONSENSE = {
    "raises": boom,
    "raises later": async_boom,
    "None": lambda token, bucket: None,
    "empty": lambda token, bucket: "",
    "a number": lambda token, bucket: 42,
    "broken JSON": lambda token, bucket: '{"access_key": ',
    "half a pair": lambda token, bucket: json.dumps({"access_key": "store-owner"}),
    "an empty half": lambda token, bucket: json.dumps({"access_key": "a", "secret_key": ""}),
    "other names": lambda token, bucket: json.dumps({"user": "a", "password": "b"}),
    "a JSON list": lambda token, bucket: "[1, 2]",
}  # fmt: skip


@pytest.mark.parametrize("fetcher", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_creds_fetcher_that_gives_no_credentials(guarded: Any, fetcher: Any) -> None:
    none = {"access_key": None, "secret_key": None}
    bucket, front = guarded(none, bucket_creds_fetcher=fetcher)
    refusal = refused(front.boto(retry=False).put_object, Bucket=bucket, Key="k", Body=BODY)
    assert (refusal.status, refusal.code) == (403, "AccessDenied")


def test_no_keystore_and_no_fetcher_means_that_nobody_can_sign(guarded: Any) -> None:
    bucket, front = guarded(hmac_keystore=None)
    refusal = refused(front.boto(retry=False).put_object, Bucket=bucket, Key="k", Body=BODY)
    assert (refusal.status, refusal.code) == (403, "InvalidAccessKeyId")


def test_no_credentials_for_the_store(guarded: Any) -> None:
    bucket, front = guarded({"access_key": None, "secret_key": None})
    refusal = refused(front.boto(retry=False).put_object, Bucket=bucket, Key="k", Body=BODY)
    assert (refusal.status, refusal.code) == (403, "AccessDenied")


def test_credentials_that_the_store_refuses(guarded: Any) -> None:
    bucket, front = guarded({"secret_key": "not the store's"})
    refusal = refused(front.boto(retry=False).put_object, Bucket=bucket, Key="k", Body=BODY)
    # Not SignatureDoesNotMatch: the client would look for the mistake in its own keys.
    assert (refusal.status, refusal.code) == (403, "AccessDenied")


def test_a_store_that_is_down_is_a_quick_502(serve: Any) -> None:
    entry = {"host": "127.0.0.1", "port": free_port(), "access_key": "a", "secret_key": "s"}
    front = serve({"data": {**entry, "addressing_style": "path"}})
    s3 = front.boto(retry=False, read_timeout=10)
    for call in (s3.get_object, s3.put_object, s3.head_object):
        refusal = refused(call, Bucket="data", Key="k")
        assert refusal.status == 502
    assert s3.list_buckets()["Buckets"][0]["Name"] == "data"
