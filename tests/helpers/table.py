"""docs/compatibility.md: what the tests of clients saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
COLUMNS = [(s, scheme) for s in ("versitygw", "minio") for scheme in ("http", "https")]

# By client: what it does, and the version that was seen with each store, scheme
# and, where that was tried, addressing style.
Rows = Mapping[str, tuple[str, Mapping[tuple[str, ...], str]]]


def complete(rows: Rows) -> bool:
    """Whether every client ran with every store."""
    return all({way[:2] for way in seen} == set(COLUMNS) for _, seen in rows.values())


def _cell(seen: Mapping[tuple[str, ...], str], column: tuple[str, str]) -> str:
    """The addressing styles that were seen, or a plain yes."""
    return ", ".join(sorted(way[2] for way in seen if way[:2] == column and way[2:])) or "yes"


def render(rows: Rows) -> str:
    lines = [
        "| client | version | what it does | " + " | ".join(map(" ".join, COLUMNS)) + " |",
        "|---|---|---|" + "---|" * len(COLUMNS),
    ]
    for client, (does, seen) in rows.items():
        (version,) = set(seen.values())
        cells = " | ".join(_cell(seen, column) for column in COLUMNS)
        lines.append(f"| {client} | {version} | {does} | {cells} |")
    return "\n".join(lines) + "\n"


def section(lane: str, rows: Rows, update: bool) -> tuple[str, str]:
    """The table that the document has for a lane, and the one that it should have.

    With update the document is brought up to date first.
    """
    begin, end = f"<!-- {lane}: begin -->\n", f"<!-- {lane}: end -->"
    text, table = FILE.read_text(encoding="utf-8"), render(rows)
    before, _, rest = text.partition(begin)
    old, _, after = rest.partition(end)
    if update:
        FILE.write_text(before + begin + table + end + after, encoding="utf-8")
        old = table
    return old, table
