"""Headless Chromium, for what only a browser can tell."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find() -> str | None:
    """The program, where there is one."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Visit:
    """What came of opening a page."""

    dom: str  # after its scripts ran
    console: list[str]  # what it complained of


def visit(url: str, *options: str) -> Visit:
    """Opens a page in a browser without a history, and lets it run for three seconds."""
    program = find()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [
                program,
                *_QUIET,
                f"--user-data-dir={profile}",
                "--virtual-time-budget=3000",
                *options,
                url,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return Visit(done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line])


def dom(url: str) -> Visit:
    return visit(url, "--dump-dom")


@dataclass(frozen=True)
class Box:
    """Where an element is, in pixels from the left and upper edge of the page."""

    left: float
    top: float
    right: float
    cut: bool  # whether text in it, or in a child of it, does not fit


def boxes(page: str, selector: str, width: int, folder: Path) -> list[Box]:
    """The boxes of elements of a page in a window of this width. Its own scripts do not run."""
    measure = f"""
        const cut = (e) => e.scrollWidth > e.clientWidth || [...e.children].some(cut);
        const box = (e, r = e.getBoundingClientRect()) => [r.left, r.top, r.right, cut(e)];
        const all = [...document.querySelectorAll({json.dumps(selector)})].map((e) => box(e));
        document.title = JSON.stringify([innerWidth, all]);
    """
    still = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    file = folder / "page.html"
    file.write_text(f"{still}<script>{measure}</script>", encoding="utf-8")
    seen = visit(file.as_uri(), f"--window-size={width},900", "--dump-dom")
    found = re.search(r"<title>(.*?)</title>", seen.dom)
    assert found, seen
    inner, measured = json.loads(found[1])
    assert inner == width
    return [Box(*one) for one in measured]


def screenshot(url: str, to: Path, *, dark: bool, size: str = "1280,1190") -> Visit:
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    return visit(url, scheme, f"--window-size={size}", f"--screenshot={to}")


def first_pixel(png: Path) -> tuple[int, int, int]:
    """The colour of the upper left corner (https://www.w3.org/TR/png-3/)."""
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += length + 12
    # Whatever the filter of the first line, its first pixel stands there as it is.
    red, green, blue = zlib.decompressobj().decompress(packed, 4)[1:4]
    return red, green, blue
