"""docs/performance.svg: bars side by side, as text that git can compare."""

from __future__ import annotations

from xml.sax.saxutils import escape

from bench.contestants import NGINX, ORIGINAL, OURS
from bench.results import Results

# By metric: what its bars are, and the cases that are drawn.
_PANELS = {
    "rate": (
        "requests per second (longer is better)",
        ("get-1k", "get-1k-c512", "get-1k-https", "get-1k-h2", "put-1k", "get-1k-cold"),
    ),
    "cpu": (
        "CPU of the proxy, µs per request (shorter is better)",
        ("get-1k", "get-1k-https", "get-1k-h2", "put-1k", "get-1k-cold"),
    ),
    "cpu_gib": (
        "CPU of the proxy, seconds per GiB (shorter is better)",
        ("get-10m", "get-10m-https", "put-10m", "put-10m-hash", "put-10m-chunks", "put-10m-https"),
    ),
}
_COLOURS = {OURS: "#1f6feb", ORIGINAL: "#d9822b", NGINX: "#8b949e"}
_LEGEND = {OURS: "this project", ORIGINAL: "the original", NGINX: "nginx, which signs nothing"}
_WIDTH, _LEFT, _RIGHT = 900, 330, 90  # pixels: all, titles, values
_BAR, _GAP, _HEAD = 14, 12, 40


def draw(results: Results) -> str:
    """The picture of a run; what was not measured or failed is said instead of drawn."""
    shapes, y = _legend(), 50
    for metric, (title, cases) in _PANELS.items():
        shapes.append(_text(20, y + 16, title, "bold"))
        y += _HEAD
        drawn = [case for case in cases if case in results.titles]
        longest = max(
            (results.median(case, who, metric) or 0 for case in drawn for who in _COLOURS),
            default=0,
        )
        for case in drawn:
            shapes += _group(results, case, metric, longest, y)
            y += len(_COLOURS) * _BAR + _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 10}"'
            ' font-family="sans-serif" font-size="12" fill="#24292f">',
            f'<rect width="{_WIDTH}" height="{y + 10}" fill="#ffffff"/>',
            *shapes,
            "</svg>\n",
        ]
    )


def _legend() -> list[str]:
    shapes = []
    for place, (who, colour) in enumerate(_COLOURS.items()):
        x = 20 + 130 * place
        shapes.append(f'<rect x="{x}" y="16" width="14" height="14" fill="{colour}"/>')
        shapes.append(_text(x + 20, 28, _LEGEND[who]))
    return shapes


def _group(results: Results, case: str, metric: str, longest: float, y: int) -> list[str]:
    middle = y + len(_COLOURS) * _BAR // 2 + 4
    shapes = [_text(_LEFT - 10, middle, results.titles[case], anchor="end")]
    for place, (who, colour) in enumerate(_COLOURS.items()):
        top = y + place * _BAR
        value = results.median(case, who, metric)
        width = (_WIDTH - _LEFT - _RIGHT) * value / longest if value else 0
        cell = results.cells[case].get(who)
        shown = "" if cell is None else f"fails: {cell.failed}"
        if value is not None:
            shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
            shapes.append(
                f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 2}"'
                f' fill="{colour}"/>'
            )
        shapes.append(_text(_LEFT + width + 6, top + _BAR - 3, shown))
    return shapes


def _text(x: float, y: float, text: str, weight: str = "normal", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-weight="{weight}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
