"""Where and how the proxy listens."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import botocore.exceptions
import object_storage_proxy as osp
import pytest
from conftest import Serve, settings
from helpers import certificates as pki
from helpers.double import S3Double
from helpers.raw import connect
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


class TestCertificates:
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
