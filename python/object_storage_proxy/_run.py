"""One run of a server: from the beginning of a start to the end of the stop."""

from __future__ import annotations

from ._callbacks import Owner
from ._lib import Library
from .config import ProxyServerConfig


class Run:
    """Everything that exists only while a server runs.

    Args:
        config: checked, and read now; later changes of its attributes have no effect.
    """

    def __init__(self, config: ProxyServerConfig, lib: Library) -> None:
        self.lib = lib
        self.delay = float(config.drain_delay)
        self.drain = float(config.drain_timeout)
        self.place = lib.no_handle()
        self.ports = (0, 0, 0)
        self._hosts = (config.host, config.host, config.metrics_host)
        self.owner = Owner(config, lib)

    @property
    def handle(self) -> int:
        """The library's handle of the server; 0: it has not started yet."""
        return int(self.place[0])

    def url(self, scheme: str, front: int) -> str | None:
        """The address of a front for this machine; None if there is no such front."""
        host, port = self._hosts[front], self.ports[front]
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"{scheme}://{host}:{port}" if port else None

    def close(self) -> None:
        """Releases what has stopped. Several threads may call it at the same time."""
        self.lib.close(self.handle)
        self.owner.close()
