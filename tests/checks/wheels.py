"""What has to be true of every wheel for Linux before anybody gets it.

Each gate takes a wheel, returns what is worth telling, and raises `GateError` with what is wrong.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from elftools.elf.elffile import ELFFile

from checks.running import ROOT

GLIBC = (2, 17)  # that of manylinux2014
SIZE = 11_000_000


class GateError(Exception):
    """A wheel must not go out as it is; the text says why."""


def tag(wheel: Path) -> str:
    """auditwheel finds it consistent with the platform in its name, or with an older one."""
    seen = _auditwheel(wheel)["overall_tag"]
    wanted = wheel.stem.rpartition("manylinux2014_")[2]
    found = re.fullmatch(rf"manylinux_(\d+)_(\d+)_{wanted}", seen)
    if not found or (int(found[1]), int(found[2])) > GLIBC:
        raise GateError(f"auditwheel says {seen}")
    return f"consistent with {seen}"


def glibc(wheel: Path) -> None:
    """It needs no symbol of a newer glibc than its platform has."""
    symbols = [s for each in _auditwheel(wheel)["versioned_symbols"].values() for s in each]
    newest = max(tuple(map(int, re.findall(r"\d+", s))) for s in symbols)
    if newest > GLIBC:
        raise GateError(f"needs glibc {'.'.join(map(str, newest))}")


def size(wheel: Path) -> str:
    """It is smaller than 11 MB."""
    if (bytes_ := wheel.stat().st_size) >= SIZE:
        raise GateError(f"{bytes_ / 1e6:.1f} MB, of {SIZE / 1e6:.0f} MB")
    return f"{bytes_ / 1e6:.2f} MB"


def symbols(wheel: Path) -> None:
    """Its library exports what include/osp.h declares, and nothing else."""
    header = (ROOT / "include" / "osp.h").read_text(encoding="utf-8")
    declared = set(re.findall(r"^\w[^;{}()]*\b(osp_\w+)\s*\(", header, re.MULTILINE))
    table = ELFFile(io.BytesIO(_library(wheel))).get_section_by_name(".dynsym")
    defined = {s.name for s in table.iter_symbols() if s["st_shndx"] != "SHN_UNDEF" and s.name}
    if missing := declared - defined:
        raise GateError(f"declared in osp.h but not exported: {sorted(missing)}")
    if extra := defined - declared:
        raise GateError(f"exported but not declared in osp.h: {sorted(extra)[:20]}")


def hardening(wheel: Path) -> None:
    """No executable stack; what the loader resolves is read-only then; no search path."""
    elf = ELFFile(io.BytesIO(_library(wheel)))
    segments = {s["p_type"]: s["p_flags"] for s in elf.iter_segments()}
    if segments.get("PT_GNU_STACK", 1) & 1:
        raise GateError("the stack is executable")
    if "PT_GNU_RELRO" not in segments:
        raise GateError("relocations stay writable")
    tags = {entry.entry.d_tag for entry in elf.get_section_by_name(".dynamic").iter_tags()}
    if bad := tags & {"DT_RPATH", "DT_RUNPATH", "DT_TEXTREL"}:
        raise GateError(f"the library has {', '.join(sorted(bad))}")


def paths(wheel: Path) -> None:
    """Its library names no folder of the machine that built it."""
    library = _library(wheel)
    for folder in (ROOT, Path(sys.prefix), Path.home()):
        if bytes(folder) + b"/" in library:
            raise GateError(f"the library names {folder}")


def _library(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("object_storage_proxy/libosp.so")


def _auditwheel(wheel: Path) -> dict[str, dict[str, list[str]]]:
    command = [sys.executable, "-m", "auditwheel", "show", "--json", str(wheel)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


GATES: dict[str, Callable[[Path], str | None]] = {
    "platform tag": tag,
    "newest GLIBC symbol": glibc,
    "size": size,
    "exported symbols": symbols,
    "hardening": hardening,
    "machine paths": paths,
}
