"""Builds the shared library, for a wheel or by itself.

Usage: python python/hatch_build.py OUTPUT

As hatchling's build hook it puts the library into the package and names the wheel
py3-none-<platform>: the binding is cffi's ABI mode, so one wheel serves every
Python. CC and GOFLAGS are respected.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "object_storage_proxy"


def version() -> str:
    """The version of the package, which the library is told too."""
    text = (PACKAGE / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise SystemExit("python/object_storage_proxy/_version.py names no version")
    return found[1]


def library_name() -> str:
    return "libosp.dylib" if sys.platform == "darwin" else "libosp.so"


def build_library(output: Path) -> None:
    """Compiles go/capi into a shared library that exports osp_* and nothing else."""
    if not shutil.which("go"):
        raise SystemExit("Go is missing: it is needed to build the library")
    flags = ["-s", "-w", f"-X main.version={version()}"]
    if sys.platform != "darwin":
        flags.append(f"-extldflags=-Wl,--version-script={ROOT / 'go' / 'capi' / 'exports.map'}")
    command = ["go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"]
    output.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [*command, f"-ldflags={' '.join(flags)}", "-o", str(output), "./go/capi"],
        cwd=ROOT,
        env={**os.environ, "CGO_ENABLED": "1"},
        check=True,
    )
    output.with_suffix(".h").unlink(missing_ok=True)  # include/osp.h is the contract


def platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


if __name__ == "__main__":
    build_library(Path(sys.argv[1]).resolve())
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class LibraryBuildHook(BuildHookInterface):  # type: ignore[type-arg]
        """Hatchling's hook for the wheel target."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            library = PACKAGE / library_name()
            build_library(library)
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform_tag()}"
            build_data["artifacts"].append(f"python/object_storage_proxy/{library.name}")
