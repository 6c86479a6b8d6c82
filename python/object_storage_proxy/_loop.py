"""The event loop on which a server's `async def` callables run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any


class Loop:
    """The owner's loop, or one in a thread of its own that starts with the first coroutine.

    Args:
        timeout: seconds after which a coroutine is cancelled.
        given: the owner's loop, which is neither started nor stopped here.
    """

    def __init__(self, timeout: float, given: asyncio.AbstractEventLoop | None = None) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._loop = given
        self._thread: threading.Thread | None = None
        self._running: set[Future[None]] = set()
        self._stopped = False

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Starts a coroutine and returns at once. Raises RuntimeError after stop()."""
        with self._lock:
            if self._stopped:
                coroutine.close()
                raise RuntimeError("the server has stopped")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._serve, args=(self._loop,), name="osp-callbacks", daemon=True
                )
                self._thread.start()
            limited = self._limited(coroutine)
            try:
                task = asyncio.run_coroutine_threadsafe(limited, self._loop)
            except RuntimeError:  # the owner has closed its loop
                limited.close()
                coroutine.close()
                raise
            self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: Future[None]) -> None:
        with self._lock:
            self._running.discard(task)

    def stop(self) -> None:
        """Cancels what runs and ends the thread; waits for it, but not for ever."""
        with self._lock:
            self._stopped = True
            loop, thread, running = self._loop, self._thread, list(self._running)
        for task in running:
            task.cancel()
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout=2)  # a coroutine that blocks the loop has only itself to blame

    async def _limited(self, coroutine: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(coroutine, self._timeout)

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            rest = asyncio.all_tasks(loop)
            for task in rest:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
