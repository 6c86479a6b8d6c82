"""Keys that end: an hmac_fetcher may give a session token and an expiration."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from helpers.clients import Keys, refused
from helpers.double import S3Double

KEYS = Keys("temporary/key", "temporary-secret")
SOON = datetime.now(timezone.utc) + timedelta(hours=1)


@pytest.mark.parametrize(
    "expiration",
    [None, SOON, SOON.isoformat(), SOON.timestamp()],
    ids=["none", "a datetime", "text", "seconds"],
)
def test_the_token_must_come_with_the_key(serve: Any, expiration: Any) -> None:
    def hmac_fetcher(key: str) -> dict[str, Any]:
        return {"secret_key": KEYS.secret, "session_token": "the-token", "expiration": expiration}

    with S3Double() as double:
        front = serve({"data": double.entry()}, hmac_fetcher=hmac_fetcher)
        put = {"Bucket": "data", "Key": "k", "Body": b"x"}
        front.boto(keys=KEYS, session_token="the-token").put_object(**put)
        assert "x-amz-security-token" not in double.seen[-1].headers  # it is the client's
        for token, code in ((None, "InvalidAccessKeyId"), ("another", "InvalidToken")):
            s3 = front.boto(keys=KEYS, session_token=token, retry=False)
            assert refused(s3.put_object, **put).code == code
        assert len(double.seen) == 1


def test_a_key_that_has_ended_is_refused(serve: Any) -> None:
    past = datetime.now(timezone.utc) - timedelta(seconds=1)
    with S3Double() as double:
        front = serve(
            {"data": double.entry()},
            hmac_fetcher=lambda key: {"secret_key": KEYS.secret, "expiration": past},
        )
        s3 = front.boto(keys=KEYS, retry=False)
        assert refused(s3.put_object, Bucket="data", Key="k", Body=b"x").code == "ExpiredToken"
        assert double.seen == []
