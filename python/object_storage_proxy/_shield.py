"""What keeps the owner's logging from ending the threads of the proxy.

Logging never raises by itself, but filters, handlers and record factories are the
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
    """Ends whatever is raised inside, also a SystemExit, with a traceback on stderr.

    As logging does with errors of handlers, it says nothing when
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
