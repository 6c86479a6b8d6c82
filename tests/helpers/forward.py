"""A forward proxy, as companies have them between their machines and the rest."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from helpers.service import Quiet, Service


class ForwardProxy:
    """Leads to local ports, whatever host was asked for; a context manager.

    ports: by the authority that is asked for. All else gets 502.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.asked: list[str] = []  # method and authority
        self.ports = ports

    def __enter__(self) -> ForwardProxy:
        self._service = Service(type("Handler", (_Handler,), {"forward": self}))
        self._service.__enter__()
        self.url = f"http://127.0.0.1:{self._service.port}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)


class _Handler(Quiet):
    forward: ForwardProxy
    protocol_version = "HTTP/1.1"

    def _port(self, authority: str) -> int | None:
        self.forward.asked.append(f"{self.command} {authority}")
        port = self.forward.ports.get(authority)
        if port is None:
            self.send_error(502)
        return port

    def do_CONNECT(self) -> None:
        if (port := self._port(self.path)) is None:
            return
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", port)) as store:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(store, self.connection), daemon=True)
            back.start()
            _pump(self.connection, store)
            back.join(20)

    def _pass_on(self) -> None:
        """The target is an absolute URL (RFC 9112, section 3.2.2); the store gets its path."""
        parts = urlsplit(self.path)
        if (port := self._port(parts.netloc)) is None:
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        store = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        store.putrequest(
            self.command,
            self.path.partition(parts.netloc)[2],
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in self.headers.items():
            store.putheader(name, value)
        store.endheaders(body)
        answer = store.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read())
        store.close()

    do_GET = do_PUT = _pass_on


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
