"""`doctor`: what it says about stores that are well, and about those that are not."""

from __future__ import annotations

import email.utils
import json
import os
import pty
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT
from helpers.children import clean_environment
from helpers.cli import PROGRAM, Done, Run, mistaken, runner, write_toml
from helpers.double import S3Double, Seen
from helpers.fleet import key
from helpers.ports import free_port
from helpers.valkey import valkey


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


@pytest.fixture
def examine(tmp_path: Path, run: Run) -> Any:
    """Runs the doctor on a cos_map: examine(cos_map, *args, **configuration)."""

    def start(cos_map: dict[str, Any], *args: str, **values: Any) -> Done:
        # A port that the doctor must not need: the real proxy may run on it.
        write_toml(tmp_path / "proxy.toml", {"http_port": 1, "cos_map": cos_map, **values})
        return run("doctor", "--timeout", "5", *args)

    return start


def findings(done: Done) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def listing(seen: Seen) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b"<ListBucketResult/>"


def test_a_store_that_is_well(any_store: Any, examine: Any) -> None:
    bucket = any_store.make_bucket()
    done = examine({bucket: any_store.entry()})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"ok      {bucket}  at ")
    assert done.stdout.endswith("1 of 1 entries ok\n")
    (seen,) = findings(examine({bucket: any_store.entry()}, "--json"))
    assert (seen["problems"], seen["warnings"], seen["tls"]) == ([], [], None)
    assert seen["clock_skew_seconds"] in (0, None)
    assert seen["connect_ms"] >= 0
    assert seen["answer_ms"] > 0


def test_what_is_not_well(any_store: Any, examine: Any) -> None:
    bucket, entry = any_store.make_bucket(), any_store.entry()
    done = examine(
        {
            bucket: entry,
            "wrong-keys": {**entry, "bucket": bucket, "secret_key": "s3cret"},
            "no-such-bucket": entry,
            "nobody-there": {**entry, "port": free_port()},
        },
        "--json",
    )
    assert done.returncode == 1
    told = {f["bucket"]: " ".join(f["problems"]) for f in findings(done)}
    assert told[bucket] == ""
    assert "403 AccessDenied" in told["wrong-keys"]
    assert "responded with 403" in told["wrong-keys"]  # what only the log says
    assert "404 NoSuchBucket" in told["no-such-bucket"]
    assert "refused" in told["nobody-there"]
    assert "s3cret" not in done.stdout + done.stderr


def test_tls_and_certificates(
    serve: Any, double: S3Double, examine: Any, certificates: Any
) -> None:
    double.answer = listing
    front = serve({"data": double.entry()})
    entry = {
        "host": "localhost",
        "port": int(front.url("https").rpartition(":")[2]),
        "tls": True,
        "addressing_style": "path",
        "access_key": CLIENT.access,
        "secret_key": CLIENT.secret,
    }
    trusted = {**entry, "bucket": "data", "ca_file": str(certificates.ca)}
    done = examine({"data": trusted, "not-trusted": entry}, "--json")
    good, bad = findings(done)
    assert done.returncode == 1
    assert (good["tls"], good["certificate_days"], good["problems"]) == ("TLSv1.3", 1, [])
    assert good["warnings"] == ["its certificate expires in 1 days"]
    assert "its certificate is not trusted" in bad["problems"][0]
    done = examine({"data": entry}, "--json", verify=False)
    (seen,) = findings(done)
    assert (done.returncode, seen["tls"], seen["certificate_days"]) == (0, "TLSv1.3", None)


@pytest.mark.parametrize(("apart", "status"), [(0, 0), (120, 0), (-3600, 1)])
def test_clocks_that_are_apart(
    double: S3Double, examine: Any, monkeypatch: pytest.MonkeyPatch, apart: int, status: int
) -> None:
    monkeypatch.setattr(
        "http.server.BaseHTTPRequestHandler.date_time_string",
        lambda self, timestamp=None: email.utils.formatdate(time.time() + apart, usegmt=True),
    )
    double.answer = listing
    done = examine({"data": double.entry()}, "--json")
    (seen,) = findings(done)
    assert done.returncode == status
    assert seen["clock_skew_seconds"] == pytest.approx(apart, abs=2)
    said = [*seen["problems"], *seen["warnings"]]
    assert ["clock and this one differ" in text for text in said] == ([True] if apart else [])


def test_the_region_that_the_store_names(double: S3Double, examine: Any) -> None:
    double.answer = lambda seen: (200, {"x-amz-bucket-region": "eu-west-3"}, b"<L/>")
    (seen,) = findings(examine({"data": double.entry()}, "--json"))
    assert seen["region"] == "eu-west-3"
    assert seen["warnings"] == ["it is in region eu-west-3; the configuration says us-east-1"]


def test_credentials_from_a_callback(tmp_path: Path, double: S3Double, examine: Any) -> None:
    double.answer = listing
    (tmp_path / "vault.py").write_text(
        "import json\ndef fetch(token, bucket):\n    assert token == 'alice', bucket\n    return "
        f"{{'access_key': '{double.keys.access}', 'secret_key': '{double.keys.secret}'}}\n"
    )
    entry = double.entry(access_key=None, secret_key=None)
    entry = {name: value for name, value in entry.items() if value is not None}
    rest = {"bucket_creds_fetcher": "vault:fetch", "validator": "vault:fetch"}
    assert examine({"data": entry}, "--as", "alice", **rest).returncode == 0
    signed = [seen for seen in double.seen if "list-type" in seen.target]
    assert [seen.headers["authorization"].partition("/")[0] for seen in signed] == [
        f"AWS4-HMAC-SHA256 Credential={double.keys.access}"
    ]
    done = examine({"data": entry}, "--as", "bob", **rest)
    assert done.returncode == 1
    assert len(double.seen) == 3, done.stdout  # bob's own listing never went out
    assert "bucket_creds_fetcher failed" in done.stderr
    assert done.stderr.endswith(": AssertionError: data\n")


def test_an_entry_for_clients_without_a_signature(double: S3Double, examine: Any) -> None:
    double.answer = listing
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
        ],
    }
    for place in ({"policy": policy}, {}):
        entry = {**double.entry(), "anonymous": True, **place}
        done = examine({"open": entry}, **({} if place else {"policy": policy}))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.slow
def test_an_entry_for_many_buckets(double: S3Double, examine: Any) -> None:
    double.answer = listing
    done = examine({"team-*": double.entry()})
    assert done.returncode == 0
    assert "choose one with --bucket" in done.stdout
    assert not [seen for seen in double.seen if "list-type" in seen.target]
    done = examine({"team-*": double.entry()}, "--bucket", "team-blue")
    assert done.returncode == 0
    assert [s.path for s in double.seen if "list-type" in s.target] == ["/team-blue"]


def test_a_store_that_never_answers(examine: Any) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        entry = {"host": "127.0.0.1", "port": silent.getsockname()[1]}
        done = examine({"data": entry}, "--timeout", "0.5")
    assert done.returncode == 1
    assert "does not respond in time" in done.stdout


@pytest.mark.slow
def test_a_terminal_sees_how_far_it_is(tmp_path: Path, double: S3Double, examine: Any) -> None:
    double.answer = listing
    assert examine({"one": double.entry(), "two": double.entry()}).stderr == ""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [PROGRAM, "doctor"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    steps = [f"{n} of 2 entries checked" in shown for n in (0, 1, 2)]
    assert steps == [True, True, True]
    assert shown.endswith("\r\x1b[K")


def test_mistakes(examine: Any, double: S3Double, run: Run) -> None:
    (line,) = mistaken(examine({"data": {"host": "h"}}))
    assert line.endswith("cos_map.data.port: is required")
    assert mistaken(examine({"data": double.entry()}, "--bucket", "other")) == [
        "the configuration has no bucket other"
    ]
    assert len(mistaken(run("doctor", "--timeout", "0"))) == 1


def test_a_shared_state(double: S3Double, examine: Any, serve: Any, tmp_path: Path) -> None:
    double.answer = listing
    entries = {"data": double.entry()}
    with valkey(tmp_path / "state") as state:
        values = {"shared_state": state.url, "shared_keys": [key("k1", 1)]}
        serve(entries, **values)
        done = examine(entries, **values)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"ok      shared state  at {state.url}\n        valkey 9." in done.stdout
        assert "maxmemory-policy noeviction, copies: 0, proxies: 1" in done.stdout
        *_, seen = findings(examine(entries, "--json", **values))
        assert seen["problems"] == []
        state.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        done = examine(entries, **values | {"shared_keys": [key("k1", 2)]})
        assert done.returncode == 1
        assert "maxmemory-policy is allkeys-lru" in done.stdout
        assert "other replicas of this namespace have another keyring" in done.stdout
        state.call("ACL", "SETUSER", "default", "-zcount")
        assert "revocations: " in examine(entries, **values).stdout
    done = examine(entries, **values)
    assert done.returncode == 1
    assert "no connection" in done.stdout
