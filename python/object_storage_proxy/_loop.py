"""The event loop on which a server's `async def` callables run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any


class Loop:
    """An event loop in a thread of its own, which starts with the first coroutine.

    Args:
        timeout: seconds after which a coroutine is cancelled.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
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
            asyncio.run_coroutine_threadsafe(self._limited(coroutine), self._loop)

    def stop(self) -> None:
        """Cancels what runs and ends the thread; waits for it, but not for ever."""
        with self._lock:
            self._stopped = True
            loop, thread = self._loop, self._thread
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
