"""A store does what the validator was asked about, and nothing else.

A grid of signed requests goes through the proxy to each real store. The store is looked at
directly before and after: whatever has changed, and whatever of an object is in an answer,
needs a question about exactly that which the validator has answered with yes.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.raw import Answer
from helpers.stores import Store
from oracle import cases, faults, names
from oracle.campaign import Findings, run
from oracle.judge import Judge, Question, Seen, Violation, fitting, table
from oracle.plot import Plot
from oracle.request import METHODS, Case
from oracle.state import Eye, differences, parsed
from oracle.wire import Direct

FEWEST = 15_000
# A tenth of it for moto, which is a hundred times as slow as others.
FEW = {"moto": 2600}
EXAMPLES = 3  # of each kind of violation in the message; all are in a file


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Most requests are refused, and each refusal is a line in the log."""
    logger = logging.getLogger("object_storage_proxy")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def hold(findings: Findings, store: str, sent: int, report: Path) -> None:
    """Fails with all violations but a store's own; also if the requests said nothing to it."""
    print(f"{sent} requests, {findings.asked} questions, {findings.changed} changes")
    print(f"statuses {dict(findings.statuses)}")
    assert findings.refused_signatures == []
    assert findings.changed > sent / 100
    assert findings.asked > sent / 10
    if violations := faults.inexcusable(store, findings.violations):
        report.write_text("\n".join(map(str, violations)), encoding="utf-8")
        shown: Counter[tuple[str, str, str]] = Counter()
        examples = []
        for violation in violations:
            shown[violation.kind] += 1
            if shown[violation.kind] <= EXAMPLES:
                examples.append(str(violation))
        requests = len({violation.seen.case for violation in violations})
        summary = f"{requests} of {sent} requests; all are in {report}"
        pytest.fail("\n".join([summary, table(violations), "", *examples]), pytrace=False)


def test_some_of_the_grid(store: Store, tmp_path: Path) -> None:
    some = cases.sample(600)
    hold(run(store, some), store.name, len(some), tmp_path / "violations.txt")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_grid(store: Store, tmp_path: Path) -> None:
    few = FEW.get(store.name)
    sent = cases.sample(few) if few else cases.grid()
    assert few or len(sent) >= FEWEST
    findings = run(store, sent)
    hold(findings, store.name, len(sent), tmp_path / "violations.txt")
    assert faults.unseen(store.name, findings.violations) == []


def test_the_grid_is_the_same_each_time_and_has_all_of_s3() -> None:
    grid = cases.grid()
    assert grid == cases.grid()
    queries = {(c.method, c.target.partition("?")[2].partition("&")[0]) for c in grid}
    assert {(m, s) for m in METHODS for s in names.selectors()} <= queries
    headers = {name for case in grid for name, _ in case.headers}
    assert {n.lower() for n in names.headers()} - headers == {n.lower() for n in names.FRAMING}


class TestTheOracleItself:
    """What it must see: each change is planted behind the proxy's back."""

    @pytest.fixture
    def plot(self, any_store: Store) -> Iterator[Plot]:
        plot = Plot(any_store, stray=False)
        yield plot
        plot.close()

    # What is done, by boto3 with the plot's names; what is found; the operation that fits.
    PLANTS = (
        ("delete_object", {"Bucket": "open", "Key": "k"}, "object vanishes", "DeleteObject"),
        ("put_object", {"Bucket": "open", "Key": "k"}, "object changes", "PutObject"),
        ("put_object", {"Bucket": "open", "Key": "n"}, "object appears", "CopyObject"),
        (
            "delete_object_tagging",
            {"Bucket": "open", "Key": "k"},
            "tags changes",
            "PutObjectTagging",
        ),
        (
            "create_multipart_upload",
            {"Bucket": "open", "Key": "n"},
            "upload appears",
            "CreateMultipartUpload",
        ),
        ("create_bucket", {"Bucket": "new"}, "bucket appears", "CreateBucket"),
        ("delete_bucket", {"Bucket": "empty"}, "bucket vanishes", "DeleteBucket"),
        (
            "put_bucket_tagging",
            {"Bucket": "open", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
            "config changes",
            "PutBucketTagging",
        ),
    )  # fmt: skip

    @pytest.mark.parametrize(("call", "arguments", "what", "fits"), PLANTS)
    def test_a_change_without_a_question(
        self,
        any_store: Store,
        plot: Plot,
        call: str,
        arguments: dict[str, Any],
        what: str,
        fits: str,
    ) -> None:
        bucket, key = plot.name(arguments["Bucket"]), arguments.get("Key", "")
        getattr(any_store.client(), call)(**arguments | {"Bucket": bucket})
        changes = plot.changes()
        judge = Judge(plot)

        def found(*questions: Question) -> list[str]:
            return [v.what for v in judge.changed(seen(*questions), changes)]

        assert found() == [what]
        assert found(question(fits, bucket, key)) == []
        assert found(question(fits, bucket, key, allowed=False)) == [what]
        assert found(question(fits, bucket, f"/{key}")) == [what]
        assert found(question(fits, plot.name("other"), key)) == [what]
        assert found(question("GetObject", bucket, key)) == [what]
        plot.restore(changes)
        assert plot.changes() == []

    def test_content_that_was_copied_without_a_question_about_its_source(
        self, any_store: Store, plot: Plot
    ) -> None:
        bucket = plot.name("open")
        source = {"Bucket": bucket, "Key": "secret/x"}
        any_store.client().copy_object(Bucket=bucket, Key="k", CopySource=source)
        copy, read = question("CopyObject", bucket, "k"), question("GetObject", bucket, "secret/x")
        judge, changes = Judge(plot), plot.changes()
        assert [v.what for v in judge.changed(seen(copy), changes)] == ["content is told"]
        assert list(judge.changed(seen(copy, read), changes)) == []

    def test_what_is_in_an_answer(self, any_store: Store, plot: Plot) -> None:
        bucket, judge = plot.name("open"), Judge(plot)
        content = any_store.client().get_object(Bucket=bucket, Key="secret/x")["Body"].read()
        listing = "".join(any_store.keys_in(bucket)).encode()
        read, named = question("GetObject", bucket, "secret/x"), question("ListObjects", bucket)
        for body, right, what in (
            (content, read, "content is told"),
            (listing, named, "key's name is told"),
        ):
            assert list(judge.told(seen(right, body=body))) == []
            wrong = question("GetObject", bucket, "k")
            assert [v.what for v in judge.told(seen(wrong, body=body))] == [what]

    def test_an_answer_of_what_is_no_bucket(self, plot: Plot) -> None:
        answer = Seen(Case("planted", "GET", "/minio/x"), "", "minio", Answer(200, {}), ())
        assert [v.what for v in Judge(plot).nowhere(answer, set())] == ["answer of no bucket"]

    def test_characters_that_xml_has_not_are_read_all_the_same(self) -> None:
        body = b"<Key>\x01&#1;&#x1;&#xD800;&#99999999;\xff &#65;&#x42;&amp;&lt;</Key>"
        assert parsed(body).text == "\ufffd" * 6 + " AB&<"

    def test_a_listing_that_fails_hides_what_it_lists_and_nothing_else(self) -> None:
        upload = b"<R><Upload><Key>up</Key><UploadId>1</UploadId></Upload></R>"
        objects = b"<R><Contents><Key>k</Key><ETag>e</ETag></Contents></R>"
        part = b"<R><Part><PartNumber>1</PartNumber><ETag>p</ETag></Part></R>"
        before, no_objects, no_uploads, no_parts = (
            Eye(Told(answers)).look_into(["b"], deep=())
            for answers in (
                (objects, upload, part),
                (b"<R", upload, part),
                (objects, b"<R"),
                (objects, upload, b""),
            )
        )
        assert {piece.kind for piece in before} == {"object", "upload", "part"}
        for after, what, fits in (
            (no_objects, "objects", "PutObject"),
            (no_uploads, "uploads", "CreateMultipartUpload"),
            (no_parts, "uploads", "UploadPart"),
        ):
            (change,) = differences(before, after)
            assert (change.piece.kind, change.piece.detail) == ("listing", what)
            assert fits in fitting(change)
        gone = {piece: value for piece, value in no_objects.items() if piece.kind != "part"}
        assert [c.how for c in differences(before, gone) if c.piece.kind == "part"] == ["vanishes"]

    @pytest.mark.parametrize("name", faults.FAULTS)
    def test_an_excuse_is_for_few_requests_and_missed_where_it_is_not_needed(
        self, name: str
    ) -> None:
        texts = [str(case) for case in cases.grid()]
        for fault in faults.FAULTS[name]:
            assert 0 < sum(bool(re.search(fault.said, text)) for text in texts) < len(texts) / 50
        kinds = sum(len(fault.whats) for fault in faults.FAULTS[name])
        assert len(faults.unseen(name, [])) == kinds
        planted = [
            Violation(what, "object 'open/secret/x' : 'there' -> None", seen())
            for fault in faults.FAULTS[name]
            for what in fault.whats
        ]
        assert faults.inexcusable(name, planted) == planted

    def test_an_excuse_is_for_one_store(self) -> None:
        case = Case("planted", "GET", "/@open@/k/")
        told = Seen(case, case.target, "open", Answer(200, {}), ())
        violation = Violation("content is told", "content of open/k is in the answer", told)
        assert faults.inexcusable("rclone", [violation]) == []
        assert faults.inexcusable("garage", [violation]) == [violation]

    def test_violations_make_a_table(self) -> None:
        violations = [Violation("object vanishes", "it is gone", seen())] * 2
        assert table(violations).splitlines()[1].split()[:4] == ["2", "planted", "GET", "object"]


class Told(Direct):
    """A store that answers with these documents, one after the other."""

    def __init__(self, answers: Iterable[bytes]) -> None:
        self._answers = iter(answers)

    def many(self, requests: Iterable[tuple[str, str]]) -> list[Answer]:
        return [Answer(200, {}, next(self._answers)) for _ in requests]


def question(operation: str, bucket: str, key: str = "", allowed: bool = True) -> Question:
    return Question(operation, bucket, key, "", "", allowed)


def seen(*questions: Question, body: bytes = b"") -> Seen:
    case = Case("planted", "GET", "/planted/k")
    return Seen(case, case.target, "planted", Answer(200, {}, body), questions)
