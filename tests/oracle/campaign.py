"""Sends the grid through a proxy to a store, and judges each request."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import object_storage_proxy as osp
from helpers.clients import Keys
from helpers.stores import Store

from oracle.judge import RULES, Judge, Question, Seen, Violation, allows
from oracle.plot import PREFIX, Plot
from oracle.request import Case
from oracle.state import Change
from oracle.wire import Link, form, md5, signed

WORKERS = 4
BATCH = 50  # requests that seem to change nothing between two thorough looks


@dataclass
class Findings:
    """What came of a campaign."""

    violations: list[Violation] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refused_signatures: list[str] = field(default_factory=list)
    asked: int = 0
    changed: int = 0

    def add(self, other: Findings) -> None:
        self.violations += other.violations
        self.statuses += other.statuses
        self.refused_signatures += other.refused_signatures
        self.asked += other.asked
        self.changed += other.changed


class Validator:
    """Answers by the client's rule, and keeps what it was asked by access key."""

    def __init__(self) -> None:
        self._asked: defaultdict[str, list[Question]] = defaultdict(list)
        self._lock = threading.Lock()

    def __call__(self, token: str, bucket: str, request: dict[str, Any]) -> bool:
        operation, key = request["operation"], request["key"]
        prefix = request.get("prefix") or ""
        allowed = allows(token.partition("-")[0], operation, bucket, key, prefix)
        question = Question(operation, bucket, key, request["version_id"], prefix, allowed)
        with self._lock:
            self._asked[token].append(question)
        return allowed

    def take(self, token: str) -> tuple[Question, ...]:
        """The questions since the last time."""
        with self._lock:
            return tuple(self._asked.pop(token, ()))


class Worker:
    """Sends requests to a plot of its own, one after the other."""

    def __init__(self, plot: Plot, url: str, validator: Validator) -> None:
        self._plot, self._validator = plot, validator
        self._judge = Judge(plot)
        self._link = Link(url)
        self._known: set[tuple[str, Case]] = set()
        self.findings = Findings()

    def run(self, cases: Sequence[Case]) -> Findings:
        for at in range(0, len(cases), BATCH):
            self._run_batch(cases[at : at + BATCH])
        self._link.close()
        return self.findings

    def _run_batch(self, cases: Sequence[Case]) -> None:
        """Looks after each success that is no read, and thoroughly at the end."""
        since: list[Case] = []  # the last look
        for case in cases:
            since.append(case)
            seen = self._send(case)
            self._count(seen)
            self._note(self._judge.told(seen))
            if seen.succeeded and case.method not in ("GET", "HEAD"):
                self._look(seen, since)
                since = []
            else:
                self._note(self._judge.nowhere(seen, self._buckets()))
        if changes := self._plot.changes():
            # A request that seemed to change nothing did, or one changed something that
            # only a thorough look shows.
            self._plot.restore(changes, self._written(cases))
            found = self._one_by_one(cases)
            lost = [str(c) for c in changes if _place(c) not in found]
            self._note(Violation("change of unknown cause", change, seen) for change in lost)

    def _one_by_one(self, cases: Sequence[Case]) -> set[tuple[str, str]]:
        """Sends requests again to find out which of them has changed what."""
        found = set()
        for case in cases:
            seen = self._send(case)
            changes = self._plot.changes()
            found |= set(map(_place, changes))
            self._note(self._judge.changed(seen, changes))
            self._plot.restore(changes, self._written([case]))
        return found

    def _look(self, seen: Seen, since: Sequence[Case]) -> None:
        """Judges what a request has changed, and puts it back."""
        # Configurations and the like are looked at where the request says that it is
        # about them; whatever else has changed there, the look after each batch shows.
        named = [seen.bucket, self._plot.name("real")] if "?" in seen.case.target else []
        changes = self._plot.changes(named)
        came = {c.piece.bucket for c in changes if c.piece.kind == "bucket"}
        self._note(self._judge.nowhere(seen, self._buckets() | came))
        if not changes:
            return
        self.findings.changed += 1
        violations = list(self._judge.changed(seen, changes))
        self._plot.restore(changes, self._written(since))
        if violations and self._changes_something(since[:-1], named):
            found = self._one_by_one(since)
            violations = [] if set(map(_place, changes)) <= found else violations
        self._note(violations)

    def _changes_something(self, cases: Sequence[Case], named: Sequence[str]) -> bool:
        """Whether it may have been one of those before the request that succeeded."""
        for case in cases:
            self._send(case)
        changes = self._plot.changes(named)
        self._plot.restore(changes, self._written(cases))
        return bool(changes)

    def _buckets(self) -> set[str]:
        return {piece.bucket for piece in self._plot.state if piece.kind == "bucket"}

    def _note(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            if (violation.what, violation.seen.case) not in self._known:
                self._known.add((violation.what, violation.seen.case))
                self.findings.violations.append(violation)

    def _count(self, seen: Seen) -> None:
        self.findings.statuses[seen.answer.status] += 1
        self.findings.asked += len(seen.questions)
        if b"SignatureDoesNotMatch" in seen.answer.body:
            self.findings.refused_signatures.append(str(seen.case))

    def _written(self, cases: Sequence[Case]) -> list[str]:
        """The keys that requests name, escaped, as they are in buckets and in the folder."""
        keys = [quote(value) for case in cases for name, value in case.form if name == "key"]
        for case in cases:
            path = self._plot.fill(case.target).partition("?")[0]
            keys.append(path.lstrip("/").partition("/")[2])
        # Dots could lead elsewhere.
        plain = [key for key in keys if key and not {".", ".."} & set(unquote(key).split("/"))]
        return [folder + key for key in plain for folder in ("", PREFIX)]

    def _send(self, case: Case) -> Seen:
        fill = self._plot.fill
        keys = client_keys(case.client, self._plot)
        target = fill(case.target)
        bucket = unquote(target.partition("?")[0].lstrip("/").partition("/")[0])
        body = fill(case.body.decode("latin-1")).replace("@bucket@", bucket).encode("latin-1")
        headers = tuple((name, fill(value)) for name, value in case.headers)
        if case.form:
            kind, body = form({"bucket": bucket} | {n: fill(v) for n, v in case.form}, keys, body)
            head = {"host": self._link.host, "content-type": kind, "content-length": str(len(body))}
        else:
            if body.startswith((b"<", b"{")):
                headers += (("content-md5", md5(body)),)
            head = signed(case.method, self._link.host, target, keys, headers, body)
        self._validator.take(keys.access)
        answer = self._link.send(case.method, target, head, body)
        if answer.status == 403 and b"SignatureDoesNotMatch" in answer.body and not case.form:
            head = signed(case.method, self._link.host, target, keys, headers, body, anew=False)
            answer = self._link.send(case.method, target, head, body)
        said = unquote(" ".join([target, *(v for _, v in headers), body.decode("latin-1")]))
        return Seen(case, said, bucket, answer, self._validator.take(keys.access))


def _place(change: Change) -> tuple[str, str]:
    """What stays the same when buckets, versions and uploads are made anew."""
    return change.piece.kind, change.piece.key


def client_keys(client: str, plot: Plot) -> Keys:
    return Keys(f"{client}-{plot.tag}", "client-secret")


def run(store: Store, cases: Sequence[Case], workers: int = WORKERS) -> Findings:
    """Sends all cases to a store, through a proxy with a pattern and folders."""
    validator, found = Validator(), Findings()
    with ExitStack() as stack:
        plots = [Plot(store, stray=number == 0) for number in range(workers)]
        for plot in plots:
            stack.callback(plot.close)
        entries = {"*": store.entry(ttl=0)}
        for plot in plots:
            entries |= {name: store.entry(ttl=0, **more) for name, more in plot.entries().items()}
        pairs = [client_keys(client, plot) for plot in plots for client in RULES]
        server = stack.enter_context(
            osp.ProxyServer(
                osp.ProxyServerConfig(
                    cos_map=entries,
                    hmac_keystore=[{"access_key": k.access, "secret_key": k.secret} for k in pairs],
                    validator=validator,
                    host="127.0.0.1",
                    http_port=0,
                )
            )
        )
        assert server.http_url is not None
        crew = [Worker(plot, server.http_url, validator) for plot in plots]
        shares = list(_shares(cases, workers))
        with ThreadPoolExecutor(workers) as pool:
            for findings in pool.map(Worker.run, crew, shares):
                found.add(findings)
    return found


def _shares(cases: Sequence[Case], workers: int) -> Iterator[list[Case]]:
    """Equal shares; what may make buckets of nobody goes to the first, who looks for them."""
    alone = [case for case in cases if case.family in ("control plane", "odd path")]
    others = [case for case in cases if case.family not in ("control plane", "odd path")]
    # The first has fewer of the others, so that all end at about the same time.
    share = len(cases) // workers
    first = max(0, share - len(alone))
    yield alone + others[:first]
    for number in range(workers - 1):
        yield others[first + number :: workers - 1]
