"""HTTP/2 on the https front: `:authority` is the host that was signed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Front, Serve, settings
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, StreamReset
from helpers import raw
from helpers.certificates import Certificates
from helpers.clients import Keys
from helpers.double import S3Double
from helpers.monitor import get
from helpers.wait import until

HEADERS, RST_STREAM, GOAWAY = 1, 3, 7  # RFC 9113, section 6


@pytest.fixture
def h2(place: Any) -> Iterator[httpx.Client]:
    with httpx.Client(http2=True, verify=place.front.tls_context(), trust_env=False) as client:
        yield client


def signed(place: Any, method: str, target: str, body: bytes = b"", keys: Keys = CLIENT) -> Any:
    url = place.front.url("https") + target
    headers = raw.sign(method, url, keys, body)
    return httpx.Request(method, url, headers=headers, content=body)


def test_put_and_get(place: Any, h2: httpx.Client) -> None:
    body = b"over HTTP/2 " * 100_000
    put = h2.send(signed(place, "PUT", f"/{place.bucket}/h2", body))
    assert (put.status_code, put.http_version) == (200, "HTTP/2")
    got = h2.send(signed(place, "GET", f"/{place.bucket}/h2"))
    assert (got.status_code, got.http_version, got.content) == (200, "HTTP/2", body)
    assert place.direct.get_object(Bucket=place.bucket, Key="h2")["Body"].read() == body


def test_a_wrong_secret_is_refused(place: Any, h2: httpx.Client) -> None:
    wrong = Keys(CLIENT.access, "wrong")
    answer = h2.send(signed(place, "PUT", f"/{place.bucket}/h2-refused", b"x", wrong))
    assert answer.status_code == 403
    assert b"SignatureDoesNotMatch" in answer.content
    assert "h2-refused" not in place.store.keys_in(place.bucket)


def test_another_host_than_the_signed_one_is_refused(place: Any, h2: httpx.Client) -> None:
    request = signed(place, "GET", f"/{place.bucket}/h2")
    request.headers["Host"] = "elsewhere.example"
    answer = h2.send(request)
    assert answer.status_code == 403


@pytest.mark.parametrize("wanted", [True, False])
def test_it_is_offered_unless_the_owner_does_not_want_it(
    serve: Serve, double: S3Double, wanted: bool
) -> None:
    front = serve({"data": double.entry()}, http2=wanted)
    url = urlsplit(front.url("https"))
    context = front.tls_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((url.hostname, url.port), timeout=15) as plain,
        context.wrap_socket(plain, server_hostname=url.hostname) as link,
    ):
        assert link.selected_alpn_protocol() == ("h2" if wanted else "http/1.1")


class RawH2:
    """HTTP/2 that says what it is told to, right or wrong; a context manager."""

    def __init__(self, place: Any) -> None:
        url = urlsplit(place.front.url("https"))
        context = place.front.tls_context()
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection((url.hostname, url.port), timeout=15)
        self.socket = context.wrap_socket(plain, server_hostname=url.hostname)
        self.h2 = H2Connection(
            H2Configuration(
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.h2.initiate_connection()

    def __enter__(self) -> RawH2:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, headers: list[tuple[str, str]], body: bytes = b"") -> int:
        """Sends one request; returns the status, or 0 for a reset instead of an answer."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        while True:
            self.socket.sendall(self.h2.data_to_send())
            data = self.socket.recv(1 << 16)
            if not data:
                return 0
            for event in self.h2.receive_data(data):
                if isinstance(event, ResponseReceived):
                    return int(dict(event.headers)[":status"])
                if isinstance(event, StreamReset | ConnectionTerminated):
                    return 0

    def last(self, headers: list[tuple[str, str]], body: bytes) -> set[int]:
        """Sends a request; returns the types of the frames from then to the connection's end.

        The h2 package reads nothing that follows a GOAWAY.
        """
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers)
        self.h2.send_data(stream, body, end_stream=True)
        self.socket.sendall(self.h2.data_to_send())
        with self.socket.makefile("rb") as frames:
            types = set()
            while head := frames.read(9):  # RFC 9113, section 4.1
                frames.read(int.from_bytes(head[:3], "big"))
                types.add(head[3])
        return types


def raw_headers(place: Any, key: str, body: bytes) -> list[tuple[str, str]]:
    target = f"/{place.bucket}/{key}"
    url = place.front.url("https")
    signed = {k.lower(): v for k, v in raw.sign("PUT", url + target, CLIENT, body).items()}
    authority = signed.pop("host")
    pseudo = {":method": "PUT", ":scheme": "https", ":authority": authority, ":path": target}
    return [*pseudo.items(), *signed.items()]


def test_a_stop_that_is_announced_sends_clients_to_other_connections(
    double: S3Double, certificates: Certificates, tmp_path: Path
) -> None:
    config = settings({"data": double.entry()}, drain_delay=3600, metrics_port=0)
    server = osp.ProxyServer(config)
    server.start()
    stopping = threading.Thread(target=server.stop)
    try:
        there = SimpleNamespace(front=Front(server, certificates.ca, tmp_path), bucket="data")
        request = [*raw_headers(there, "k", b"body"), ("content-length", "4")], b"body"
        with RawH2(there) as link:
            assert link.send(*request) == 200
            stopping.start()
            until(lambda: get(server, "/readyz").status_code == 503, "the announcement")
            types = link.last(*request)
        assert {HEADERS, GOAWAY} <= types
        assert RST_STREAM not in types
        assert [seen.method for seen in double.seen] == ["PUT", "PUT"]
        with RawH2(there) as link:  # whoever comes is served
            assert HEADERS in link.last(*request)
    finally:
        server.stop(0)
    stopping.join(20)


SPOILT: dict[str, list[tuple[str, str]]] = {
    "a leading space": [("content-type", " text/plain")],
    "a trailing tab": [("content-type", "text/plain\t")],
    "a length that is too long": [("content-length", "5")],
    "a length that is too short": [("content-length", "3")],
    "two lengths": [("content-length", "4"), ("content-length", "4")],
    "a length that is no number": [("content-length", "+4")],
    "another host": [("host", "elsewhere.example")],
    "a connection header": [("connection", "close")],
    "a transfer encoding": [("transfer-encoding", "chunked")],
    "a name in upper case": [("Content-Type", "text/plain")],
    "a line break in a value": [("content-type", "a\r\nx-amz-acl: public-read")],
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT.keys())
def test_malformed_requests_are_refused(place: Any, spoilt: list[tuple[str, str]]) -> None:
    with RawH2(place) as h2:
        status = h2.send([*raw_headers(place, "h2-spoilt", b"body"), *spoilt], b"body")
        assert status in (0, 400), status
    assert "h2-spoilt" not in place.store.keys_in(place.bucket)


@pytest.mark.parametrize("odd", ["/x", "?x", "#x", "@x", " x", "\tx", "\\x", "\x7f"])
def test_an_authority_that_could_be_more_than_one_is_refused(place: Any, odd: str) -> None:
    """The signature is not what it is refused for."""
    with RawH2(place) as h2:
        headers = dict(raw_headers(place, "h2-spoilt", b""))
        headers[":authority"] += odd
        assert h2.send(list(headers.items())) in (0, 400)


def test_a_path_with_an_authority_of_its_own_is_refused(place: Any) -> None:
    with RawH2(place) as h2:
        headers = dict(raw_headers(place, "h2-spoilt", b"body"))
        headers[":path"] = "https://elsewhere.example" + headers[":path"]
        assert h2.send([*headers.items(), ("content-length", "4")], b"body") in (0, 400)


def test_the_same_request_unspoilt_is_served(place: Any) -> None:
    with RawH2(place) as h2:
        headers = raw_headers(place, "h2-sound", b"body")
        assert h2.send([*headers, ("content-length", "4"), ("content-type", "a")], b"body") == 200
        assert h2.send(raw_headers(place, "h2-sound", b"body"), b"body") == 411
    assert "h2-sound" in place.store.keys_in(place.bucket)


def test_a_storm_of_resets_leaves_the_others_alone(place: Any, h2: httpx.Client) -> None:
    with RawH2(place) as storm:
        for _ in range(500):
            stream = storm.h2.get_next_available_stream_id()
            storm.h2.send_headers(stream, raw_headers(place, "h2-storm", b"body"))
            storm.h2.reset_stream(stream)
        with suppress(OSError):
            storm.socket.sendall(storm.h2.data_to_send())
        assert h2.send(signed(place, "PUT", f"/{place.bucket}/h2-calm", b"x")).status_code == 200
    assert "h2-storm" not in place.store.keys_in(place.bucket)
