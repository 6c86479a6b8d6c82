"""Where and how the proxy listens."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Serve, settings
from helpers import certificates as pki
from helpers.children import Child
from helpers.cli import PROGRAM, write_toml
from helpers.double import S3Double
from helpers.raw import Answer, connect, head_bytes, read_answer, sign
from helpers.wait import until


class TestReusePort:
    def test_two_servers_share_a_port(self, serve: Serve, double: S3Double) -> None:
        cos_map = {"data": double.entry()}
        first = serve(cos_map, reuse_port=True)
        port = urlsplit(first.url()).port
        second = serve(cos_map, reuse_port=True, http_port=port, server_name="second")
        assert second.url() == first.url()
        seen = set()
        while len(seen) < 2:  # a new connection each; the system spreads them by a hash
            answer = second.boto().get_object(Bucket="data", Key="k")
            seen.add(answer["ResponseMetadata"]["HTTPHeaders"]["server"])
        first.server.stop()
        for _ in range(8):
            answer = second.boto().get_object(Bucket="data", Key="k")
            assert answer["ResponseMetadata"]["HTTPHeaders"]["server"] == "second"

    def test_nobody_shares_by_default(self, serve: Serve, double: S3Double) -> None:
        first = serve({"data": double.entry()})
        config = settings({}, http_port=urlsplit(first.url()).port, reuse_port=True)
        with pytest.raises(OSError, match="in use"):
            osp.ProxyServer(config).start()


class TestUnixSocket:
    def test_it_serves_its_user_until_the_stop(
        self, serve: Serve, double: S3Double, short: Path
    ) -> None:
        path = short / "s3.sock"
        asked: list[dict[str, Any]] = []

        def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
            asked.append(request)
            return True

        front = serve(
            {"data": double.entry()},
            http_port=None,
            https_port=None,
            unix_socket=path,
            validator=validator,
        )
        assert front.server.http_url is None
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        answer = over_unix(path, {"X-Forwarded-For": "192.0.2.7"})
        assert (answer.status, answer.body) == (200, b"x")
        assert [request["source"] for request in asked] == ["unix"]
        with pytest.raises(OSError, match="in use"):
            osp.ProxyServer(settings({}, http_port=None, unix_socket=path)).start()
        front.server.stop()
        assert not path.exists()

    def test_a_killed_process_leaves_nothing_in_the_way(
        self, double: S3Double, short: Path
    ) -> None:
        path = short / "s3.sock"
        values = {"cos_map": {"data": double.entry()}, "unix_socket": str(path)}
        pair = {"access_key": CLIENT.access, "secret_key": CLIENT.secret}
        write_toml(short / "proxy.toml", {**values, "hmac_keystore": [pair]})
        log = short / "serve.log"
        with Child([PROGRAM, "serve"], log, cwd=short) as first:
            until(path.exists, "the socket")
            first.process.kill()
            first.process.wait(20)
        assert path.exists()
        with Child([PROGRAM, "serve"], log, cwd=short) as second:
            until(lambda: second.alive() and connects(path), "the second")
            assert over_unix(path).status == 200, second.output()
            assert second.stop() == 0
        assert not path.exists()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name: the system wants it short."""
    with tempfile.TemporaryDirectory(prefix="osp") as folder:
        yield Path(folder)


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(path)) == 0


def over_unix(path: Path, more: Mapping[str, str] | None = None) -> Answer:
    """The object "k" of the bucket "data"."""
    headers = {**sign("GET", "http://localhost/data/k", CLIENT), **(more or {})}
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(str(path))
        link.sendall(head_bytes("GET", "/data/k", headers))
        with link.makefile("rb") as stream:
            return read_answer(stream)


class TestProxyProtocol:
    HEADER = b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n"

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_trusted_balancer_introduces_its_client(
        self, serve: Serve, double: S3Double, scheme: str, tmp_path: Path
    ) -> None:
        asked: list[str] = []

        def validator(token: str, bucket: str, request: dict[str, Any]) -> bool:
            asked.append(request["source"])
            return True

        log = tmp_path / "access.log"
        front = serve(
            {"data": double.entry()},
            validator=validator,
            trusted_proxies=["127.0.0.0/8"],
            proxy_protocol=True,
            access_log=log,
        )
        url = front.url(scheme)
        assert through(url, self.HEADER, front.tls_context()).status == 200
        assert asked == ["192.0.2.7"]
        with pytest.raises(OSError):  # noqa: PT011  # a reset, or an end before an answer
            through(url, b"", front.tls_context())
        front.server.stop()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [line["client"] for line in lines] == ["192.0.2.7"]

    def test_strangers_are_not_believed(self, serve: Serve, double: S3Double) -> None:
        front = serve({"data": double.entry()}, trusted_proxies=["10.0.0.0/8"], proxy_protocol=True)
        assert through(front.url(), self.HEADER).status == 400
        assert through(front.url(), b"").status == 200


def through(url: str, header: bytes, context: ssl.SSLContext | None = None) -> Answer:
    """The object "k" of the bucket "data", over a connection that begins with a header."""
    request = head_bytes("GET", "/data/k", sign("GET", f"{url}/data/k", CLIENT))
    with ExitStack() as stack:
        link = stack.enter_context(connect(url))
        link.sendall(header)
        if context and url.startswith("https"):
            link = stack.enter_context(context.wrap_socket(link, server_hostname="localhost"))
        link.sendall(request)
        with link.makefile("rb") as stream:
            return read_answer(stream)


class TestCertificates:
    @pytest.mark.slow
    def test_a_new_pair_counts_without_a_restart(
        self,
        serve: Serve,
        double: S3Double,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        old, new = pki.make(tmp_path / "old"), pki.make(tmp_path / "new")
        live = pki.make(tmp_path / "live")
        old.cert.replace(live.cert)
        old.key.replace(live.key)
        monkeypatch.setenv("TLS_CERT_PATH", str(live.cert))
        monkeypatch.setenv("TLS_KEY_PATH", str(live.key))
        front = serve({"data": double.entry()})
        with handshaken(front.url("https"), old.ca) as link:
            new.cert.replace(live.cert)  # which does not fit the key yet
            until(lambda: "the old certificate stays" in tell(front.url("https"), caplog), "a line")
            assert trusts(front.url("https"), old.ca)
            new.key.replace(live.key)
            until(lambda: trusts(front.url("https"), new.ca), "the new certificate")
            assert not trusts(front.url("https"), old.ca)
            assert caplog.text.count("the old certificate stays") == 1
            link.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # of before
            assert link.recv(12) == b"HTTP/1.1 403"

    def test_clients_show_one_of_their_own(
        self, serve: Serve, double: S3Double, tmp_path: Path
    ) -> None:
        client, stranger = pki.make(tmp_path / "client"), pki.make(tmp_path / "stranger")
        front = serve({"data": double.entry()}, http_port=None, tls_client_ca_path=client.ca)

        def read(pair: pki.Certificates | None) -> bytes:
            shown = pair and (str(pair.cert), str(pair.key))
            s3 = front.boto("https", retry=False, client_cert=shown)
            return bytes(s3.get_object(Bucket="data", Key="k")["Body"].read())

        assert read(client) == b"x"
        for pair in (stranger, None):
            with pytest.raises(botocore.exceptions.BotoCoreError):  # no answer at all
                read(pair)
        assert len(double.seen) == 1

    def test_an_authority_without_https_is_a_mistake(
        self, certificates: pki.Certificates, tmp_path: Path
    ) -> None:
        empty = tmp_path / "empty.pem"
        empty.touch()
        for changes in (
            {"https_port": None, "tls_client_ca_path": certificates.ca},
            {"tls_client_ca_path": tmp_path / "missing.pem"},
            {"tls_client_ca_path": empty},
        ):
            with pytest.raises(osp.ConfigError) as caught:
                osp.ProxyServer(settings({}, **changes)).start()
            assert [path for path, _ in caught.value.mistakes] == ["tls_client_ca_path"]


@contextmanager
def handshaken(url: str, ca: Path) -> Iterator[ssl.SSLSocket]:
    """A connection over which TLS is spoken."""
    context = ssl.create_default_context(cafile=str(ca))
    with connect(url) as link, context.wrap_socket(link, server_hostname="localhost") as secure:
        yield secure


def trusts(url: str, ca: Path) -> bool:
    """Whether the certificate that is shown is one of this authority."""
    try:
        with handshaken(url, ca):
            return True
    except ssl.SSLCertVerificationError:
        return False


def tell(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """The log after another handshake."""
    with connect(url) as link, ssl._create_unverified_context().wrap_socket(link):
        return caplog.text
