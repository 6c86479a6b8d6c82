"""The owner's callbacks, called by the library.

The library knows one C function, `ask`, and calls it on threads of its own. Every
way out of it that is not a plain answer is a refusal: 0 is what cffi returns when
Python code fails, and 0 means failed.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from . import _answers
from ._child import end_child
from ._ffi import ffi
from ._lib import Library
from ._loop import Loop
from ._shield import shielded
from ._table import TABLE, Arguments, Prepare, Row, Spell
from .config import ProxyServerConfig

_log = logging.getLogger("object_storage_proxy")

# enum osp_question and enum osp_asked of include/osp.h
_TABLE = {int(ffi.integer_const(f"OSP_ASK_{row.name.upper()}")): row for row in TABLE}
_FAILURES = {row.name: row.failure for row in TABLE}
_FAILED = int(ffi.integer_const("OSP_ASK_FAILED"))
_ANSWERED = int(ffi.integer_const("OSP_ASK_ANSWERED"))
_PENDING = int(ffi.integer_const("OSP_ASK_PENDING"))

_read = json.JSONDecoder().raw_decode  # loads would look for options and white space each time
_PLAIN = (bool, str)  # what most callbacks return; to ask whether it can be awaited takes longer
_NO_ANSWER = b"{}"  # understood as a failure, whatever the question was

_users = itertools.count(1)
_owners: dict[int, Owner] = {}  # by the number that the library hands back


class Owner:
    """The callbacks of one server.

    Args:
        config: read now; later changes of its attributes have no effect.
        lib: takes the answers.
    """

    def __init__(self, config: ProxyServerConfig, lib: Library) -> None:
        self._lib = lib
        self._report = _Reports()
        timeout = float(config.callback_timeout)
        self._loop = Loop(timeout, config.event_loop, self._report.task)
        # The shadow must have no effect, also when it blocks its loop.
        self._shadows_loop = Loop(timeout, None, self._report.task)
        self._asked: set[int] = set()  # the threads that are inside of a callback
        self._callbacks = {number: _given(row, config) for number, row in _TABLE.items()}
        self.user = next(_users)
        _owners[self.user] = self

    def close(self) -> None:
        """Forgets the callbacks: a call that comes now is refused. May be called again."""
        _owners.pop(self.user, None)
        self._loop.stop()
        self._shadows_loop.stop()

    def asked_here(self) -> bool:
        """Whether this thread is inside of a callback, which a request waits for."""
        return threading.get_ident() in self._asked

    def held_up(self) -> bool:
        """Whether coroutines can't go on while this thread waits."""
        return self._loop.held_up()

    def release(self) -> None:
        """Refuses what waits for coroutines, if they are held up."""
        if self.held_up():
            self._loop.stop()

    def answer(self, call: int, question: int, text: bytes) -> bytes | None:
        """Calls the callback for one question.

        Returns the answer, which is empty for a failure; None: it follows.
        """
        name, function, arguments, spell, prepare = self._callbacks[question]
        here = threading.get_ident()
        self._asked.add(here)
        try:
            asked, _ = _read(text.decode())
            if prepare is not None:
                spell = prepare(asked)
            value = function(*arguments(asked))
            end_child()
            if not isinstance(value, _PLAIN) and inspect.isawaitable(value):
                self._begin(_Pending(self, value, call, name, spell, self._loop_of(name)))
                return None
            return spell(value)
        except BaseException as error:  # also SystemExit: it must end neither thread nor process
            end_child(error)
            self._report(name, error)
            return b""
        finally:
            self._asked.discard(here)

    def deliver(self, call: int, answer: bytes) -> int:
        """Answers a question for whose answer there was no room; returns OSP_ASK_ANSWERED."""
        self._lib.answer(call, answer)
        return _ANSWERED

    def _loop_of(self, name: str) -> Loop:
        return self._shadows_loop if name == "shadow_validator" else self._loop

    def _begin(self, pending: _Pending) -> None:
        try:
            pending.loop.run(pending)
        except RuntimeError:
            pending.drop()
            raise


def _given(
    row: Row, config: ProxyServerConfig
) -> tuple[str, Any, Arguments, Spell, Prepare | None]:
    """What to call for a question, and how."""
    function = getattr(config, row.name)
    return row.name, function, row.arguments(function), row.spell, row.prepare


class _Pending:
    """An awaitable that a callback has returned, and the question that it answers."""

    def __init__(
        self,
        owner: Owner,
        value: Awaitable[Any],
        call: int,
        name: str,
        spell: Spell,
        loop: Loop,
    ) -> None:
        self._owner, self._value, self.loop = owner, value, loop
        self._call, self._name, self._spell = call, name, spell
        self.late = False

    async def run(self) -> None:
        answer = _NO_ANSWER
        try:
            answer = self._spell(await self._value)
        except asyncio.CancelledError as error:
            late = TimeoutError("no answer within callback_timeout")
            if not self.loop.stopped:
                self._owner._report(self._name, late if self.late else error)
            raise
        except BaseException as error:  # a SystemExit here would end the loop's run
            end_child(error)
            self._owner._report(self._name, error)
        finally:
            end_child()
            self._owner._lib.answer(self._call, answer)

    def refuse(self) -> None:
        self._owner._lib.answer(self._call, _NO_ANSWER)

    def drop(self) -> None:
        self.refuse()
        if inspect.iscoroutine(self._value):
            self._value.close()  # or Python warns that nobody awaited it


class _Reports:
    """Logs failures of callbacks, at most one a second for each; it never raises.

    Clients decide how often a callback fails, and must not fill a disk by it.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._suppressed: Counter[str] = Counter()

    def __call__(self, name: str, error: BaseException, outcome: str | None = None) -> None:
        outcome = outcome or _FAILURES[name]
        with self._lock:
            now = self._now()
            if now - self._last.get(name, -math.inf) < 1:
                self._suppressed[name] += 1
                return
            self._last[name] = now
            before = self._suppressed.pop(name, 0)
        more = f" ({before} more before that)" if before else ""
        with shielded():
            if isinstance(error, _answers.BadAnswerError):
                _log.error("%s %s; %s%s", name, error, outcome, more)
            else:
                _log.error("%s failed; %s%s", name, outcome, more, exc_info=error)

    def task(self, error: BaseException) -> None:
        """Something that a callback has left behind on the loop has ended its run."""
        self("a task of a callback", error, "the event loop goes on")


def _on_error(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    with shielded():
        _log.error("a callback failed; the request is refused", exc_info=(kind, error, traceback))


@ffi.callback(  # type: ignore[untyped-decorator]
    "int32_t(uint64_t, uint64_t, int32_t, const char *, size_t, char *, size_t)",
    error=_FAILED,
    onerror=_on_error,
)
def ask(user: int, call: int, question: int, text: Any, size: int, answer: Any, room: int) -> int:
    """The C function of the library's osp_callbacks; it must live as long as the process."""
    owner = _owners.get(user)
    if owner is None:
        return _FAILED
    given = owner.answer(call, question, ffi.unpack(text, size))
    if given is None:
        return _PENDING
    length = len(given)
    if length > room:
        return owner.deliver(call, given)
    ffi.memmove(answer, given, length)
    return length
