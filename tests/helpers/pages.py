"""The documents' blocks of code, as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.children import clean_environment

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of a page, in order; of one language, or of all."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(page, text[: match.start()].count("\n") + 1, match[1], match[2])
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in found if language in (None, block.language)]


@dataclass
class Shell:
    """Runs lines of a page with bash, in a folder, after the exports of those before.

    Attributes:
        swaps: what stands for something of the tests' in the page, and what that is.
    """

    folder: Path
    env: dict[str, str]
    swaps: Mapping[str, str]
    exports: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        programs = Path(sys.executable).parent
        self.env = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self.folder),
            **self.env,
        }

    def swapped(self, text: str) -> str:
        for old, new in self.swaps.items():
            text = text.replace(old, new)
        return text

    def run(self, text: str) -> str:
        """A line whose comment is an error's code must fail with it."""
        text = self.swapped(text)
        checked = re.sub(
            r"(?m)^(.*\S) +# (AccessDenied)$", r'{ \1 2>&1 && exit 9; } | grep -q "(\2)"', text
        )
        done = subprocess.run(
            ["bash", "-euc", "".join([*self.exports, checked])],
            cwd=self.folder,
            env=clean_environment(**self.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{checked}\n{done.stdout}{done.stderr}"
        self.exports += re.findall(r"(?m)^export .*\n", text)
        return done.stdout
