"""The status page, in a browser, about real traffic."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT, Front
from helpers import browser
from helpers.clients import Keys, refused
from helpers.monitor import status
from helpers.ports import free_port
from helpers.stores import Store, versitygw
from helpers.wait import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.find() is None, reason="there is no Chromium here"),
]

LONG_KEY = "a-token-as-access-key." * 4


@pytest.fixture
def busy(serve: Any, any_store: Store, tmp_path: Path, certificates: Any) -> Any:
    """A proxy that has seen traffic for some points of the charts."""
    bucket = any_store.make_bucket()
    with versitygw(tmp_path / "tls", certificates) as secure:
        front = serve(
            {
                bucket: any_store.entry(),
                "secure": secure.entry(ca_file=certificates.ca),
                "away": any_store.entry(port=free_port()),
            },
            metrics_port=0,
            hmac_fetcher=lambda key: "long-secret" if key == LONG_KEY else None,
            validator=lambda token, bucket, request: request["key"] != "refused",
        )
        work(front, bucket)
        yield front


def work(front: Front, bucket: str) -> None:
    s3, other = front.boto(retry=False), front.boto(keys=Keys(LONG_KEY, "long-secret"))
    wrong = front.boto(keys=Keys(CLIENT.access, "wrong"), retry=False)

    def enough() -> bool:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 50_000)
        assert other.get_object(Bucket=bucket, Key="k")["Body"].read()
        assert refused(wrong.get_object, Bucket=bucket, Key="k").code == "SignatureDoesNotMatch"
        assert refused(s3.get_object, Bucket=bucket, Key="refused").code == "AccessDenied"
        shown = status(front.server)
        return len(shown["points"]) >= 3 and all(s["checked"] for s in shown["stores"])

    until(enough, "three points of the charts", 60)


def texts(dom: str, start: str) -> str:
    """The text that follows a mark in the document."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", dom[dom.index(start) :]))


def test_it_shows_what_happens(busy: Any) -> None:
    seen = browser.dom(busy.server.metrics_url + "/")
    assert seen.console == []
    dom = seen.dom
    totals = status(busy.server)["totals"]
    shown = re.search(r'id="tile-requests".*?class="note">([\d,]+) in all', dom)
    assert shown, dom[:2000]
    assert 0 < int(shown[1].replace(",", "")) <= totals["requests"]
    for tile in ("p50", "p99", "refusals", "cache", "callbacks", "traffic"):
        value = re.search(rf'id="tile-{tile}".*?class="value">([\d.,]+)<', dom)
        assert value, tile
    for chart in ("requests", "latency", "refused", "cache", "callbacks", "traffic"):
        _, _, drawn = dom.partition(f'id="chart-{chart}"')
        drawn, _, _ = drawn.partition("</section>")
        # A line, or a dot where something happened once.
        assert re.search(r'<path class="[^"]+" d="M[^"]+"|<circle ', drawn), chart
        assert "NaN" not in drawn, chart
        assert "undefined" not in drawn, chart
    assert "SignatureDoesNotMatch" in texts(dom, 'id="refusals"')
    assert re.search(r"decisions \d", texts(dom, 'id="caches"'))


def test_it_shows_the_stores_and_their_certificates(busy: Any) -> None:
    dom = browser.dom(busy.server.metrics_url + "/").dom
    shown = texts(dom, 'id="stores"').partition("Refusals since")[0]
    stores = {s["store"]: s for s in status(busy.server)["stores"]}
    assert len(stores) == 3
    for name in stores:
        assert name in shown
    assert shown.count("✓ reachable") == 2
    assert shown.count("✗ unreachable") == 1
    assert "refused" in shown
    assert re.search(r"\d{4}-\d\d-\d\d, in \d", shown)
    assert 'data-state="bad">not ready<' in dom


def test_nothing_on_it_is_a_secret(busy: Any) -> None:
    dom = browser.dom(busy.server.metrics_url + "/").dom
    text = dom + str(status(busy.server))
    for secret in (
        CLIENT.access,
        CLIENT.secret,
        LONG_KEY,
        LONG_KEY[:22],
        "store-owner",
        "127.0.0.1,",
    ):
        assert secret not in text, secret


TILES = 8


@pytest.fixture
def fresh(serve: Any, any_store: Store) -> Any:
    """A proxy that has seen nothing yet."""
    return serve({any_store.make_bucket(): any_store.entry()}, metrics_port=0)


@pytest.mark.parametrize("state", ["fresh", "busy"])
def test_the_tiles_fill_whole_rows(
    request: pytest.FixtureRequest, state: str, tmp_path: Path
) -> None:
    front = request.getfixturevalue(state)
    dom = browser.dom(front.server.metrics_url + "/").dom
    for width in (500, 800, 1200, 1600):
        grid, *tiles = browser.boxes(dom, "#tiles, #tiles > *", width, tmp_path)
        rows: dict[float, list[browser.Box]] = {}
        for tile in tiles:
            rows.setdefault(tile.top, []).append(tile)
        assert sum(map(len, rows.values())) == TILES
        assert len({len(row) for row in rows.values()}) == 1, f"a hole at {width} pixels"
        for row in rows.values():
            assert row[0].left == pytest.approx(grid.left, abs=1)
            assert row[-1].right == pytest.approx(grid.right, abs=1), f"at {width} pixels"
            assert not any(tile.cut for tile in row), f"text is cut at {width} pixels"


def test_it_is_light_or_dark_as_the_reader_is(busy: Any, tmp_path: Path) -> None:
    url = busy.server.metrics_url + "/"
    colours = {}
    for dark in (False, True):
        picture = tmp_path / f"{dark}.png"
        assert browser.screenshot(url, picture, dark=dark).console == []
        assert picture.stat().st_size > 40_000  # not an empty page
        colours[dark] = sum(browser.first_pixel(picture)) / 3
    assert colours[False] > 200
    assert colours[True] < 50
