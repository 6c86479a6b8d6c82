"""Calls of the library that wait, without holding signals up."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["aside"]

_STEP = 0.1  # seconds; how soon a waiting main thread sees a signal


def aside(call: Callable[[], None]) -> None:
    """Makes a call, on a thread of its own if this is the one on which signals are handled.

    Handlers run while it waits. If one raises, so does this, and the call goes on by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        call()
        return
    done = threading.Event()
    raised: list[BaseException] = []

    def make() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=make, name="osp-aside", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # threads can't be started when the interpreter exits
        if thread.ident is not None:  # it runs: a handler raised this
            raise
        call()
        return
    while not done.wait(_STEP):
        pass
    if raised:
        raise raised[0]
