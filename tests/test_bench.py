"""The benchmark's own arithmetic: what generators say, medians, ratios, tables. No load."""

from __future__ import annotations

import datetime
import io
import math
import random
import statistics
from typing import Any

import pytest
from bench import fleet
from bench.__main__ import judge
from bench.cases import CASES
from bench.load import LoadError, parse_h2load, parse_wrk, percentile
from bench.measure import Cell
from bench.noise import Figure, of_median
from bench.picture import draw
from bench.report import (
    figures_table,
    number,
    ratios_table,
    render,
    replaced,
    spread,
    targets_table,
)
from bench.results import Results, again
from bench.signing import CHUNKS, Keys, by_each, many, sign
from bench.targets import RATIOS, Target, Verdict, targets
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

WRK = """Running 1s test @ http://127.0.0.1:1
  2 threads and 32 connections
  4242 requests in 1.00s, 5.00MB read
{"requests": 4242, "microseconds": 2000000, "p50": 900, "p99": 8000, "p999": 9500.5, \
"broken": 0, "refused": %d}
"""

H2LOAD = """finished in 500.00ms, 8.00 req/s, 36.58KB/s
requests: 4 total, 4 started, 4 done, 4 succeeded, 0 failed, %d errored, 0 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 0 5xx
"""


def test_wrk_is_read() -> None:
    load = parse_wrk(WRK % 0)
    assert (load.requests, load.seconds, load.p50, load.p99, load.p999) == (
        4242,
        2,
        900,
        8000,
        9500.5,
    )


def test_an_answer_of_wrk_that_is_not_2xx_is_no_figure() -> None:
    with pytest.raises(LoadError, match="7 of 4242 not 2xx"):
        parse_wrk(WRK % 7)
    with pytest.raises(LoadError, match="nothing"):
        parse_wrk("unable to connect")


def test_h2load_is_read() -> None:
    log = "1\t200\t400\n2\t200\t100\n3\t200\t300\n4\t200\t200\n"
    load = parse_h2load(H2LOAD % 0, log)
    assert (load.requests, load.seconds, load.p50, load.p99) == (4, 0.5, 200, 400)


def test_an_answer_of_h2load_that_is_not_2xx_is_named() -> None:
    with pytest.raises(LoadError, match=r"^401$"):
        parse_h2load(H2LOAD % 0, "1\t200\t400\n2\t401\t100\n")
    with pytest.raises(LoadError, match="1 errored"):
        parse_h2load(H2LOAD % 1, "1\t200\t400\n")


def test_percentiles_are_values_that_were_seen() -> None:
    values = list(range(1, 1001))
    assert [percentile(values, p) for p in (50, 99, 99.9)] == [500, 990, 999]
    assert percentile([7], 99.9) == 7


def test_signatures_are_those_of_botocore() -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    ours = sign("GET", "127.0.0.1:9000", "/files/k", KEYS, now=now)
    theirs = AWSRequest("GET", "http://127.0.0.1:9000/files/k")
    theirs.context["timestamp"] = ours.headers["x-amz-date"]
    theirs.headers["x-amz-date"] = ours.headers["x-amz-date"]
    theirs.headers["x-amz-content-sha256"] = ours.headers["x-amz-content-sha256"]
    auth = S3SigV4Auth(Credentials(KEYS.access, KEYS.secret), "s3", "us-east-1")
    signature = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert ours.headers["authorization"].endswith(f"Signature={signature}")


def test_many_paths_are_signed_like_one() -> None:
    file = io.StringIO()
    template = many("h:1", "/files/any/", KEYS.secret, ["a", "b"], file)
    columns, *lines = [line.split() for line in file.getvalue().splitlines()]
    assert columns == ["NAME", "SIGNATURE"]
    assert [name for name, _ in lines] == ["a", "b"]
    at = template.headers["x-amz-date"]
    now = datetime.datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    one = sign("GET", "h:1", "/files/any/b", KEYS, now=now)
    filled = template.headers["authorization"].replace("@KEY@", KEYS.access)
    assert filled.replace("@SIGNATURE@", lines[1][1]) == one.headers["authorization"]


def test_a_request_by_each_of_many_temporary_keys_is_signed_like_one() -> None:
    file, keys = io.StringIO(), [Keys("ASIA1", "s1", "t1"), Keys("ASIA2", "s2", "t2")]
    template = by_each("h:1", "/files/k", keys, file)
    columns, *lines = [line.split() for line in file.getvalue().splitlines()]
    at = template.headers["x-amz-date"]
    now = datetime.datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    for one, values in zip(keys, lines, strict=True):
        filled = dict(template.headers)
        for column, value in zip(columns, values, strict=True):
            filled = {k: v.replace(f"@{column}@", value) for k, v in filled.items()}
        assert filled == sign("GET", "h:1", "/files/k", one, now=now).headers


def test_chunks_hold_the_body_and_no_two_signatures_are_alike() -> None:
    body = bytes(range(256)) * 600  # two chunks and a part
    request = sign("PUT", "h:1", "/sink/k", KEYS, body, CHUNKS)
    assert request.headers["x-amz-decoded-content-length"] == str(len(body))
    left, held, signatures = request.body, b"", []
    while left:
        head, _, left = left.partition(b"\r\n")
        size, _, signature = head.partition(b";chunk-signature=")
        held, left = held + left[: int(size, 16)], left[int(size, 16) + 2 :]
        signatures.append(signature)
    assert held == body
    assert len(set(signatures)) == 4


def cell(who: str, rates: list[float], cpu: list[float], **more: Any) -> dict[str, Any]:
    times = [1000.0 * n for n in range(1, len(rates) + 1)]
    made = Cell(who, [5000] * len(rates), rates, times, times, times, cpu, cpu, 3 << 20, **more)
    return vars(made)


def a_run(*more: dict[str, Any], **original: Any) -> Results:
    theirs = cell("original", [100, 200, 400], [60, 50, 40]) | original
    cells = [cell("ours", [150, 400, 400], [30, 30, 30]), theirs, *more]
    growth = {"entrant": "ours", "value": 12.0, "failed": ""}
    return Results(
        {
            "machine": {"cores": "2"},
            "quick": False,
            "cases": [{"id": "get-1k", "title": "GET 1 KiB", "cells": cells}],
            "footprint": [
                {"id": "growth-ours", "title": "growth", "unit": "MiB", "findings": [growth]}
            ],
        }
    )


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    run = a_run()
    assert run.median("get-1k", "original", "rate") == 200
    assert run.ratio("get-1k", "rate", "ours", "original") == 1.5
    assert run.ratio("get-1k", "cpu", "ours", "original") == 0.6
    assert run.ratio("get-1k", "rate", "ours", "nginx") is None


def test_noise_is_what_the_same_build_differs_by() -> None:
    assert of_median([]) == 0
    assert of_median([0, 0, 0]) == 0
    assert of_median([0.1, -0.1, 0.1]) == pytest.approx(3.18 * 0.1 * math.sqrt(math.pi / 6))
    assert of_median([0.1, -0.1] * 5) < of_median([0.1, -0.1]), "more rounds tell more"
    run = a_run(cell("ours again", [150, 440, 360], [30, 30, 30]))
    judged = run.judged("get-1k", "rate", "ours", "original")
    assert judged == Figure(1.5, pytest.approx(1.5 * of_median([0, 0.1, -0.1])))
    assert run.judged("get-1k", "cpu", "ours", "original") == Figure(0.6, 0)


def test_noise_covers_the_median_of_the_same_build_in_19_of_20_runs() -> None:
    chance = random.Random(20)
    for rounds in (3, 9):
        covered = 0
        for _ in range(2000):
            same = [chance.gauss(0, 0.05) for _ in range(rounds)]
            other = [chance.gauss(0, 0.05) for _ in range(rounds)]
            covered += abs(statistics.median(other)) <= of_median(same)
        assert covered >= 1880, f"of medians over {rounds} rounds"


@pytest.mark.parametrize(
    ("value", "noise", "at_most", "verdict"),
    [
        (0.9, 0.2, True, Verdict.MET),
        (1.0, 0.0, True, Verdict.MET),
        (1.1, 0.2, True, Verdict.WITHIN_NOISE),
        (1.3, 0.2, True, Verdict.MISSED),
        (1.1, 0.0, True, Verdict.MISSED),
        (1.1, 0.2, False, Verdict.MET),
        (0.9, 0.2, False, Verdict.WITHIN_NOISE),
        (0.7, 0.2, False, Verdict.MISSED),
    ],
)
def test_a_target_is_missed_beyond_its_noise(
    value: float, noise: float, at_most: bool, verdict: Verdict
) -> None:
    target = Target("what", 1, Figure(value, noise), at_most)
    assert target.verdict is verdict
    assert target.holds is (verdict is not Verdict.MISSED)


def test_a_run_judges_what_it_measured_and_nothing_else() -> None:
    said = {target.text: target.verdict for target in targets(a_run())}
    assert said == {
        "GET 1 KiB: CPU, by the original's": Verdict.MISSED,
        "GET 1 KiB: CPU, by nginx's": Verdict.NO_FIGURE,
        "GET 1 KiB: requests/s, by the original's": Verdict.MET,
        "GET 1 KiB: p99, by the original's": Verdict.MET,
        "peak memory, 32 connections": Verdict.NO_FIGURE,
        "growth over a million requests, keys and URLs": Verdict.MISSED,
    }


def test_a_target_without_a_figure_does_not_hold() -> None:
    broken = {target.text: target for target in targets(a_run(failed="the process ended"))}
    assert not broken["GET 1 KiB: requests/s, by the original's"].holds


def test_the_command_fails_and_says_which_target_is_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert judge(a_run()) == 1
    said = capsys.readouterr().err.splitlines()
    assert "GET 1 KiB: CPU, by the original's: missed by more than noise" in said
    assert "GET 1 KiB: CPU, by nginx's: there is no figure" in said
    assert not [line for line in said if "requests/s" in line]
    empty = Results({"machine": {}, "quick": True, "cases": [], "footprint": []})
    assert judge(empty) == 0


def test_the_same_build_is_a_contestant_in_every_case_that_a_ratio_reads() -> None:
    cases = {case.id: [str(entrant) for entrant in case.entrants] for case in CASES}
    for ratio in RATIOS:
        entrants = cases[ratio.case]
        assert {ratio.one, ratio.other, again(ratio.one)} <= set(entrants), ratio
        assert entrants.index(again(ratio.one)) > entrants.index(ratio.other), ratio


def test_what_a_question_costs_is_half_of_what_cold_requests_take_beyond_warm_ones() -> None:
    cells = [
        cell("ours", [1, 1, 1], [100, 110, 120]),
        cell("ours, warm", [1, 1, 1], [40, 40, 40]),
        cell("ours again", [1, 1, 1], [104, 110, 120]),
    ]
    case = {"id": "get-1k-cold", "title": "cold", "cells": cells}
    run = Results({"machine": {}, "quick": True, "cases": [case], "footprint": []})
    said = {target.text: target for target in targets(run)}["CPU of a question to a callback"]
    assert said.figure == Figure(35, pytest.approx(of_median([2, 0, 0])))
    assert said.verdict is Verdict.MISSED


def test_what_a_session_costs_is_what_its_first_request_takes_beyond_its_others() -> None:
    cells = [
        cell("ours", [1, 1, 1], [40, 40, 40]),
        cell("ours, a session", [1, 1, 1], [42, 44, 40]),
        cell("ours, new sessions", [1, 1, 1], [62, 66, 70]),
        cell("ours again, a session", [1, 1, 1], [43, 44, 40]),
    ]
    case = {"id": "get-1k-session", "title": "sessions", "cells": cells}
    run = Results({"machine": {}, "quick": True, "cases": [case], "footprint": []})
    said = {target.text: target for target in targets(run)}
    first = said["CPU of a session's first request beyond its others"]
    assert first.figure == Figure(22, pytest.approx(of_median([-1, 0, 0])))
    warm = said["GET 1 KiB with a session key: CPU, by ours without it"]
    assert warm.figure is not None
    assert warm.figure.value == 1.05


def test_peak_memory_is_judged_with_what_two_processes_differ_by() -> None:
    more = cell("ours again", [1, 1, 1], [1, 1, 1]) | {"memory": 5 << 20}
    run = a_run(more)
    said = {target.text: target for target in targets(run)}["peak memory, 32 connections"]
    assert said.figure == Figure(3, 2)
    assert "| peak memory, 32 connections | at most 40 MiB | 3.00 MiB | ± 2.00 MiB | yes |" in (
        targets_table(run)
    )


def test_a_contestant_that_fails_says_so_in_every_table() -> None:
    run = a_run(failed="401")
    assert "| GET 1 KiB | fails: 401 |  |  | - | - | - |" in ratios_table(run)
    assert "|  | original | fails: 401 |" in figures_table(run)
    assert run.ratio("get-1k", "rate", "ours", "original") is None
    assert "fails: 401" in draw(run)


def test_few_requests_have_no_p99() -> None:
    columns = figures_table(a_run(requests=[32, 32, 32])).splitlines()[-1].split(" | ")
    assert columns[3:6] == ["2.00 (1.00 to 3.00)", "-", "-"]


def test_numbers_keep_three_digits() -> None:
    assert [number(n) for n in (12345.6, 100, 12.34, 1.234, 0.01)] == [
        "12,346",
        "100",
        "12.3",
        "1.23",
        "0.01",
    ]
    assert spread([3, 1, 2]) == "2.00 (1.00 to 3.00)"
    assert spread([]) == "-"


def test_only_what_is_between_the_markers_is_replaced() -> None:
    text = "a\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nb\n"
    assert replaced(text, "new\n") == text.replace("old", "new")
    with pytest.raises(ValueError, match="markers"):
        replaced("nothing", "new")


def test_the_report_is_made_of_a_run() -> None:
    text = render(a_run())
    assert "Taken with: cores 2." in text
    assert "| growth | ours | 12.0 MiB |" in text


def test_the_simulated_fleet_asks_once_for_each_life_of_an_answer() -> None:
    load = fleet.load_of(random.Random(1), keys=1, ttl=10)
    assert load.calls == load.firsts == pytest.approx(1 / 10, rel=0.01)
    assert load.alone == pytest.approx(fleet.REPLICAS / 10, rel=0.01)
    # Every other replica looks once, and again while it waits for the validator.
    assert load.takes >= (fleet.REPLICAS - 1) / 10


def test_a_simulated_revocation_takes_longer_at_a_busy_server() -> None:
    costs = fleet.Costs(take=20e-6, first=90e-6, beat=30e-6)
    calm, busy = (fleet.revocation(random.Random(1), part, 20e-6, costs) for part in (0.05, 0.9))
    # Each replica is heard of twice.
    assert 2 * fleet.REPLICAS * costs.beat < busy
    assert fleet.MOMENT <= calm < busy
