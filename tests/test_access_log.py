"""The access log: complete, unforgeable, without secrets, and never in the way."""

from __future__ import annotations

import base64
import calendar
import json
import logging
import re
import signal
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import httpx
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, settings
from helpers import raw
from helpers.apart import Apart
from helpers.children import Child
from helpers.clients import Keys, boto, refused
from helpers.double import S3Double
from helpers.monitor import scrape
from helpers.ports import free_port
from helpers.stores import Store
from helpers.wait import until

JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"alice","role":"admin"}', b"x" * 32)
)


def lines(path: Path, count: int) -> list[dict[str, Any]]:
    """Waits for that many lines of JSON."""

    def complete() -> list[str]:
        text = path.read_text() if path.exists() else ""
        return text.splitlines() if text.count("\n") >= count else []

    found = [json.loads(line) for line in until(complete, f"{count} lines in {path.name}")]
    assert len(found) == count, found
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def test_one_line_for_each_request(serve: Any, any_store: Store, log: Path) -> None:
    bucket = any_store.make_bucket()
    begun = time.time()
    front = serve({bucket: any_store.entry()}, access_log=log, validator=lambda t, b: True)
    s3 = front.boto()
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"12345")
    answer = s3.get_object(Bucket=bucket, Key="a b/ü", Range="bytes=1-3")
    assert answer["Body"].read() == b"234"
    assert refused(s3.get_object, Bucket=bucket, Key="none").code == "NoSuchKey"
    url = front.boto("https", signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "a b/ü"}
    )
    with httpx.Client(verify=front.tls_context(), trust_env=False) as http:
        assert http.get(url, headers={"User-Agent": "browser/1"}).content == b"12345"
    put, got, none, presigned = lines(log, 4)
    assert {
        "client": "127.0.0.1",
        "access_key": CLIENT.access,
        "method": "PUT",
        "operation": "PutObject",
        "bucket": bucket,
        "key": "a%20b/%C3%BC",
        "status": 200,
        "code": "",
        "presigned": False,
        "scheme": "http",
        "protocol": "HTTP/1.1",
    }.items() <= put.items()
    assert put["bytes_in"] >= 5
    assert put["user_agent"].startswith("Boto3/")
    assert 0 < put["callback"] + put["upstream"] <= put["total"] < 60
    when = time.strptime(put["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
    assert begun - 2 < calendar.timegm(when) < begun + 60
    assert (got["operation"], got["status"], got["bytes_out"]) == ("GetObject", 206, 3)
    assert (none["status"], none["code"]) == (404, "")  # it is the store's answer
    assert (presigned["presigned"], presigned["scheme"]) == (True, "https")
    assert presigned["user_agent"] == "browser/1"
    ids = [line["request_id"] for line in (put, got, none, presigned)]
    assert len(set(ids)) == 4


def test_refusals_are_lines_with_their_code(serve: Any, double: S3Double, log: Path) -> None:
    front = serve({"data": double.entry()}, access_log=log)
    wrong = front.boto(keys=Keys(CLIENT.access, "wrong"), retry=False)
    answer = refused(wrong.get_object, Bucket="data", Key="k")
    (line,) = lines(log, 1)
    assert (line["status"], line["code"]) == (403, answer.code)
    assert (line["access_key"], line["operation"]) == (CLIENT.access, "GetObject")
    assert line["upstream"] == 0


def test_logfmt_and_combined(serve: Any, double: S3Double, tmp_path: Path) -> None:
    for form, pattern in {
        "logfmt": r"time=\S+ request_id=\w{16} client=127\.0\.0\.1 access_key=client-key "
        r"token= role= session= method=GET operation=GetObject bucket=data key=k copy_source= "
        r"status=200 code= refused_by= limit= bytes_in=0 bytes_out=1 bytes_copied=0 "
        r"total=\d\.\d{6} .*presigned=false .*user_agent=.+",
        "combined": r"127\.0\.0\.1 - client-key \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
        r'"GET /data/k HTTP/1\.1" 200 1 "-" "Boto3/.+"',
    }.items():
        log = tmp_path / form
        front = serve({"data": double.entry()}, access_log=str(log), access_log_format=form)
        front.boto().get_object(Bucket="data", Key="k")
        until(lambda log=log: log.read_text().count("\n") == 1, "a line")
        assert re.fullmatch(pattern, log.read_text().rstrip("\n")), log.read_text()


def test_pythons_logging(serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "object_storage_proxy.access")
    front = serve({"data": double.entry()}, access_log="python", access_log_format="combined")
    s3 = front.boto()

    def records() -> list[logging.LogRecord]:
        s3.get_object(Bucket="data", Key="k")  # a new level takes effect after a while
        return [r for r in caplog.records if r.name == "object_storage_proxy.access"]

    record = until(records, "a record")[0]
    assert record.levelno == logging.INFO
    assert '"GET /data/k HTTP/1.1" 200 1' in record.getMessage()
    details: dict[str, Any] = record.__dict__["osp"]
    assert (details["operation"], details["status"]) == ("GetObject", 200)
    assert "logger" not in details


def test_nothing_that_clients_send_forges_a_line(serve: Any, double: S3Double, log: Path) -> None:
    front = serve({"data": double.entry()}, access_log=log)
    forged = "%0A%7B%22status%22%3A200%7D%0D%0A%1B%5B2J"
    headers = raw.sign("GET", f"{front.url()}/data/{forged}", CLIENT)
    headers["User-Agent"] = 'x"} \\ \u202e ü'
    with raw.connect(front.url()) as link, link.makefile("rb") as stream:
        link.sendall(raw.head_bytes("GET", f"/data/{forged}", headers))
        assert raw.read_answer(stream).status == 404
    (line,) = lines(log, 1)
    assert line["key"] == forged
    assert line["user_agent"] == 'x"} \\ \u202e ü'
    assert "\u202e" not in log.read_text()
    assert not any(c < 0x20 for c in log.read_bytes().rstrip(b"\n"))


def test_the_file_is_reopened(serve: Any, double: S3Double, log: Path) -> None:
    front = serve({"data": double.entry()}, access_log=log)
    front.boto().get_object(Bucket="data", Key="k")
    lines(log, 1)
    moved = log.rename(log.with_suffix(".1"))
    front.server.reopen_logs()
    front.boto().get_object(Bucket="data", Key="l")
    assert [line["key"] for line in lines(log, 1)] == ["l"]
    assert [line["key"] for line in lines(moved, 1)] == ["k"]
    log.unlink()
    log.mkdir()
    with pytest.raises(IsADirectoryError, match="access_log"):
        front.server.reopen_logs()


def test_a_file_that_cant_be_opened_stops_the_start(double: S3Double, tmp_path: Path) -> None:
    port = free_port()
    server = osp.ProxyServer(
        settings({"data": double.entry()}, http_port=port, access_log=tmp_path / "no" / "log")
    )
    with pytest.raises(FileNotFoundError, match="access_log"):
        server.start()
    assert server.http_url is None
    with osp.ProxyServer(settings({"data": double.entry()}, http_port=port)):
        pass  # its port is free


@pytest.mark.parametrize("form", ["xml", ""])
def test_a_format_that_is_none(double: S3Double, form: str) -> None:
    with pytest.raises(osp.ConfigError) as caught:
        osp.ProxyServer(settings({"data": double.entry()}, access_log_format=form)).start()
    assert [path for path, _ in caught.value.mistakes] == ["access_log_format"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_no_matter_for_requests(
    serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture
) -> None:
    front = serve({"data": double.entry()}, access_log="/dev/full", metrics_port=0)
    s3 = front.boto()
    for _ in range(20):
        assert s3.get_object(Bucket="data", Key="k")["Body"].read() == b"x"

    def lost() -> bool:
        return scrape(front.server).value("osp_log_lines_dropped_total", log="access") == 20

    until(lost, "the lines are counted as lost")

    def said() -> list[str]:
        return [r.getMessage() for r in caplog.records if "access log" in r.getMessage()]

    until(said, "the log says so")
    assert len(said()) == 1
    assert "no space left" in said()[0]


FULL = """
import logging
logging.basicConfig(stream=sys.stderr)
resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, resource.RLIM_INFINITY))
"""
REOPENS = """
    while not server.wait(0.05):
        if os.path.exists("moved"):
            os.remove("moved")
            server.reopen_logs()
"""


def test_a_file_that_can_grow_no_more_is_written_again_when_it_can(
    tmp_path: Path, double: S3Double
) -> None:
    """Beyond the limit of a file's size the system refuses, as on a full disk."""
    log = tmp_path / "proxy" / "access.log"
    settings = {
        "cos_map": {"data": double.entry()},
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "access_log": log,
    }
    with Apart(tmp_path / "proxy", settings, before=FULL, meanwhile=REOPENS) as proxy:
        url = proxy.http_url
        headers = raw.sign("GET", f"{url}/data/k", CLIENT)

        def get() -> None:
            assert raw.send(url, "GET", "/data/k", headers).body == b"x"

        def lost() -> float:
            return scrape(proxy).value("osp_log_lines_dropped_total", log="access")

        for _ in range(25):
            get()
        until(
            lambda: lost() > 0 and len(whole_lines(log)) + lost() == 25, "what is lost is counted"
        )
        until(lambda: proxy.output().count("can't be written") == 1, "the log says so, once")
        log.rename(log.with_suffix(".old"))
        (tmp_path / "proxy" / "moved").touch()
        until(log.exists, "the file is opened anew")
        before = lost()
        get()
        until(lambda: len(whole_lines(log)) == 1, "lines are written again")
        until(lambda: "can be written again" in proxy.output(), "the log says so")
        assert lost() == before
        assert proxy.output().count("can't be written") == 1


def whole_lines(log: Path) -> list[str]:
    """The whole lines of a file; a torn one is none."""
    return [line for line in log.read_text().split("\n") if line.endswith("}")]


SCRIPT = """
import json, logging, sys
import object_storage_proxy as osp
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
osp.start_server(osp.ProxyServerConfig(
    **json.loads(sys.argv[1]),
    hmac_fetcher=lambda key: {"secret_key": "temporary-secret", "session_token": "session-secret"}
        if key == "temporary" else ("jwt-secret" if "." in key else None),
    bucket_creds_fetcher=lambda token, bucket: {"access_key": "FETCHEDKEY",
        "secret_key": "fetched-secret", "session_token": "fetched-token"},
))
"""


def child(tmp_path: Path, port: int, double: S3Double, **changes: Any) -> Child:
    config = {
        "cos_map": {
            "data": double.entry(),
            "fetched": double.entry(access_key=None, secret_key=None),
        },
        "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
        "host": "127.0.0.1",
        "http_port": port,
        **changes,
    }
    args = [sys.executable, "-c", textwrap.dedent(SCRIPT), json.dumps(config)]
    return Child(args, tmp_path / "child.log", cwd=tmp_path)


def test_hangup_reopens_the_file(tmp_path: Path, double: S3Double, log: Path) -> None:
    port = free_port()
    with child(tmp_path, port, double, access_log=str(log)) as process:
        process.listening(port)
        s3 = boto(f"http://127.0.0.1:{port}", CLIENT)
        s3.get_object(Bucket="data", Key="k")
        lines(log, 1)
        moved = log.rename(log.with_suffix(".1"))
        process.process.send_signal(signal.SIGHUP)
        until(log.exists, "the new file")
        s3.get_object(Bucket="data", Key="l")
        assert [line["key"] for line in lines(log, 1)] == ["l"]
        assert [line["key"] for line in lines(moved, 1)] == ["k"]
        assert process.alive(), process.output()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "logfmt", "combined"])
@pytest.mark.parametrize("target", ["stderr", "python"])
def test_no_secret_in_any_output_at_debug_level(
    tmp_path: Path, double: S3Double, target: str, form: str
) -> None:
    """Secret keys, signatures, presigned queries, session tokens, JWTs as access keys."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    double.check = lambda seen: None
    double.objects[b"/fetched/k"] = b"x"
    hidden = [
        CLIENT.secret, double.keys.secret, "temporary-secret", "session-secret", "jwt-secret",
        "fetched-secret", "fetched-token", "FETCHEDKEY", "wrong-secret", "wrong-token", JWT,
        JWT.split(".")[1], JWT.split(".")[2], "X-Amz-", "x-amz-signature", "Signature=",
        "bearer-of-client",
    ]  # fmt: skip
    with child(tmp_path, port, double, access_log=target, access_log_format=form) as process:
        process.listening(port)
        attempts = 0
        for keys, token in (
            (CLIENT, None),
            (Keys(CLIENT.access, "wrong-secret"), None),
            (CLIENT, "wrong-token"),
            (Keys("temporary", "temporary-secret"), "session-secret"),
            (Keys("temporary", "temporary-secret"), "wrong-token"),
            (Keys(JWT, "jwt-secret"), None),
            (Keys(JWT, "wrong-secret"), None),
        ):
            for bucket in ("data", "fetched", "unknown"):
                s3 = boto(url, keys, session_token=token, retry=False, signature_version="s3v4")
                presigned = s3.generate_presigned_url(
                    "get_object", Params={"Bucket": bucket, "Key": "k"}
                )
                hidden.append(presigned.partition("X-Amz-Signature=")[2][:64])
                referer = {"Referer": presigned}
                with httpx.Client(trust_env=False) as http:
                    http.get(presigned, headers=referer)
                    http.get(presigned + "0", headers=referer)
                    signed = raw.sign("GET", f"{url}/{bucket}/k", keys)
                    hidden.append(signed["Authorization"].partition("Signature=")[2])
                    http.get(f"{url}/{bucket}/k", headers=signed)
                    bearer = {"Authorization": "Bearer bearer-of-client"}
                    http.get(f"{url}/{bucket}/k", headers=bearer)
                attempts += 4
        mark = '"GET /' if form == "combined" else "operation"
        until(lambda: process.output().count("user_agent") + process.output().count(mark), "lines")
    output = process.output()
    text = output.replace('\\"', '"')
    written = len(re.findall(r'"GET /\S* HTTP/1.1" \d|[ ,{"]operation["=:]', text))
    assert written >= attempts, output[-3000:]  # something was logged at all
    found = [secret for secret in hidden if secret in output]
    assert found == [], output[max(0, output.find((found or [""])[0]) - 500) :][:1000]


def test_refusals_are_audited(
    serve: Any, double: S3Double, caplog: pytest.LogCaptureFixture
) -> None:
    """Who was refused what, and why, without a key that opens something."""
    caplog.set_level(logging.INFO, "object_storage_proxy")
    front = serve(
        {"data": double.entry()},
        hmac_fetcher=lambda key: "jwt-secret",
        validator=lambda token, bucket: osp.Decision(False, reason="not on Sundays"),
    )
    s3 = front.boto(keys=Keys(JWT, "jwt-secret"), retry=False)

    def audits() -> list[logging.LogRecord]:
        # A new level takes effect after a while.
        assert refused(s3.get_object, Bucket="data", Key="k").code == "AccessDenied"
        return [r for r in caplog.records if r.getMessage().startswith("refused")]

    record = until(audits, "the audit")[0]
    details: dict[str, Any] = record.__dict__["osp"]
    assert {
        "code": "AccessDenied",
        "client": "127.0.0.1",
        "operation": "GetObject",
        "bucket": "data",
    }.items() <= details.items()
    assert "not on Sundays" in details["cause"]
    assert re.fullmatch(r"eyJh\.\.\.sha256:[0-9a-f]{16}", details["access_key"])
    assert JWT[5:] not in record.getMessage()
