"""The program's `serve` as users run it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from helpers.children import Child
from helpers.cli import PROGRAM, write_toml
from helpers.clients import CLIENT, Keys, boto
from helpers.ports import free_port
from helpers.wait import until

PAIR = {"access_key": CLIENT.access, "secret_key": CLIENT.secret}


class Served:
    """`serve` in a folder, with a proxy.toml that the test writes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.port = free_port()
        self.child: Child

    def configure(self, **values: Any) -> None:
        values = {"host": "127.0.0.1", "http_port": self.port, "hmac_keystore": [PAIR], **values}
        # At once, as editors do: a file that is half written may be read.
        write_toml(self.folder / "new.toml", values).replace(self.folder / "proxy.toml")

    def start(self, *args: str, **env: str) -> None:
        log = self.folder.parent / f"{self.folder.name}.log"
        self.child = self._stack.enter_context(
            Child([PROGRAM, "serve", *args], log, env=env, cwd=self.folder)
        )

    def up(self) -> None:
        self.child.listening(self.port)

    def said(self, text: str, times: int = 1) -> None:
        """Waits for a text in the log."""
        until(lambda: self.child.output().count(text) >= times, f"{text!r} in the log")

    def boto(self, keys: Keys = CLIENT) -> Any:
        return boto(f"http://127.0.0.1:{self.port}", keys, retry=False)

    def ended(self) -> int:
        return self.child.process.wait(30)
