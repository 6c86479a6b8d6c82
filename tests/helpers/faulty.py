"""A real store behind a port that misbehaves when a test says so."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

from helpers.certificates import Certificates
from helpers.relay import parse
from helpers.scripted import Link, ScriptedStore, reset
from helpers.stores import Store

ERROR = b"<Error><Code>SlowDown</Code><Message>m</Message></Error>"


class Ask:
    """One request at the store, of which nothing but the head was read."""

    def __init__(self, link: Link, head: bytes, real: socket.socket, over: threading.Event) -> None:
        self.link, self.head, self.over = link, head, over
        wire = parse(head)[0]
        self.method, self.length = wire.method, int(wire.header("content-length") or 0)
        self._real = real

    def body(self) -> bytes:
        """Reads the request's body.

        When the proxy breaks it off, the real store gets what came, and the same end:
        ConnectionError.
        """
        body = b""
        try:
            while len(body) < self.length:
                if not (some := self.link.some(self.length - len(body))):
                    self.pass_on(body)
                    raise ConnectionError("the proxy left in the middle of a body")
                body += some
        except ConnectionResetError:
            self.pass_on(body)
            self.abandon()
            raise
        return body

    def abandon(self) -> None:
        """Resets the connection to the real store."""
        reset(self._real)

    def pass_on(self, body: bytes) -> None:
        """Sends the head and so much of the body to the real store."""
        self._real.sendall(self.head + body)

    def answer(self) -> bytes:
        """What the real store answers to the whole request, as it came over the wire."""
        return self.answer_to(self.body())

    def answer_to(self, body: bytes) -> bytes:
        """What it answers to the request with this body."""
        self.pass_on(body)
        with self._real.makefile("rb") as stream:
            return whole_answer(stream, self.method)


Fault = Callable[[Ask], None]


class FaultyStore(ScriptedStore):
    """Passes requests on to a real store, but for those that a fault was set for.

    A fault is called instead, and ends its connection when it returns. `met` is set when
    one is met, `ended` when it is over. `over` ends the faults that wait.
    """

    def __init__(self, store: Store, certificates: Certificates | None = None) -> None:
        super().__init__(then=self._forward, certificates=certificates)
        self._store = store
        self._faults: deque[Fault] = deque()
        self.met, self.ended, self.over = threading.Event(), threading.Event(), threading.Event()
        self._suffering: set[Link] = set()
        self.meetings = 0  # of a request and a fault
        self.failures = 0  # of the real store, which nobody asked for

    def __enter__(self) -> FaultyStore:
        super().__enter__()
        return self

    def set(self, *faults: Fault) -> None:
        """Has the next requests meet these faults, each one, on new connections."""
        for event in (self.met, self.ended, self.over):
            event.clear()
        self.add(*faults)
        self.hang_up()

    def add(self, *faults: Fault) -> None:
        """Has the next requests meet these faults, each one, and disturbs no others."""
        self._faults.extend(faults)

    def heal(self) -> None:
        """Takes back the faults that nobody has met, and ends those that go on."""
        self._faults.clear()
        self.over.set()
        for link in list(self._suffering):
            link.end()

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        super().__exit__(*exc)

    def _forward(self, link: Link) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._store.port)) as real:
            while True:
                ask = Ask(link, link.head(), real, self.over)
                try:
                    fault = self._faults.popleft()
                except IndexError:
                    link.send(answer := self._real_answer(ask))
                    if b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower():
                        return
                    continue
                self.met.set()
                self.meetings += 1
                self._suffering.add(link)
                try:
                    fault(ask)
                finally:
                    self._suffering.discard(link)
                    link.close()
                    self.ended.set()
                return

    def _real_answer(self, ask: Ask) -> bytes:
        body = ask.body()
        try:
            answer = ask.answer_to(body)
        except ConnectionError:
            self.failures += 1
            raise
        self.failures += int(answer.split(b" ", 2)[1]) >= 500
        return answer


def whole_answer(stream: BinaryIO, method: str) -> bytes:
    """Reads one answer, head and body, and leaves it as it is."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            raise ConnectionError("the real store has left")
        head += line
    status = int(head.split(b" ", 2)[1])
    if status < 200:
        return head + whole_answer(stream, method)
    if method == "HEAD" or status in (204, 304):
        return head
    fields = {
        name.lower(): value.strip().lower()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
    }
    if fields.get(b"transfer-encoding") != b"chunked":
        return head + stream.read(int(fields.get(b"content-length", b"0")))
    while True:
        line = stream.readline()
        head += line + stream.read(int(line, 16) + 2)
        if int(line, 16) == 0:
            return head


# What follows are faults. Those that give an answer that is none:


def silent(ask: Ask) -> None:
    """Takes a request and never answers."""
    ask.body()
    ask.link.left()


def hangs_up(ask: Ask) -> None:
    """Ends the connection in good order instead of an answer."""
    ask.body()


def resets(ask: Ask) -> None:
    """Resets the connection instead of an answer."""
    ask.body()
    ask.link.reset()


def says(answer: bytes) -> Fault:
    """Answers with these bytes, and ends the connection."""

    def fault(ask: Ask) -> None:
        ask.body()
        ask.link.send(answer)

    return fault


def says_and_resets(answer: bytes) -> Fault:
    """Answers with these bytes, and resets the connection."""

    def fault(ask: Ask) -> None:
        ask.body()
        ask.link.send(answer)
        ask.link.reset()

    return fault


def never_ends(begin: bytes, more: bytes) -> Fault:
    """Answers, and goes on and on until the proxy leaves."""

    def fault(ask: Ask) -> None:
        ask.body()
        ask.link.send(begin)
        with suppress(ConnectionError):
            while True:
                ask.link.send(more)

    return fault


OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
NO_ANSWER: dict[str, Fault] = {
    "hangs up": hangs_up,
    "resets": resets,
    "hangs up in the status line": says(b"HTTP/1.1 20"),
    "hangs up in the head": says(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "resets in the head": says_and_resets(b"HTTP/1.1 200 OK\r\nETag: e\r\n"),
    "speaks SSH": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "speaks TLS": says(b"\x15\x03\x01\x00\x02\x02\x28"),
    "speaks HTTP/2": says(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),
    "says noise": says(bytes(range(256)) * 8),
    "says a status that is none": says(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
    "says a length that is none": says(OK_HEAD + b"Content-Length: 12a\r\n\r\nx"),
    "says a negative length": says(OK_HEAD + b"Content-Length: -1\r\n\r\nx"),
    "says two lengths": says(OK_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy"),
    "says a field that is none": says(OK_HEAD + b"no colon here\r\n\r\n"),
    "says one huge field": says(OK_HEAD + b"X-H: " + b"h" * (300 << 10) + b"\r\n\r\n"),
    "says endless fields": never_ends(OK_HEAD, b"X-H: h\r\n" * 1000),
    "says 100 without end": never_ends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "switches protocols": says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
}


# Those that break off an answer in its body:


def _chunked(answer: bytes, part: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    kept = [
        line
        for line in head.split(b"\r\n")
        if not line.lower().startswith((b"content-length:", b"transfer-encoding:"))
    ]
    half = body[: len(body) // 2]
    chunk = b"%x\r\n%s" % (len(body), half) if part == b"" else b"%x\r\n%s\r\n" % (len(half), half)
    return b"\r\n".join([*kept, b"Transfer-Encoding: chunked", b"", chunk + part])


def cut(reset: bool = False) -> Fault:
    """Breaks a real answer off in the middle of its body."""

    def fault(ask: Ask) -> None:
        answer = ask.answer()
        head = answer.index(b"\r\n\r\n") + 4
        ask.link.send(answer[: head + (len(answer) - head) // 2])
        if reset:
            ask.link.reset()

    return fault


def cut_in_chunks(part: bytes) -> Fault:
    """Breaks a real answer off, framed in chunks, with this instead of the next one."""

    def fault(ask: Ask) -> None:
        ask.link.send(_chunked(ask.answer(), part))

    return fault


BROKEN_OFF: dict[str, Fault] = {
    "hangs up in the body": cut(),
    "resets in the body": cut(reset=True),
    "hangs up in a chunk": cut_in_chunks(b""),
    "hangs up between two chunks": cut_in_chunks(b"1"),
    "says a chunk that is none": cut_in_chunks(b"zz\r\nx\r\n"),
    "hangs up before the last chunk ends": cut_in_chunks(b"0\r\n"),
}


# Those that befall an upload:


def half(ask: Ask) -> None:
    """Reads half of a body, and breaks off the connection to the real store after that."""
    ask.pass_on(ask.link.body(ask.length // 2))
    ask.abandon()


def hangs_up_in_an_upload(ask: Ask) -> None:
    half(ask)


def resets_an_upload(ask: Ask) -> None:
    half(ask)
    ask.link.reset()


def deaf(ask: Ask) -> None:
    """Takes the head, and not one byte of the body."""
    ask.over.wait(20)


def refuses_an_upload(ask: Ask) -> None:
    """Answers before it has read the body, of which it never reads more."""
    ask.link.send(b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\n")
    ask.link.send(b"Content-Length: %d\r\n\r\n" % len(ERROR) + ERROR)
    ask.over.wait(20)


# And those that are none:


def late(seconds: float) -> Fault:
    """Answers, but only after a while."""

    def fault(ask: Ask) -> None:
        body = ask.body()
        ask.over.wait(seconds)
        ask.link.send(ask.answer_to(body))

    return fault


def trickles(ask: Ask) -> None:
    """Answers in many small pieces."""
    answer = ask.answer()
    for piece in _pieces(answer):
        ask.link.send(piece)


def _pieces(data: bytes) -> Iterable[bytes]:
    yield from (data[n : n + 1] for n in range(600))
    rest = data[600:]
    step = max(1, len(rest) // 200)
    yield from (rest[n : n + step] for n in range(0, len(rest), step))
