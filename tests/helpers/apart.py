"""A proxy in a process of its own, of which everything that it holds can be counted."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from helpers.children import Child
from helpers.clients import Keys, boto
from helpers.monitor import scrape
from helpers.wait import until

_SERVE = """
import json, os, resource, sys, threading, time
import object_storage_proxy as osp
{before}
more = {more}
with osp.ProxyServer(osp.ProxyServerConfig(**json.loads(sys.argv[1]), **more)) as server:
    urls = server.http_url, server.https_url, server.metrics_url
    with open("urls.new", "w") as file:
        json.dump(urls, file)
    os.rename("urls.new", "urls")
    {meanwhile}
"""


@dataclass(frozen=True)
class Level:
    """What a process holds."""

    goroutines: int
    sockets: int
    descriptors: int  # others
    threads: int
    connections: int  # of clients
    requests: int  # under way

    def within(self, before: Level) -> bool:
        """Whether it is no more than before.

        But for threads and pipes (of splice) that Go keeps for later: a bounded number. The
        goroutines that collect metrics are counted by chance, too. So what matters is
        that there are no more after many tests than after one.
        """
        slack = (2, 0, 8, 6, 0, 0)
        pairs = zip(astuple(self), astuple(before), slack, strict=True)
        return all(now <= then + more for now, then, more in pairs)


class Apart(Child):
    """Serves until the end of the with statement.

    Args:
        folder: its working directory; the log is in it.
        config: parameters that JSON can spell.
        before: code that runs first, which may name callbacks.
        more: parameters that it can't, as an expression.
        meanwhile: code that runs while it serves, instead of waiting.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        before: str = "",
        more: str = "{}",
        meanwhile: str = "server.wait()",
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        code = _SERVE.format(before=before, more=more, meanwhile=meanwhile)
        common = {"host": "127.0.0.1", "http_port": 0, "metrics_port": 0, "drain_timeout": 0.2}
        text = json.dumps({**common, **config}, default=str)
        env = {n: v for n, v in os.environ.items() if n.startswith("TLS_")}
        args = [sys.executable, "-X", "faulthandler", "-c", code, text]
        super().__init__(args, folder / "proxy.log", cwd=folder, env=env)
        urls = until(self._urls, "the proxy's addresses")
        self.http_url, self.https_url, self.metrics_url = urls

    def __enter__(self) -> Apart:
        return self

    def _urls(self) -> list[str]:
        if not self.alive():
            raise RuntimeError(self.output()[-4000:])
        urls = self.folder / "urls"
        found: list[str] = json.loads(urls.read_text()) if urls.exists() else []
        return found

    def url(self, scheme: str = "http") -> str:
        return self.https_url if scheme == "https" else self.http_url

    def boto(self, keys: Keys, **kwargs: Any) -> Any:
        return boto(self.http_url, keys, **kwargs)

    def level(self) -> Level:
        seen, files = scrape(self), Counter(self._files())
        return Level(
            goroutines=int(seen.value("go_goroutines")),
            sockets=files["socket"],
            descriptors=sum(files.values()) - files["socket"],
            threads=len(os.listdir(f"/proc/{self.pid}/task")),
            connections=int(seen.value("osp_active_connections")),
            requests=int(seen.value("osp_requests_in_flight")),
        )

    def _files(self) -> Iterator[str]:
        """The kind of each descriptor."""
        folder = f"/proc/{self.pid}/fd"
        for name in os.listdir(folder):
            with suppress(FileNotFoundError):  # closed meanwhile
                yield os.readlink(f"{folder}/{name}").split(":")[0]

    def settles(self, before: Level) -> None:
        """Waits until it holds no more than before."""
        seen: list[Level] = []

        def look() -> bool:
            seen.append(self.level())
            return seen[-1].within(before)

        try:
            until(look, f"{before} again", 40)
        except TimeoutError as late:
            raise TimeoutError(f"{late}, but it is {seen[-1]}") from None
