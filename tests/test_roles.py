"""Identity tokens and roles: who gets which rights, by tokens that an issuer has signed.

Here they are shown instead of a signature, as `bearer` entries take them.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import Front
from helpers import raw
from helpers.certificates import Certificates
from helpers.double import S3Double
from helpers.issuer import Issuer
from helpers.pages import DOCS, blocks
from helpers.served import Served
from helpers.wait import until

READS = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"},
}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def reader(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """A role for alice."""
    return {"issuers": [issuer.url], "subjects": ["alice"], "policy": READS, **changes}


def config(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    return {
        "issuers": {issuer.url: {"audiences": ["s3"]}},
        "roles": {"reader": reader(issuer)},
        **changes,
    }


def show(
    where: Front | str,
    token: str,
    method: str = "GET",
    body: bytes = b"",
    bucket: str = "data",
    **fields: str,
) -> raw.Answer:
    """Sends a request about the object k with a token instead of a signature."""
    url = where if isinstance(where, str) else where.url()
    headers = {"Host": url.removeprefix("http://"), "Authorization": f"Bearer {token}"}
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}
    if method == "PUT":
        headers["Content-Length"] = str(len(body))
    return raw.send(url, method, f"/{bucket}/k", headers, body)


def code(answer: raw.Answer) -> str:
    return "" if answer.status == 200 else answer.code


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_token_opens_what_its_role_allows(
    serve: Any, double: S3Double, algorithm: str, capfd: Any
) -> None:
    with Issuer(algorithm=algorithm) as issuer:
        front = serve({"data": double.entry(bearer="reader")}, **config(issuer))
        token = issuer.token()
        assert show(front, token).body == b"x"
        assert code(show(front, token, "PUT", b"y")) == "AccessDenied"
        assert show(front, token).body == b"x"
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    assert len(double.seen) == 2
    assert double.problems == []
    assert token[:30] not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("claims", "refused"),
    [
        ({"sub": "bob"}, "AccessDenied"),
        ({"sub": None}, "InvalidToken"),
        ({"aud": "elsewhere"}, "InvalidToken"),
        ({"aud": None}, "InvalidToken"),
        ({"iss": "https://elsewhere.example"}, "InvalidToken"),
        ({"exp": None}, "InvalidToken"),
        ({"exp": 1}, "ExpiredToken"),
        ({"nbf": time.time() + 3600}, "InvalidToken"),
        ({"iat": time.time() + 3600}, "InvalidToken"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else next(iter(value)),
)
def test_a_token_that_is_not_for_the_role_reaches_no_store(
    serve: Any, double: S3Double, issuer: Issuer, claims: dict[str, Any], refused: str
) -> None:
    front = serve({"data": double.entry(bearer="reader")}, **config(issuer))
    assert code(show(front, issuer.token(**claims))) == refused
    assert double.seen == []


def test_only_entries_that_say_so_take_tokens(serve: Any, double: S3Double, issuer: Issuer) -> None:
    front = serve({"data": double.entry()}, **config(issuer))
    assert code(show(front, issuer.token())) == "InvalidArgument"
    assert double.seen == []
    assert issuer.asked == []


def test_bodies_are_verified_though_nothing_is_signed(
    serve: Any, double: S3Double, issuer: Issuer
) -> None:
    role = reader(issuer, policy={**READS, "Statement": {**READS["Statement"], "Action": "s3:*"}})  # type: ignore[dict-item]
    settings = config(issuer, roles={"reader": role})
    front = serve({"data": double.entry(bearer="reader")}, **settings)
    token = issuer.token()
    wrong = show(front, token, "PUT", b"content", x_amz_checksum_crc32="AAAAAA==")
    assert code(wrong) == "BadDigest"
    assert double.objects[b"/data/k"] == b"x"
    crc = base64.b64encode(zlib.crc32(b"content").to_bytes(4, "big")).decode()
    assert code(show(front, token, "PUT", b"content", x_amz_checksum_crc32=crc)) == ""
    assert double.objects[b"/data/k"] == b"content"


def test_the_validator_sees_whose_token_it_is(serve: Any, double: S3Double, issuer: Issuer) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
        seen.append((token, request["session"]))
        return True

    role = reader(
        issuer, token="people/{subject}", claims={"groups": "team-*", "/realm/roles": ["a", "b"]}
    )
    front = serve(
        {"data": double.entry(bearer="reader")},
        **config(issuer, roles={"reader": role}, validator=validator),
    )
    claims = {"groups": ["team-a", "staff"], "realm": {"roles": ["b", "c"]}}
    assert show(front, issuer.token(**claims)).status == 200
    ((token, session),) = seen
    assert token == "people/alice"
    assert session["role"] == "reader"
    assert (session["issuer"], session["subject"]) == (issuer.url, "alice")
    assert session["claims"] == {"groups": ["team-a"], "/realm/roles": ["b"]}
    assert code(show(front, issuer.token(groups=["staff"], realm={"roles": ["b"]}))) == (
        "AccessDenied"
    )
    assert len(seen) == 1


class TestTheCallback:
    """role_assumer narrows what roles say, and alone decides about other roles."""

    @pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
    def test_what_it_is_asked_and_what_its_answer_does(
        self, serve: Any, double: S3Double, issuer: Issuer, is_async: bool
    ) -> None:
        asked: list[dict[str, Any]] = []
        tokens: list[str] = []

        def assume(request: dict[str, Any]) -> osp.Session | None:
            asked.append(request)
            if request["identity"]["subject"] != "alice":
                return None
            return osp.Session(token="who/alice", claims={"team": "a"}, policy=READS)

        async def later(request: dict[str, Any]) -> osp.Session | None:
            await asyncio.sleep(0)
            return assume(request)

        def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
            tokens.append(token)
            return bool(request["session"]["claims"] == {"team": ["a"]})

        front = serve(
            {"data": double.entry(bearer="own")},
            **config(issuer, roles=None, role_assumer=later if is_async else assume),
            validator=validator,
        )
        token = issuer.token(groups=["x"])
        for _ in range(2):
            assert show(front, token).body == b"x"
        assert code(show(front, token, "PUT", b"y")) == "AccessDenied"
        assert code(show(front, issuer.token(sub="bob"))) == "AccessDenied"
        assert tokens == ["who/alice"]
        first, second = asked
        assert second["identity"]["subject"] == "bob"
        assert first["action"] == "AssumeRoleWithWebIdentity"
        assert first["role"] == "own"
        assert first["client_ip"] == "127.0.0.1"
        identity = first["identity"]
        assert (identity["issuer"], identity["audiences"]) == (issuer.url, ["s3"])
        assert identity["claims"]["groups"] == ["x"]
        assert "caller" not in first

    @pytest.mark.parametrize(
        "answer",
        [
            True,
            {},
            "alice",
            osp.Session(duration=-1),
            osp.Session(policy="{"),
            osp.Session(token=""),
        ],
        ids=["True", "a dict", "a str", "a duration", "a policy", "a token"],
    )
    def test_what_is_no_answer_refuses(
        self, serve: Any, double: S3Double, issuer: Issuer, answer: Any
    ) -> None:
        front = serve(
            {"data": double.entry(bearer="reader")},
            **config(issuer, role_assumer=lambda request: answer),
        )
        assert code(show(front, issuer.token())) == "AccessDenied"
        assert double.seen == []

    def test_it_gives_nobody_a_role_that_is_for_others(
        self, serve: Any, double: S3Double, issuer: Issuer
    ) -> None:
        asked: list[dict[str, Any]] = []

        def assume(request: dict[str, Any]) -> osp.Session:
            asked.append(request)
            return osp.Session()

        front = serve(
            {"data": double.entry(bearer="reader")}, **config(issuer, role_assumer=assume)
        )
        assert code(show(front, issuer.token(sub="bob"))) == "AccessDenied"
        assert asked == []
        assert show(front, issuer.token()).status == 200
        assert len(asked) == 1

    def test_a_role_that_is_taken_away_is_nobodys(
        self, serve: Any, double: S3Double, issuer: Issuer
    ) -> None:
        asked: list[bool] = []

        def assume(request: dict[str, Any]) -> osp.Session | None:
            asked.append(request["configured"])
            return osp.Session() if request["role"] == "reader" else None

        front = serve(
            {"data": double.entry(bearer="reader")},
            **config(issuer, role_assumer=assume),
            validator=lambda token, bucket: True,
        )
        assert show(front, issuer.token()).status == 200
        front.server.update(roles={})
        seen = len(double.seen)
        for token in (issuer.token(more=1), issuer.token(sub="mallory")):
            assert code(show(front, token)) == "AccessDenied"
            assert code(show(front, token, "PUT", b"y")) == "AccessDenied"
        assert len(double.seen) == seen
        assert asked == [True, False, False]  # each token once


def test_an_issuer_that_is_away_is_told_apart_and_nothing_that_is_warm_needs_it(
    serve: Any, double: S3Double, issuer: Issuer
) -> None:
    front = serve({"data": double.entry(bearer="reader")}, **config(issuer))
    issuer.status = 503
    assert code(show(front, issuer.token())) == "ServiceUnavailable"
    issuer.status = 200
    token = issuer.token()
    until(lambda: show(front, token).status == 200, "the issuer is asked again")
    issuer.status = 503
    assert show(front, token).status == 200
    assert show(front, issuer.token(more=1)).status == 200  # another token by a known key


def test_an_issuer_is_known_by_its_authority(
    serve: Any, double: S3Double, certificates: Certificates
) -> None:
    with Issuer(certificates) as issuer:
        front = serve({"data": double.entry(bearer="reader")}, **config(issuer))
        assert code(show(front, issuer.token())) == "ServiceUnavailable"
        assert issuer.asked == []
        known = {issuer.url: {"audiences": ["s3"], "ca_file": str(certificates.ca)}}
        front.server.update(issuers=known)
        assert show(front, issuer.token()).status == 200


def test_updates_hold_at_once(serve: Any, double: S3Double, issuer: Issuer) -> None:
    front = serve({"data": double.entry(bearer="reader")}, **config(issuer))
    token = issuer.token()
    assert show(front, token).status == 200
    front.server.update(roles={"reader": reader(issuer, subjects=["bob"])})
    assert code(show(front, token)) == "AccessDenied"
    front.server.update(roles={"reader": reader(issuer)})
    assert show(front, token).status == 200
    with pytest.raises(osp.ConfigError) as error:
        front.server.update(roles={"reader": reader(issuer, issuers=["https://elsewhere.example"])})
    assert error.value.mistakes[0][0] == 'roles["reader"].issuers'
    assert show(front, token).status == 200
    front.server.update(roles={})
    assert code(show(front, token)) == "AccessDenied"
    front.server.update(roles={"reader": reader(issuer)})
    assert code(show(front, token)) == "ExpiredToken"  # what had the role has lost it for good


def test_a_revocation_ends_tokens_that_were_issued_before(
    serve: Any, double: S3Double, issuer: Issuer
) -> None:
    front = serve({"data": double.entry(bearer="reader")}, **config(issuer))
    now = int(time.time())
    old, fresh = issuer.token(iat=now - 5), issuer.token(iat=now + 5)
    assert show(front, old).status == 200
    front.server.invalidate(token="reader")
    assert code(show(front, old)) == "ExpiredToken"
    assert show(front, fresh).status == 200


def test_a_file_and_the_environment_say_the_same_and_sighup_reads_them_again(
    tmp_path: Path, double: S3Double, issuer: Issuer
) -> None:
    now = int(time.time())
    folder = tmp_path / "here"
    folder.mkdir()
    with ExitStack() as stack:
        served = Served(folder, stack)
        entries = {"data": double.entry(bearer="reader")}
        served.configure(cos_map=entries, roles={"reader": reader(issuer)})
        served.start(OSP_ISSUERS=f'{{"{issuer.url}" = {{audiences = ["s3"]}}}}')
        served.up()
        url = f"http://127.0.0.1:{served.port}"
        assert code(show(url, issuer.token())) == ""
        served.configure(cos_map=entries, roles={"reader": reader(issuer, subjects=["bob"])})
        os.kill(served.child.process.pid, signal.SIGHUP)
        served.said("the configuration was reloaded")
        assert code(show(url, issuer.token(iat=now + 30))) == "AccessDenied"
        assert code(show(url, issuer.token(iat=now + 30, sub="bob"))) == ""


def test_what_the_page_shows(serve: Any, double: S3Double, issuer: Issuer) -> None:
    code_of_page = "\n".join(block.text for block in blocks(DOCS / "roles.md", "python"))
    names: dict[str, Any] = {"osp": osp}
    exec(code_of_page.replace("https://keycloak.example.com/realms/acme", issuer.url), names)
    double.objects[b"/photos/k"] = b"x"
    asked: list[str] = []

    def validator(token: str, bucket: str) -> bool:
        asked.append(token)
        return True

    assert names["cos_map"]["photos"]["bearer"] == "reader"
    front = serve(
        {
            name: double.entry(bearer=role)
            for name, role in {"photos": "reader", "data": "analyst"}.items()
        },
        issuers=names["issuers"],
        roles=names["roles"],
        role_assumer=names["assume"],
        validator=validator,
    )
    for claims, bucket, refused in (
        ({"groups": ["team-a"]}, "photos", ""),
        ({"groups": ["staff"]}, "photos", "AccessDenied"),
        ({"team": "red"}, "data", ""),
        ({}, "data", "AccessDenied"),
    ):
        assert code(show(front, issuer.token(**claims), bucket=bucket)) == refused
    assert asked == ["people/alice", "team/red"]


def test_mistakes_are_reported_together() -> None:
    with pytest.raises(osp.ConfigError) as error:
        osp.ProxyServer(
            osp.ProxyServerConfig(
                {"data": {"host": "h", "port": 1, "bearer": "none"}},
                http_port=0,
                issuers={"http://elsewhere.example": {"audience": "s3"}},
                roles={"reader": {}, "writer": {"keys": "*", "max_duration": 0}},
            )
        ).check()
    assert {path for path, _ in error.value.mistakes} == {
        'cos_map["data"].bearer',
        'issuers["http://elsewhere.example"]',
        'issuers["http://elsewhere.example"].audience',
        'issuers["http://elsewhere.example"].audiences',
        'roles["reader"].issuers',
        'roles["writer"].max_duration',
    }
