"""Clients that use a proxy all the time, while something changes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import botocore.exceptions


@contextmanager
def load(use: Callable[[], Any], clients: int = 8) -> Iterator[Counter[str]]:
    """Clients that use a proxy until the block ends; counts what became of it."""
    outcomes: Counter[str] = Counter()
    stop = threading.Event()
    lock = threading.Lock()

    def work() -> None:
        while not stop.is_set():
            try:
                use()
                outcome = "good"
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                outcome = str(error)
            with lock:
                outcomes[outcome] += 1

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
