"""musl, on which a Go library can't be loaded: the refusal, and whether that is still so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from object_storage_proxy._lib import on_musl

needs_musl = pytest.mark.skipif(not shutil.which("musl-gcc"), reason="musl-tools is missing")

LIBRARY = """package main

import "C"

//export answer
func answer() C.int { return 42 }

func main() {}
"""
LOADER = """
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **names) {
    void *library = dlopen(names[1], RTLD_NOW);
    puts(library ? "loaded" : dlerror());
    return !library;
}
"""
MAPS = """
#include <stdio.h>
int main(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    for (int c; (c = getc(maps)) != EOF;) putchar(c);
    return 0;
}
"""


def program(folder: Path, source: str) -> Path:
    """A C program whose libc is musl."""
    (folder / "program.c").write_text(source)
    made = folder / "program"
    subprocess.run(["musl-gcc", folder / "program.c", "-o", made], check=True)
    return made


@pytest.mark.parametrize(
    ("soabi", "maps", "musl"),
    [
        ("cpython-312-x86_64-linux-musl", "", True),
        ("cpython-312-x86_64-linux-gnu", "", False),
        ("", "7f0 r-xp 0 fe:00 1 /lib/ld-musl-aarch64.so.1\n", True),
        ("", "7f0 r-xp 0 fe:00 1 /usr/lib/x86_64-linux-gnu/libc.so.6\n", False),
        ("", "7f0 r-xp 0 fe:00 1 /home/me/musl/libosp.so\n", False),
    ],
)
def test_musl_is_known_by_the_interpreter_or_its_loader(soabi: str, maps: str, musl: bool) -> None:
    assert on_musl(soabi, maps) is musl


def test_a_start_on_musl_says_so_and_loads_nothing(tmp_path: Path) -> None:
    code = """
import sysconfig
sysconfig.get_config_var = lambda name: "cpython-312-x86_64-linux-musl"
import object_storage_proxy as osp
try:
    osp.ProxyServer(osp.ProxyServerConfig({}, http_port=0)).start()
except ImportError as error:
    print("musl" in str(error), "libosp" in open("/proc/self/maps").read())
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.stdout.split() == ["True", "False"], child.stderr


@needs_musl
def test_a_process_with_musl_is_known_by_its_files(tmp_path: Path) -> None:
    maps = subprocess.run([program(tmp_path, MAPS)], capture_output=True, text=True, check=True)
    assert on_musl("", maps.stdout)


@needs_musl
@pytest.mark.slow
def test_a_go_library_still_can_not_be_loaded_on_musl(tmp_path: Path) -> None:
    """When this fails, Go has changed: build musllinux wheels, and drop the refusal.

    See golang/go#54805 and the row in docs/install.md.
    """
    (tmp_path / "library.go").write_text(LIBRARY)
    (tmp_path / "go.mod").write_text("module library\n")
    library = tmp_path / "library.so"
    subprocess.run(
        ["go", "build", "-buildmode=c-shared", "-o", library, "."],
        cwd=tmp_path,
        env={**os.environ, "CC": "musl-gcc", "CGO_ENABLED": "1"},
        check=True,
    )
    loader = program(tmp_path, LOADER)
    loaded = subprocess.run([loader, library], capture_output=True, text=True)
    assert loaded.returncode == 1, "musl loads Go libraries now"
    assert "initial-exec TLS resolves to dynamic definition" in loaded.stdout
