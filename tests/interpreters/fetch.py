"""Fetches interpreters that a machine with Debian's packages lacks.

Usage: python tests/interpreters/fetch.py FOLDER

Nothing is installed: the packages are unpacked below FOLDER, and each interpreter is
told to take its libraries, glibc among them, from there. It needs apt-get and dpkg;
for another architecture's interpreter also Debian's qemu-user-static.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Interpreter:
    """An interpreter as one of Debian's suites has it."""

    name: str
    suite: str
    package: str
    program: str
    architecture: str = "amd64"


INTERPRETERS = [
    Interpreter("cpython-3.14", "forky", "python3.14", "python3.14"),
    Interpreter("cpython-3.15", "forky", "python3.15", "python3.15"),
    Interpreter("pypy-3.11", "trixie", "pypy3", "pypy3.11"),
    Interpreter("cpython-3.13-aarch64", "trixie", "python3.13", "python3.13", "arm64"),
]


def fetch(wanted: Interpreter, folder: Path) -> Path:
    """Returns the program that starts the interpreter."""
    root = folder / wanted.name
    packages(wanted, root)
    program = root / "usr" / "bin" / wanted.program
    libraries = next(root.glob("usr/lib/*-linux-gnu"))
    loader = next(libraries.glob("ld-linux-*.so.*"))
    patchelf = [BIN / "patchelf", "--force-rpath", "--set-rpath", libraries]
    subprocess.run([*patchelf, "--set-interpreter", loader, program], check=True)
    if wanted.architecture == "amd64":
        return program
    # Python takes the name that it was called by for its own, so that venv and
    # subprocess come back to this script.
    script = root / "usr" / "bin" / "python"
    script.write_text(f'#!/bin/sh\nexec qemu-aarch64-static -0 "$0" "{program}" "$@"\n')
    script.chmod(0o755)
    return script


def mirror() -> str:
    """Where this machine has its Debian packages from."""
    listing = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian"]
    found = subprocess.run(listing, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    if not found:
        raise SystemExit("this machine has no packages of Debian")
    return found[0]


def packages(wanted: Interpreter, root: Path) -> None:
    """Downloads a package with its dependencies and unpacks them, by an apt of its own."""
    state = root / "apt"
    for part in ("lists/partial", "archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources").write_text(f"deb [signed-by={KEYRING}] {mirror()} {wanted.suite} main\n")
    (state / "conf").write_text(
        f'APT::Architecture "{wanted.architecture}";\n'
        f'APT::Architectures {{"{wanted.architecture}";}};\n'
        'APT::Install-Recommends "false";\n'
        'APT::Sandbox::User "root";\n'
        'pkgCacheGen::Essential "none";\n'
        'Acquire::Languages "none";\n'
        'Debug::NoLocking "true";\n'
        f'Dir::Etc::SourceList "{state}/sources";\n'
        'Dir::Etc::SourceParts "-";\n'
        f'Dir::State::Lists "{state}/lists";\n'
        f'Dir::State::Status "{state}/status";\n'
        f'Dir::Cache::Archives "{state}/archives";\n'
        f'Dir::Cache::PkgCache "";\nDir::Cache::SrcPkgCache "";\n'
    )
    apt = {**os.environ, "APT_CONFIG": str(state / "conf")}
    subprocess.run(["apt-get", "-qq", "update"], env=apt, check=True)
    install = ["apt-get", "-qq", "--yes", "--download-only", "install", wanted.package]
    subprocess.run(install, env=apt, check=True)
    for package in sorted(state.glob("archives/*.deb")):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    shutil.rmtree(state)


def main(folder: Path) -> None:
    for wanted in INTERPRETERS:
        print(fetch(wanted, folder.resolve()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
