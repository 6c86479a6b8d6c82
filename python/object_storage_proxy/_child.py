"""Children that the owner's callbacks fork.

If one returned, a copy of a request would continue in it, on the client's own connection,
or a copy of an event loop, which would take away the events that wake the parent's.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from . import _lib

_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by the thread that runs it


def end_child(error: BaseException | None = None) -> None:
    """Ends this process if it is a child that a callback has forked, and that returns.

    A SystemExit determines its exit status.
    """
    if not _lib.forked():
        return
    os.write(2, b"object_storage_proxy: a child that a callback has forked ends here\n")
    code = error.code if isinstance(error, SystemExit) else 1
    os._exit(code if isinstance(code, int) else int(code is not None))


@contextmanager
def ended_in_loop(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Ends children that are forked on this thread when they return to its loop."""
    here = threading.get_ident()
    _loops[here] = loop
    try:
        yield
    finally:
        del _loops[here]


def _after_fork() -> None:
    loop = _loops.get(threading.get_ident())
    if loop is not None:
        loop.call_soon(end_child)


os.register_at_fork(after_in_child=_after_fork)
