"""HTTP servers of doubles: each on a thread of its own, and at an end as soon as it is told."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Quiet(BaseHTTPRequestHandler):
    """A handler that writes nothing to the tests' output."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Service(ThreadingHTTPServer):
    """Serves between its start and its end; a context manager.

    Args:
        handler: the class of what answers.
        address: IPv4 or IPv6.
        context: with one it speaks TLS.
    """

    daemon_threads = True
    request_queue_size = 128  # or of many at once some are heard after seconds only

    def __init__(
        self,
        handler: type[BaseHTTPRequestHandler],
        address: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 0), handler)
        self.address, self.port = address, int(self.server_address[1])
        self._context, self._ended = context, False
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        # What waits for a connection gets one. serve_forever() would look from time to time.
        self._ended = True
        with suppress(OSError):
            socket.create_connection((self.address, self.port)).close()
        self._thread.join()
        self.server_close()

    def _accept(self) -> None:
        while True:
            connection, address = self.get_request()
            if self._ended:
                connection.close()
                return
            self.process_request(connection, address)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._context:  # the thread that serves the connection shakes hands
            connection = self._context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError):  # a client that left
            super().handle_error(request, client_address)
