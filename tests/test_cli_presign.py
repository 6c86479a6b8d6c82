"""`presign`: the URLs are those that botocore makes, and the proxy takes them."""

from __future__ import annotations

import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import botocore.auth
import httpx
import hypothesis
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import CLIENT
from helpers.cli import Run, mistaken, runner, write_toml
from helpers.double import S3Double
from hypothesis import given
from hypothesis import strategies as st
from object_storage_proxy.cli import sigv4

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@hypothesis.settings(deadline=None)
@given(
    key=text,
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    host=st.sampled_from(["s3.example.com", "127.0.0.1:8080", "[::1]:9"]),
    token=st.none() | text,
    query=st.dictionaries(text, text, max_size=3),
    value=st.text("abc  d", min_size=1),
    expires=st.integers(1, sigv4.LONGEST),
)
def test_every_url_is_botocores(
    key: str,
    method: str,
    host: str,
    token: str | None,
    query: dict[str, str],
    value: str,
    expires: int,
) -> None:
    ours = sigv4.presign(
        sigv4.Credentials("alice/x", "secret", token),
        method,
        "https",
        host,
        f"/photos/{key}",
        region="eu-west-1",
        expires=expires,
        now=NOW,
        query=query.items(),
        headers={"X-Amz-Meta-A": value},
    )
    request = AWSRequest(
        method=method,
        url=f"https://{host}/photos/{quote(key, safe='/-_.~')}",
        params=query,
        headers={"X-Amz-Meta-A": value},
    )
    owner = Credentials("alice/x", "secret", token)
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOW):
        botocore.auth.S3SigV4QueryAuth(owner, "s3", "eu-west-1", expires).add_auth(request)
    mine, theirs = urlsplit(ours), urlsplit(request.url)
    assert mine[:3] == theirs[:3]
    assert sorted(mine.query.split("&")) == sorted(theirs.query.split("&"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


def url(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    return line


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """A proxy.toml that is there, and what it says."""
    values = {
        "host": "127.0.0.1",
        "http_port": 8080,
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "cos_map": {
            "data": {"host": "localhost", "port": 9000},
            "team-*": {"host": "localhost", "port": 9000},
        },
    }
    write_toml(tmp_path / "proxy.toml", values)
    return values


def test_the_proxy_takes_what_it_makes(serve: Any, double: S3Double, run: Run) -> None:
    front = serve({"data": double.entry()})
    keys = {"AWS_ACCESS_KEY_ID": CLIENT.access, "AWS_SECRET_ACCESS_KEY": CLIENT.secret}
    with httpx.Client(verify=front.tls_context(), trust_env=False) as http:
        for scheme in ("http", "https"):
            key = f"a b/ü+{scheme}"
            put = [f"s3://data/{key}", "-m", "put", "--header", "content-type:text/x"]
            made = url(run("presign", *put, AWS_ENDPOINT_URL=front.url(scheme), **keys))
            assert (
                http.put(made, content=b"x", headers={"content-type": "text/y"}).status_code == 403
            )
            assert (
                http.put(made, content=b"x", headers={"content-type": "text/x"}).status_code == 200
            )
            made = url(run("presign", f"data/{key}", "--endpoint", front.url(scheme), **keys))
            assert http.get(made).content == b"x"
            assert http.delete(made).status_code == 403
    assert not double.problems


def test_what_is_not_utf_8(serve: Any, double: S3Double, run: Run) -> None:
    """A key is bytes; whatever else is signed is text."""
    double.objects[b"/data/\xff"] = b"x"
    front = serve({"data": double.entry()})
    keys = {"AWS_ACCESS_KEY_ID": CLIENT.access, "AWS_SECRET_ACCESS_KEY": CLIENT.secret}
    made = url(run("presign", "data/\udcff", "--query", "x-note=\udcfe", "-m", "HEAD",
                   "--endpoint", front.url(), **keys))  # fmt: skip
    assert "/data/%FF?" in made
    assert "x-note=%FE" in made
    assert httpx.head(made, trust_env=False).status_code == 200
    assert not double.problems
    common = ["presign", "data/k", "--endpoint", "http://a"]
    for wrong in (
        ["presign", "data/k", "--endpoint", "http://\udcff"],
        [*common, "--region", "\udcff"],
        [*common, "--header", "x-a:\udcff"],
        ["presign", "\udcff/k", "--endpoint", "http://a", "--virtual-hosted"],
        [*common, "--config", "\udcff.toml"],
        [*common, "--expires", "\udcff"],
        [*common, "--method", "\udcff"],
        [*common, "--access-key", "\udcff"],
        [*common, "--access-key", "a", "--secret-key-file", "\udcff"],
    ):
        done = run(*wrong, **keys)
        assert done.returncode == 2, wrong
        assert "Traceback" not in done.stderr, wrong


def test_keys_and_endpoint_from_the_configuration(config: Any, run: Run) -> None:
    made = urlsplit(url(run("presign", "data/k", "--expires", "15m")))
    assert (made.scheme, made.netloc, made.path) == ("http", "127.0.0.1:8080", "/data/k")
    assert f"X-Amz-Credential={CLIENT.access}%2F" in made.query
    assert "X-Amz-Expires=900&" in made.query
    assert CLIENT.secret not in made.query


def test_the_public_name_of_a_proxy(tmp_path: Path, config: Any, run: Run) -> None:
    public = {**config, "domain": "s3.example.com", "https_port": 443}
    write_toml(tmp_path / "proxy.toml", public)
    assert url(run("presign", "team-x/k")).startswith("https://s3.example.com/team-x/k?")
    made = url(run("presign", "team-x/k", "--virtual-hosted", "--query", "versionId=3"))
    assert made.startswith("https://team-x.s3.example.com/k?X-Amz-Algorithm")
    assert "&versionId=3&" in made


def test_a_secret_from_a_file_or_stdin(tmp_path: Path, config: Any, run: Run) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    named = ["presign", "data/k", "--access-key", "bob", "--secret-key-file"]
    for done in (run(*named, "secret"), run(*named, "-", text="s3cret\n")):
        assert "X-Amz-Credential=bob%2F" in url(done)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["s3:///k"], "names no bucket"),
        (["dta/k"], "the configuration has no bucket dta"),
        (["data/k", "--expires", "8d"], "--expires must be from 1s to 7d"),
        (["data/k", "--expires", "soon"], "--expires must be from 1s to 7d"),
        (["data/k", "--endpoint", "s3.example.com"], "must be a URL such as"),
        (["data/k", "--endpoint", "https://h:x"], "must be a URL such as"),
        (["data/k", "--endpoint", "https://h/path"], "must have no path"),
        (["data/k", "--access-key", "bob"], "hmac_keystore has no such key pair"),
        (["data/k", "--secret-key-file", "f"], "needs --access-key"),
        (["data/k", "--access-key", "b", "--secret-key-file", "f"], "f can't be read"),
        (["data/k", "--query", "a"], "--query must be NAME=VALUE"),
        (["data/k", "--query", "X-Amz-Date=1"], "must not name parameters of the signature"),
        (["data/k", "--header", "a"], "--header must be NAME:VALUE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_can_not_be(config: Any, run: Run, args: list[str], told: str) -> None:
    (line,) = mistaken(run("presign", *args))
    assert told in line


def test_without_a_configuration_it_says_what_it_needs(run: Run) -> None:
    (line,) = mistaken(run("presign", "data/k"))
    assert "--endpoint" in line
    (line,) = mistaken(run("presign", "data/k", "--endpoint", "http://h"))
    assert "--access-key" in line
    (line,) = mistaken(run("presign", "data/k", "--endpoint", "http://h", AWS_ACCESS_KEY_ID="a"))
    assert "AWS_SECRET_ACCESS_KEY is not" in line


def test_a_secret_that_is_missing_is_told(tmp_path: Path, config: Any, run: Run) -> None:
    pair = {"access_key": "a", "secret_key": "${NOT_THERE}"}
    write_toml(tmp_path / "proxy.toml", {**config, "hmac_keystore": [pair]})
    (line,) = mistaken(run("presign", "data/k"))
    assert "needs the environment variable NOT_THERE" in line
