"""Tokens of real issuers, and what attackers make of them: each has STS's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions
import httpx
import jwt
import pytest
from conftest import Front, Serve
from cryptography.hazmat.primitives import serialization
from helpers.clients import refused
from helpers.cluster import account_token, api_server
from helpers.double import S3Double
from helpers.identity import ROLE, exchange, holder
from helpers.issuer import Issuer
from helpers.keycloak import keycloak
from helpers.wait import until

pytestmark = [pytest.mark.identity, pytest.mark.timeout(900)]


@dataclass
class Real:
    """An issuer, and tokens of it."""

    url: str
    token: Callable[[str], str]  # for an audience
    keys: Any  # as the issuer publishes them
    foreign: str  # of another issuer, for nobody here
    old: str  # which ends soon
    rotate: Callable[[bool], None]  # whether what the old key signed is still known
    settings: dict[str, Any] = field(default_factory=dict)
    moved: Callable[[str, int], str] | None = None  # a token, made so many seconds later

    def known(self, **role: Any) -> dict[str, Any]:
        return {
            "issuers": {self.url: {"audiences": ["s3"], **self.settings}},
            "roles": {"writer": {"issuers": [self.url], "subjects": "*", **ROLE, **role}},
        }


@contextmanager
def of_keycloak(folder: Path) -> Iterator[Real]:
    with keycloak(folder) as server:
        for audience in ("s3", "other"):
            server.workload(audience, "secret", audience)
        server.workload("short", "secret", "s3", seconds=1)
        keys = httpx.get(f"{server.issuer}/protocol/openid-connect/certs").json()
        yield Real(
            server.issuer,
            lambda audience: server.token_of_workload(audience, "secret"),
            keys,
            server.foreign_token(),
            server.token_of_workload("short", "secret"),
            lambda keep: server.rotate(keep=keep),
        )


@contextmanager
def of_kubernetes(folder: Path) -> Iterator[Real]:
    own = folder / "own-token"
    with api_server(folder) as (server, admin), Issuer() as stranger:
        for name in ("team", "proxy"):
            admin.create("/api/v1/namespaces", {"metadata": {"name": name}})

        def token(audience: str) -> str:
            return account_token(admin, "team", "job", audience)

        def mounts() -> None:
            own.write_text(account_token(admin, "proxy", "proxy", admin.url))

        def rotate(keep: bool) -> None:
            server.rotate(admin, keep=keep)
            if not keep:
                mounts()  # as kubelet does in time

        mounts()
        yield Real(
            admin.url,
            token,
            admin.get("/openid/v1/jwks"),
            stranger.token(iss=admin.url),
            server.moved(token("s3"), -3600),
            rotate,
            {"ca_file": str(admin.authority), "token_file": str(own)},
            server.moved,
        )


@pytest.fixture(scope="module", params=[of_keycloak, of_kubernetes], ids=["keycloak", "kubernetes"])
def real(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Real]:
    with request.param(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture
def front(serve: Serve, double: S3Double, real: Real) -> Front:
    return serve({"data": double.entry()}, **real.known())


def code(front: Front, token: str) -> str:
    return refused(exchange, front=front, token=token).code


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def forged(token: str, algorithm: str, secret: bytes) -> str:
    """The same claims, with an algorithm for which a secret suffices, or nothing."""
    head = {**jwt.get_unverified_header(token), "alg": algorithm}
    signed = f"{encoded(json.dumps(head).encode())}.{token.split('.')[1]}"
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256) if secret else b""
    return f"{signed}.{encoded(mac)}"


def public_forms(real: Real, token: str) -> list[bytes]:
    """The key that verifies a token, in the forms in which libraries take it for a secret."""
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = (each for each in real.keys["keys"] if each["kid"] == kid)
    public = jwt.PyJWK(key).key
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, info)
    der = public.public_bytes(serialization.Encoding.DER, info)
    return [pem, pem.strip(), der, json.dumps(key).encode(), key["n"].encode()]


def test_a_token_leads_to_the_first_object(front: Front, real: Real) -> None:
    token = real.token("s3")
    given = exchange(front, token)
    assert given["Provider"] == real.url
    assert (
        given["SubjectFromWebIdentityToken"]
        == jwt.decode(token, options={"verify_signature": False})["sub"]
    )
    assert holder(front, given).get_object(Bucket="data", Key="k")["Body"].read() == b"x"


def test_what_proves_nothing_is_no_identity_token(front: Front, real: Real) -> None:
    token = real.token("s3")
    head, claims, signature = token.split(".")
    others = json.loads(base64.urlsafe_b64decode(claims + "=="))
    others["sub"] = "somebody else"
    for what, bad in {
        "another audience": real.token("other"),
        "another issuer": real.foreign,
        "other claims": f"{head}.{encoded(json.dumps(others).encode())}.{signature}",
        "no signature": f"{head}.{claims}.",
        "no algorithm": forged(token, "none", b""),
        **{
            f"the public key as a secret ({n})": forged(token, "HS256", secret)
            for n, secret in enumerate(public_forms(real, token))
        },
    }.items():
        assert code(front, bad) == "InvalidIdentityToken", what
    assert code(front, token + "A" * 20_000) == "ValidationError"
    assert exchange(front, token)


def test_a_token_that_is_over_has_expired(front: Front, real: Real) -> None:
    # A minute of leeway has to pass.
    ends = jwt.decode(real.old, options={"verify_signature": False})["exp"]
    until(lambda: time.time() > ends + 61, "the end of the token", 90)
    assert code(front, real.old) == "ExpiredTokenException"


@pytest.mark.parametrize("real", [of_kubernetes], ids=["kubernetes"], indirect=True)
def test_a_token_of_the_future_is_refused(front: Front, real: Real) -> None:
    """Keycloak's have no `nbf`, and so are of no future."""
    assert real.moved
    token = real.token("s3")
    assert exchange(front, real.moved(token, 0)), "it is signed as the issuer signs"
    assert code(front, real.moved(token, 300)) == "IDPRejectedClaim"


def test_a_token_is_worth_nothing_after_its_subject_was_revoked(front: Front, real: Real) -> None:
    token = real.token("s3")
    given = exchange(front, token)
    front.server.invalidate(subject=given["SubjectFromWebIdentityToken"])
    old = holder(front, given)
    assert refused(old.get_object, Bucket="data", Key="k").code == "ExpiredToken"
    assert code(front, token) == "ExpiredTokenException"
    revoked = time.time()
    until(lambda: time.time() > revoked + 1, "the next second, the unit of `iat`")
    assert exchange(front, real.token("s3"))


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "taken back"])
def test_keys_that_are_replaced_are_found(front: Front, real: Real, keep: bool) -> None:
    """What the old key signed is worth something for as long as the issuer publishes that key."""
    before = real.token("s3")
    exchange(front, before)
    real.rotate(keep)
    after = real.token("s3")
    kid = jwt.get_unverified_header(after)["kid"]
    assert kid != jwt.get_unverified_header(before)["kid"]

    def taken() -> bool:
        try:
            return bool(exchange(front, after))
        except botocore.exceptions.ClientError:
            return False

    until(taken, "the issuer to be asked again", 40)
    if keep:
        assert exchange(front, before)
    else:
        assert code(front, before) == "InvalidIdentityToken"
