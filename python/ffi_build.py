"""Makes object_storage_proxy/_ffi.py from include/osp.h.

Usage: python python/ffi_build.py [FOLDER]      (default: the package's folder)

The generated module is committed, so that building a wheel needs no C parser
and installing one needs no compiler; `./build.sh check` compares the two.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cffi

_HERE = Path(__file__).resolve().parent
_HEADER = _HERE.parent / "include" / "osp.h"


def declarations() -> str:
    """The part of the header that is written for cffi."""
    _, _, rest = _HEADER.read_text(encoding="utf-8").partition("/* cdef: begin */")
    text, mark, _ = rest.partition("/* cdef: end */")
    if not mark:
        raise SystemExit(f"{_HEADER} lacks its cdef marks")
    return text


def main(folder: Path) -> None:
    ffi = cffi.FFI()
    ffi.cdef(declarations())
    ffi.set_source("object_storage_proxy._ffi", None)
    ffi.emit_python_code(str(folder / "_ffi.py"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _HERE / "object_storage_proxy")
