"""Stores of objects of any size, which take no room: they are made up, and forgotten."""

from __future__ import annotations

import re
import threading

from helpers.scripted import Link, ScriptedStore

BLOCK = bytes(1 << 20)
MODIFIED = "Sun, 01 Mar 2026 11:00:00 GMT"


class VastStore(ScriptedStore):
    """Has an object of zeros of the size that its key says; takes whatever it is given.

    Whoever reads waits for `flows`; `reading` counts those who do. `taken` are the sizes of
    what was stored.
    """

    def __init__(self) -> None:
        super().__init__(then=self._serve)
        self.flows = threading.Event()
        self.flows.set()
        self.taken: list[int] = []
        self.reading = 0
        self._lock = threading.Lock()

    def _serve(self, link: Link) -> None:
        while True:
            try:
                head = link.head().decode()
            except OSError:
                return
            if head.startswith("PUT"):
                self._take(link, head)
            elif "tagging" in head.split("\r\n", 1)[0]:
                self._say(link, b"<Tagging><TagSet/></Tagging>")
            else:
                self._give(link, int(head.split("/", 3)[2].split()[0].split("?")[0]))

    def _say(self, link: Link, body: bytes) -> None:
        link.send(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: %d\r\n\r\n' % len(body) + body)

    def _give(self, link: Link, size: int) -> None:
        link.send(
            f'HTTP/1.1 200 OK\r\nETag: "e-2"\r\nLast-Modified: {MODIFIED}\r\n'
            f"Content-Length: {size}\r\n\r\n".encode()
        )
        with self._lock:
            self.reading += 1
        left = size
        try:
            while left:
                if left <= size - len(BLOCK):  # the first is for buffers
                    self.flows.wait(60)
                link.send(BLOCK[: min(left, len(BLOCK))])
                left -= min(left, len(BLOCK))
        except OSError:
            return

    def _take(self, link: Link, head: str) -> None:
        found = re.search(r"(?im)^content-length: (\d+)", head)
        left = int(found[1]) if found else 0
        decoded = re.search(r"(?im)^x-amz-decoded-content-length: (\d+)", head)
        size = int(decoded[1]) if decoded else left
        while left:
            some = link.some(min(left, len(BLOCK)))
            if not some:
                return
            left -= len(some)
        with self._lock:
            self.taken.append(size)
        self._say(link, b"")
