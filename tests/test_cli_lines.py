"""What files and peers say is text in a line of its own, whichever command prints it.

Whoever writes a key, a log or a response could else write what looks like another line, or what
does something to a terminal.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
from botocore.exceptions import ClientError
from helpers.cli import Run, mistaken, runner, write_toml
from helpers.double import S3Double
from helpers.served import Served
from helpers.service import Quiet, Service
from object_storage_proxy.cli import main, problems

HOSTILE = "a\x1b[2J\nforged\r\u202e\x9b1m"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


def plain(text: str) -> bool:
    """Whether the hostile text is in another, but only as text."""
    lines = text.split("\n")
    own_line = any(line.lower().startswith("forged") for line in lines)
    return "forged" in text.lower() and not own_line and all(map(str.isprintable, lines))


def test_mistakes_of_a_configuration(run: Run, tmp_path: Path) -> None:
    name = json.dumps(HOSTILE)
    (tmp_path / "proxy.toml").write_text(f"{name} = 1\n[cos_map.data]\n{name} = 1\n")
    done = run("check-config")
    assert plain(done.stderr), done.stderr
    assert mistaken(done)


def test_warnings_and_the_name_of_a_file(run: Run, tmp_path: Path, double: S3Double) -> None:
    name = "a\x1b[2J\nforged.toml"
    write_toml(tmp_path / name, {"http_port": 1, "cos_map": {"data": double.entry()}})
    done = run("check-config", "--config", name, **{"OSP_A\x1b[2J\nFORGED": "1"})
    assert done.returncode == 0
    assert plain(done.stdout), done.stdout
    assert plain(done.stderr), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (osp.ConfigError([(f'cos_map["{HOSTILE}"]', "is wrong"), ("", HOSTILE)]), 2),
        (ImportError(HOSTILE), 1),
        (problems.MistakesError(HOSTILE), 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    def fails(options: Any) -> int:
        raise error

    monkeypatch.setattr("object_storage_proxy.cli.keygen.run", fails)
    assert main(["keygen", "alice"]) == status
    said = capsys.readouterr().err
    assert plain(said), said
    assert all(line.startswith("object-storage-proxy: ") for line in said.splitlines())


def test_what_a_store_says_to_the_doctor(run: Run, tmp_path: Path, double: S3Double) -> None:
    double.answer = lambda seen: (403, {"x-amz-bucket-region": "a\x9b[2J"}, _error("Error"))
    write_toml(tmp_path / "proxy.toml", {"http_port": 1, "cos_map": {"data": double.entry()}})
    done = run("doctor", "--timeout", "5")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert plain(said), said


def _error(root: str) -> bytes:
    """An error of a service, as far as XML can say what is hostile."""
    text = "a\nforged\u202e\x9b1m"
    return f"<{root}><Code>{text}</Code><Message>{text}</Message></{root}>".encode()


class _Sts(Quiet):
    """Answers as STS does, with what it is told to say."""

    status, body = 200, ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body.encode())))
        self.end_headers()
        self.wfile.write(self.body.encode())


_NAMESPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
_REFUSED = (
    f"<ErrorResponse {_NAMESPACE}><Error><Code>a\nforged</Code><Message>b\x9b1m\u202e</Message>"
    "</Error></ErrorResponse>"
)
_KEYS = (
    f"<R {_NAMESPACE}><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s\nforged=1"
    "</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    "</Credentials></R>"
)


@pytest.mark.parametrize(("status", "body"), [(403, _REFUSED), (200, _KEYS)])
def test_what_a_token_service_says(run: Run, tmp_path: Path, status: int, body: str) -> None:
    (tmp_path / "token").write_text("token")
    with Service(type("Sts", (_Sts,), {"status": status, "body": body})) as sts:
        endpoint = f"http://127.0.0.1:{sts.port}"
        done = run(
            *("credentials", "--endpoint", endpoint, "--role", "r", "--token-file", "token"),
            *("--format", "env"),
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert all(map(str.isprintable, done.stderr.split("\n")))


def test_the_log_of_serve(tmp_path: Path, double: S3Double) -> None:
    hostile = json.dumps(HOSTILE)
    (tmp_path / "app.py").write_text(
        f"def validator(token, bucket):\n    raise ValueError({hostile})\n"
    )
    with ExitStack() as stack:
        served = Served(tmp_path, stack)
        served.configure(cos_map={"data": double.entry()}, validator="app:validator")
        served.start(**{"OSP_A\x1b[2J\nFORGED": "1"})
        served.up()
        with pytest.raises(ClientError):
            served.boto().get_object(Bucket="data", Key=HOSTILE)
        served.said("ValueError: ")
        served.said("refused ")
        said = served.child.output()
    assert plain(said), said
    assert r"ValueError: a\x1b[2J" in said
    assert r"OSP_A\x1b[2J" in said
