"""Keeps the owner's logging from ending the proxy's threads.

Logging itself never raises, but filters, handlers and record factories are the
owner's code and may do anything.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PAUSE = 1.0  # seconds between two complaints: clients decide how often something is logged

_last_complaint = -_PAUSE


@contextmanager
def shielded() -> Iterator[None]:
    """Stops whatever is raised inside, even a SystemExit, with a traceback on stderr.

    As logging does with errors of handlers, it prints nothing if
    ``logging.raiseExceptions`` is False.
    """
    global _last_complaint
    try:
        yield
    except BaseException as error:
        now = time.monotonic()
        if logging.raiseExceptions and now - _last_complaint >= _PAUSE:
            _last_complaint = now
            with suppress(BaseException):  # stderr may be the owner's, too
                traceback.print_exception(error)
