"""The event loop on which a server's `async def` callbacks run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from ._child import end_child, ended_in_loop


class Work(Protocol):
    """What a loop is given to do."""

    late: bool  # set when its time is up

    async def run(self) -> None:
        """The work itself. It raises nothing but CancelledError."""

    def refuse(self) -> None:
        """Tells those who wait for it that it has failed; may be called more than once."""

    def drop(self) -> None:
        """Called instead of run() when it never begins."""


class Loop:
    """The owner's loop, or one in a thread of its own that starts with the first work.

    Args:
        timeout: seconds after which work is cancelled.
        given: the owner's loop, which is neither started nor stopped here.
        report: called with whatever stopped the loop in the thread; the loop is then resumed.
    """

    def __init__(
        self,
        timeout: float,
        given: asyncio.AbstractEventLoop | None,
        report: Callable[[BaseException], None],
    ) -> None:
        self._timeout = timeout
        self._report = report
        # A signal handler may call stop() on a thread that holds the lock.
        self._lock = threading.RLock()
        self._loop = given
        self._thread: threading.Thread | None = None
        self._tasks: dict[Work, asyncio.Task[None] | None] = {}  # None: it has not begun
        self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def run(self, work: Work) -> None:
        """Starts work and returns at once. Raises RuntimeError after stop()."""
        with self._lock:
            if self._stopped:
                raise RuntimeError("the server has stopped")
            loop = self._loop or self._own()
            self._tasks[work] = None
            try:
                loop.call_soon_threadsafe(self._begin, loop, work)
            except RuntimeError:  # the owner has closed its loop
                del self._tasks[work]
                raise

    def _own(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=self._serve, args=(loop,), name="osp-callbacks", daemon=True
        )
        try:
            thread.start()
        except BaseException:  # no thread can be started now; perhaps the next time
            loop.close()
            raise
        self._loop, self._thread = loop, thread
        return loop

    def _begin(self, loop: asyncio.AbstractEventLoop, work: Work) -> None:
        if self._stopped:
            work.drop()
            return
        try:
            task = loop.create_task(work.run())
        except BaseException:  # from a task factory, which is the owner's
            self._tasks.pop(work, None)
            work.drop()
            raise
        timer = loop.call_later(self._timeout, self._expire, work, task)
        with self._lock:
            self._tasks[work] = task
            if self._stopped:  # meanwhile
                task.cancel()

        def ended(_: object) -> None:
            timer.cancel()
            self._tasks.pop(work, None)

        task.add_done_callback(ended)

    def _expire(self, work: Work, task: asyncio.Task[None]) -> None:
        work.late = True
        task.cancel()

    def held_up(self) -> bool:
        """Whether no work can proceed while this thread waits."""
        if self._loop is None:
            return False
        if self._thread is not None:
            return self._thread is threading.current_thread()
        if not self._loop.is_running():
            return True
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:  # no loop is running on this thread
            return False

    def stop(self) -> None:
        """Refuses and cancels all work, and ends the thread.

        It waits for the thread, but not forever, and not on the loop's own thread. May
        be called again.
        """
        with self._lock:
            self._stopped = True
            loop, thread, tasks = self._loop, self._thread, dict(self._tasks)
        for work in tasks:
            work.refuse()
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._end, loop)
        except RuntimeError:  # it is closed, and nothing will begin any more
            for work in (work for work, task in tasks.items() if task is None):
                work.drop()
            return
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=2)  # work that blocks the loop is left to itself

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        for task in list(self._tasks.values()):
            if task is not None:
                task.cancel()
        if self._thread is not None:
            loop.stop()

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs the loop until stop(), even if a task exits or stops the loop itself."""
        asyncio.set_event_loop(loop)
        try:
            with ended_in_loop(loop):
                while not (self._stopped or loop.is_closed()):
                    with self._reported():
                        loop.run_forever()
                with self._reported():
                    rest = asyncio.all_tasks(loop)
                    for task in rest:
                        task.cancel()
                    loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
                    loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # asyncio lets SystemExit and KeyboardInterrupt through
            end_child(error)
            self._report(error)
