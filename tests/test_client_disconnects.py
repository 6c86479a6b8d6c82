"""Clients that leave at every stage of a request: nothing stays behind, nobody else is blamed."""

from __future__ import annotations

import itertools
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from bench import signing
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived
from helpers import faulty, raw
from helpers.certificates import Certificates
from helpers.clients import CLIENT
from helpers.faulty import Ask
from helpers.monitor import scrape
from helpers.scene import LARGE, Scene, scene
from helpers.scripted import reset
from helpers.stores import versitygw
from helpers.wait import until

CALLBACKS = """
def validator(token, bucket, request):
    if request["key"].startswith("asked-"):
        open(request["key"], "w").close()
        while not os.path.exists("decided"):
            time.sleep(0.01)
    return True
"""
HUGE = 32 << 20  # more than the buffers of all sockets on the way hold


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("vanishing")
    callbacks: dict[str, Any] = {"before": CALLBACKS, "more": '{"validator": validator}'}
    with versitygw(folder) as store, scene(folder, store, certificates, **callbacks) as made:
        made.s3.put_object(Bucket="data", Key="huge", Body=bytes(HUGE))
        before = made.proxy.level().goroutines
        yield made
        until(lambda: made.proxy.level().goroutines <= before + 2, "no goroutine stays of them all")


@pytest.fixture
def here(running: Scene) -> Iterator[Scene]:
    """The scene, with a look at what the proxy and the store hold before and after."""
    for scheme in ("http", "https"):
        running.works("data", scheme)
    before, keys = running.proxy.level(), running.keys("data")
    yield running
    for scheme in ("http", "https"):
        running.works("data", scheme)
    running.proxy.settles(before)
    assert running.keys("data") == keys


class Client(ABC):
    """Sends one request, or a part of it, and leaves."""

    def __init__(self, here: Scene, scheme: str, protocol: str) -> None:
        self.url = here.proxy.url(scheme)
        context = here.context(scheme)
        if context:
            context.set_alpn_protocols([protocol])
        self.socket = raw.connect(self.url, context=context)

    @abstractmethod
    def send(self, request: signing.Request, part: int) -> None:
        """Sends the head and so many bytes of the body."""

    @abstractmethod
    def read(self, size: int) -> None:
        """Reads so much of an answer, at least."""

    def leave(self) -> None:
        """Ends the connection in good order, if nothing is left unread."""
        self.socket.close()

    def vanish(self) -> None:
        """Ends the connection with a reset."""
        reset(self.socket)


class Http1(Client):
    def __init__(self, here: Scene, scheme: str) -> None:
        super().__init__(here, scheme, "http/1.1")

    def head(self, request: signing.Request) -> bytes:
        length = {"content-length": str(len(request.body))} if request.body else {}
        return raw.head_bytes(request.method, request.path, {**request.headers, **length})

    def send(self, request: signing.Request, part: int) -> None:
        self.socket.sendall(self.head(request) + request.body[:part])

    def read(self, size: int) -> None:
        while size > 0:
            size -= len(self.socket.recv(size)) or size


class Http2(Client):
    def __init__(self, here: Scene, scheme: str) -> None:
        super().__init__(here, scheme, "h2")
        self.h2 = H2Connection(H2Configuration())
        self.h2.initiate_connection()

    def send(self, request: signing.Request, part: int) -> None:
        head = dict(request.headers)
        pseudo = {
            ":method": request.method,
            ":scheme": "https",
            ":authority": head.pop("host"),
            ":path": request.path,
        }
        if request.body:
            head["content-length"] = str(len(request.body))
        self.h2.send_headers(1, [*pseudo.items(), *head.items()], end_stream=not request.body)
        body = request.body[:part]
        while body:
            size = min(self.h2.local_flow_control_window(1), self.h2.max_outbound_frame_size)
            if size == 0:
                self._receive()
                continue
            last = part >= len(request.body) and size >= len(body)
            self.h2.send_data(1, body[:size], end_stream=last)
            body = body[size:]
        self.socket.sendall(self.h2.data_to_send())

    def _receive(self) -> int:
        self.socket.sendall(self.h2.data_to_send())
        came = 0
        for event in self.h2.receive_data(self.socket.recv(1 << 16)):
            if isinstance(event, DataReceived):
                came += len(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, 1)
        return came

    def read(self, size: int) -> None:
        while size > 0:
            size -= self._receive()

    def cancel(self) -> None:
        """Gives up the request and keeps the connection: the others on it go on."""
        self.h2.reset_stream(1, error_code=8)
        self.socket.sendall(self.h2.data_to_send())


FRONTS = {
    "http": lambda here: Http1(here, "http"),
    "https": lambda here: Http1(here, "https"),
    "HTTP/2": lambda here: Http2(here, "https"),
}


WAYS = [
    ("http", "vanish"),
    ("HTTP/2", "cancel"),
    *(
        pytest.param((front, way), marks=pytest.mark.slow)
        for front, way in itertools.product(FRONTS, ("leave", "vanish"))
        if (front, way) != ("http", "vanish")
    ),
]


@pytest.fixture(params=WAYS, ids=lambda way: " ".join(way))
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """What the client speaks, and how it leaves."""
    chosen: tuple[str, str] = request.param
    return chosen


@pytest.fixture
def client(here: Scene, way: tuple[str, str]) -> Iterator[Client]:
    made: Client = FRONTS[way[0]](here)
    yield made
    made.socket.close()


@pytest.fixture
def go(client: Client, way: tuple[str, str]) -> Any:
    """Has the client leave."""
    return getattr(client, way[1])


def request(
    client: Client,
    method: str,
    key: str,
    body: bytes = b"",
    payload: str = "hash",
    bucket: str = "data",
) -> Any:
    keys = signing.Keys(CLIENT.access, CLIENT.secret)
    return signing.sign(
        method, urlsplit(client.url).netloc, f"/{bucket}/{key}", keys, body, payload
    )


@dataclass
class Counts:
    """What the metrics say, since they were made."""

    here: Scene

    def __post_init__(self) -> None:
        self.before = scrape(self.here.proxy)

    def since(self, name: str, **labels: str) -> float:
        now = scrape(self.here.proxy)
        return now.value(name, **labels) - self.before.value(name, **labels)

    def shows(self, *codes: str) -> None:
        """One request ended with one of these codes, and it was not the store's fault."""
        until(lambda: self.since("osp_request_errors_total") == 1, "it is counted")
        assert sum(self.since("osp_request_errors_total", error=code) for code in codes) == 1
        assert self.since("osp_upstream_errors_total") == 0


def test_in_the_head(here: Scene, client: Client, go: Any) -> None:
    if not isinstance(client, Http1):
        pytest.skip("a head of HTTP/2 is one frame")

    def others() -> float:
        return scrape(here.proxy).value("osp_active_connections") - 1

    counts = Counts(here)
    client.socket.sendall(client.head(request(client, "GET", "small"))[:100])
    until(lambda: others() == 0, "the proxy has accepted it")
    go()
    until(lambda: others() == -1, "the proxy has let go of it")
    assert counts.since("osp_requests_total") == 0


PAYLOADS = {
    "plain": "hash",
    "unsigned": signing.UNSIGNED,
    "signed chunks": signing.CHUNKS,
    "chunks with a trailer": signing.TRAILER,
}


@pytest.mark.parametrize(
    "payload", [pytest.param(p, marks=pytest.mark.slow if p != "plain" else []) for p in PAYLOADS]
)
@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("before the body", marks=pytest.mark.slow),
        pytest.param("in the body", marks=pytest.mark.slow),
        "before its last byte",
    ],
)
def test_in_an_upload(here: Scene, client: Client, go: Any, stage: str, payload: str) -> None:
    counts = Counts(here)
    asked = request(client, "PUT", "never", LARGE, PAYLOADS[payload])
    size = len(asked.body)
    part = {"before the body": 0, "in the body": size // 2, "before its last byte": size - 1}[stage]
    client.send(asked, part)
    until(lambda: counts.since("osp_requests_in_flight") == 1, "the request has begun")
    go()
    # HTTP/2 may tell of the end of the request before that of its body.
    counts.shows("IncompleteBody", *(["ClientClosedRequest"] if isinstance(client, Http2) else []))


@pytest.mark.parametrize(
    "payload",
    [pytest.param(p, marks=pytest.mark.slow if p != "unsigned" else []) for p in PAYLOADS],
)
@pytest.mark.parametrize("kib", [pytest.param(50, marks=pytest.mark.slow), 200])
def test_in_an_upload_of_which_the_store_has_some(
    here: Scene, client: Client, go: Any, kib: int, payload: str
) -> None:
    """This store takes what it has for whole if its connection ends in good order."""
    counts = Counts(here)
    asked = request(client, "PUT", "never", bytes(kib << 10), PAYLOADS[payload], "direct")
    client.send(asked, len(asked.body) - 1)
    until(lambda: counts.since("osp_requests_in_flight") == 1, "the request has begun")
    go()
    counts.shows("IncompleteBody", *(["ClientClosedRequest"] if isinstance(client, Http2) else []))
    assert here.keys("direct") == set()


def test_while_a_callback_thinks(here: Scene, client: Client, go: Any) -> None:
    """Nobody interrupts it, and its answer is remembered."""
    counts, folder = Counts(here), here.proxy.folder
    key = f"asked-{uuid.uuid4()}"
    client.send(request(client, "GET", key), 0)
    until((folder / key).exists, "the validator is asked")
    try:
        go()
        counts.shows("ClientClosedRequest")
    finally:
        (folder / "decided").touch()
    until(lambda: counts.since("osp_callbacks_total", outcome="answered") == 1, "it has answered")
    (folder / "decided").unlink()


def test_while_the_store_thinks(here: Scene, client: Client, go: Any) -> None:
    """The store's connection ends with the client's."""
    counts = Counts(here)
    here.plain.set(faulty.silent)
    client.send(request(client, "GET", "small"), 0)
    assert here.plain.met.wait(20)
    go()
    assert here.plain.ended.wait(20)
    counts.shows("ClientClosedRequest")


def test_while_the_store_thinks_about_an_upload(here: Scene, client: Client, go: Any) -> None:
    counts, read = Counts(here), threading.Event()

    def thinks(ask: Ask) -> None:
        ask.body()
        read.set()
        ask.link.left()

    here.plain.set(thinks)
    asked = request(client, "PUT", "never", LARGE)
    client.send(asked, len(asked.body))
    assert read.wait(20)
    go()
    assert here.plain.ended.wait(20)
    counts.shows("ClientClosedRequest")


def test_in_the_answer(here: Scene, client: Client, go: Any) -> None:
    counts = Counts(here)
    client.send(request(client, "GET", "huge"), 0)
    client.read(100_000)
    go()
    counts.shows("ClientClosedRequest")
    assert counts.since("osp_requests_total", status="200") == 1
    assert 0 < counts.since("osp_transfer_bytes_total", direction="out") < HUGE
    until(lambda: here.plain.open <= 2, "the store's connection ends with the client's")


def test_between_two_pieces_of_an_answer(here: Scene, client: Client, go: Any) -> None:
    """Nothing is written then that would tell."""
    counts = Counts(here)

    def stalls(ask: Ask) -> None:
        ask.body()
        ask.link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000))
        ask.link.left()

    here.plain.set(stalls)
    client.send(request(client, "GET", "small"), 0)
    client.read(1000)
    go()
    assert here.plain.ended.wait(20)
    counts.shows("ClientClosedRequest")
