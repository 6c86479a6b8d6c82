"""Builds the shared library.

Usage: python python/library.py OUTPUT

The platform is that of the machine, built with Go and its C compiler (CC and
GOFLAGS are respected), or the one that OSP_PLATFORM names, cross-built with zig
as C compiler. Two builds of the same sources with the same tools give the same bytes.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "object_storage_proxy"
MACOS = "12.0"  # the oldest that Go 1.26 supports


@dataclass(frozen=True)
class Platform:
    """What a wheel is built for: its tag, and the settings for `go build` and the linker."""

    tag: str
    environment: dict[str, str] = field(default_factory=dict)
    linking: tuple[str, ...] = ()

    @property
    def library(self) -> str:
        return "libosp.dylib" if self.tag.startswith("macosx") else "libosp.so"

    @property
    def exports(self) -> str:
        """The linker's flag that leaves only osp_* exported."""
        if self.tag.startswith("macosx"):
            return "-Wl,-exported_symbol,_osp_*"
        return f"-Wl,--version-script={ROOT / 'go' / 'capi' / 'exports.map'}"


def _by_zig(tag: str, goarch: str, target: str) -> Platform:
    # Go splits CC at spaces outside of quotes.
    cc = f'"{sys.executable}" -m ziglang cc -target {target}'
    # zig's linker does not take -s from Go; C's debug information would name its folder.
    environment = {"GOOS": "linux", "GOARCH": goarch, "CC": cc, "CGO_CFLAGS": "-O2 -g0"}
    return Platform(tag, environment, ("-Wl,--strip-all",))


def cross_platforms() -> dict[str, Platform]:
    """The platforms that zig builds for, on any machine. manylinux2014 is glibc 2.17."""
    platforms = [
        _by_zig("manylinux2014_x86_64", "amd64", "x86_64-linux-gnu.2.17"),
        _by_zig("manylinux2014_aarch64", "arm64", "aarch64-linux-gnu.2.17"),
    ]
    return {each.tag: each for each in platforms}


def this_platform() -> Platform:
    if sys.platform == "darwin":
        # Not sysconfig's name: that of a universal Python promises both architectures.
        machine = platform.machine()
        environment = {
            "GOARCH": {"x86_64": "amd64"}.get(machine, machine),
            "MACOSX_DEPLOYMENT_TARGET": MACOS,
        }
        return Platform(f"macosx_{MACOS.replace('.', '_')}_{machine}", environment)
    return Platform(re.sub(r"[-.]", "_", sysconfig.get_platform()))


def chosen_platform() -> Platform:
    name = os.environ.get("OSP_PLATFORM")
    if not name:
        return this_platform()
    known = cross_platforms()
    if name not in known:
        raise SystemExit(f"there is no platform {name}; known are {', '.join(known)}")
    return known[name]


def version() -> str:
    """The version of the package, which the library is told too."""
    text = (PACKAGE / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise SystemExit("python/object_storage_proxy/_version.py names no version")
    return found[1]


def build(output: Path, target: Platform) -> None:
    """Compiles go/capi into a shared library that exports osp_* and nothing else."""
    if not shutil.which("go"):
        raise SystemExit("Go is missing: it is needed to build the library")
    flags = ["-s", "-w", "-buildid=", f"-X main.version={version()}"]
    flags.append(f"'-extldflags={' '.join([target.exports, *target.linking])}'")
    command = ["go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"]
    output.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [*command, f"-ldflags={' '.join(flags)}", "-o", str(output), "./go/capi"],
        cwd=ROOT,
        env={**os.environ, **target.environment, "CGO_ENABLED": "1"},
        check=True,
    )
    output.with_suffix(".h").unlink(missing_ok=True)  # include/osp.h is the contract


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve(), chosen_platform())
