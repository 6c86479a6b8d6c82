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


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("| --- ", "|---")


def render(rows: Rows) -> str:
    """A row for each client, columns for each store and scheme."""
    head = ["client", "version", "what it does", *map(" ".join, COLUMNS)]
    lines = []
    for client, (does, seen) in rows.items():
        (version,) = set(seen.values())
        lines.append([client, version, does, *(_cell(seen, column) for column in COLUMNS)])
    return _table(head, lines)


# By client and by store and scheme: why the store itself is not enough; empty: it is.
Limits = Mapping[str, Mapping[tuple[str, str], str]]


def render_more(stores: Mapping[str, str], limits: Limits) -> str:
    """A row for each client, a column for each store, and what stores lack by reason.

    stores has the version of each.
    """
    rows, lacks = [], dict[tuple[str, str], list[str]]()
    for client, seen in limits.items():
        cells = []
        for store in stores:
            schemes = {scheme: limit for (name, scheme), limit in seen.items() if name == store}
            cells.append(", ".join(s for s in sorted(schemes) if not schemes[s]) or "no")
            for limit in sorted({limit for limit in schemes.values() if limit}):
                lacks.setdefault((store, limit), []).append(client)
        rows.append([client, *cells])
    head = ["client", *(f"{name} {version}" for name, version in stores.items())]
    reasons = [f"- {store}: {', '.join(who)}: {why}\n" for (store, why), who in lacks.items()]
    return _table(head, rows) + "\n" + "".join(sorted(reasons))


def columns(lane: str) -> list[str]:
    """The heads of the columns that the document has for a lane."""
    head = FILE.read_text(encoding="utf-8").partition(f"<!-- {lane}: begin -->\n")[2]
    return [cell.strip() for cell in head.partition("\n")[0].strip("|").split("|")]


def section(lane: str, table: str, update: bool) -> tuple[str, str]:
    """The table that the document has for a lane, and the one that it should have.

    With update the document is brought up to date first.
    """
    begin, end = f"<!-- {lane}: begin -->\n", f"<!-- {lane}: end -->"
    text = FILE.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    old, _, after = rest.partition(end)
    if update:
        FILE.write_text(before + begin + table + end + after, encoding="utf-8")
        old = table
    return old, table
