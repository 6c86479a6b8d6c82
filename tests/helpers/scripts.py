"""Scripts of an owner, each in a process of its own."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from helpers.children import Child
from helpers.clients import CLIENT

Run = Callable[..., Child]

PREAMBLE = """
import json, os, sys, threading, time
import object_storage_proxy as osp
settings = json.loads(sys.argv[1])
def config(**more):
    return osp.ProxyServerConfig(**{**settings, **more})
"""


@contextmanager
def scripts(folder: Path) -> Iterator[Run]:
    """Runs scripts beside the test: run(code, cos_map, **configuration)."""
    with ExitStack() as stack:

        def start(code: str, cos_map: dict[str, Any] | None = None, **changes: Any) -> Child:
            settings = {
                "cos_map": cos_map or {"data": {"host": "127.0.0.1", "port": 9, "api_key": "k"}},
                "hmac_keystore": [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}],
                "host": "127.0.0.1",
                **changes,
            }
            script = PREAMBLE + textwrap.dedent(code)
            args = [sys.executable, "-X", "faulthandler", "-c", script, json.dumps(settings)]
            return stack.enter_context(Child(args, folder / "child.log", cwd=folder))

        yield start


def ended(child: Child, seconds: float = 30) -> int:
    """The exit status of a child that ends by itself."""
    return child.process.wait(seconds)


# A server that has been seen to start, serve and stop, and works(), which sees it again.
SERVER = """
import faulthandler, urllib.request
faulthandler.dump_traceback_later(240, exit=True)

def works(server):
    server.start()
    url = server.http_url
    assert not answers_nothing(url)
    server.stop()
    assert server.http_url is None
    assert answers_nothing(url)

def answers_nothing(url):
    try:
        urllib.request.urlopen(url).close()
    except urllib.error.HTTPError as refusal:
        refusal.close()
    except OSError:
        return True
    return False

server = osp.ProxyServer(config(http_port=0))
works(server)
"""


def completes(child: Child, seconds: float = 30) -> None:
    """Waits for the end of a script whose last line is print("done")."""
    assert ended(child, seconds) == 0, child.output()
    assert "done" in child.output()
