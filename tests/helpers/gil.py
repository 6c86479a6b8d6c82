"""A proxy in whose process nothing of Python runs for a while."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.children import Child
from helpers.wait import until

needs_pydll = pytest.mark.skipif(
    not hasattr(ctypes, "PyDLL"), reason="this Python's ctypes has no PyDLL"
)

# What the process runs while it serves, after `import ctypes, os`. Functions of a PyDLL keep the
# GIL: from "holding" on, nothing of Python runs there until somebody writes into the pipe.
HOLD = """
    pipe = os.open("hold", os.O_RDONLY)  # waits for a writer
    buffer = ctypes.create_string_buffer(1)
    print("holding", flush=True)
    ctypes.PyDLL(None).read(pipe, buffer, 1)
    print("released", flush=True)
"""


def prepare(folder: Path) -> None:
    """Makes the pipe in the folder in which the process will run."""
    os.mkfifo(folder / "hold")


@contextmanager
def held(proxy: Child, folder: Path) -> Iterator[None]:
    """The GIL is held until the block ends; then the process does, too."""
    with (folder / "hold").open("wb", buffering=0) as pipe:
        until(lambda: "holding" in proxy.output(), "the GIL is held")
        yield
        assert "released" not in proxy.output()
        pipe.write(b"x")
    assert proxy.process.wait(20) == 0, proxy.output()
