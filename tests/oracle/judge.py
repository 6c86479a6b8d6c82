"""Which question to the validator could have allowed what a store did and told."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from helpers.raw import Answer

from oracle import names
from oracle.plot import PREFIX, Plot
from oracle.request import Case
from oracle.state import DELETE_MARKER, NULL, UPLOADS, Change, legible


@dataclass(frozen=True)
class Question:
    """What the validator was asked, in the client's names, and what it said."""

    operation: str
    bucket: str
    key: str
    version: str
    prefix: str  # of a listing
    allowed: bool

    def __str__(self) -> str:
        more = f" version {self.version}" if self.version else ""
        more += f" prefix {self.prefix!r}" if self.prefix else ""
        answer = "yes" if self.allowed else "no"
        return f"{self.operation} {self.bucket}/{self.key}{more}: {answer}"


# --- the validators' rules ---------------------------------------------------------

CLOSED, SECRET = "closed-", "secret/"
LISTS = {"ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"}
READS = {"GetObject", "SelectObjectContent", "GetObjectTorrent"}
# What a store may take a subresource for that it doesn't know.
PLAIN = {
    "ListBuckets", "ListObjects", "ListObjectsV2", "HeadBucket", "CreateBucket", "DeleteBucket",
    "GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject", "DeleteObjects",
    "PostObject", "RenameObject", "CompleteMultipartUpload", "Unknown",
}  # fmt: skip
RULES: dict[str, Callable[[str], bool]] = {
    "trusted": lambda operation: True,
    "named": lambda operation: operation not in PLAIN,
    "blind": lambda operation: operation not in READS | LISTS,
}


def allows(client: str, operation: str, bucket: str, key: str, prefix: str) -> bool:
    """What a user would write: nothing below secret/ or in closed, and the client's own rule."""
    secret = key.startswith(SECRET) or (operation in LISTS and prefix.startswith(SECRET))
    return RULES[client](operation) and not secret and not bucket.startswith(CLOSED)


# --- which operation may do what ---------------------------------------------------

WRITERS = {"PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject", "RenameObject"}
DELETERS = {"DeleteObject", "DeleteObjects", "RenameObject"}
METADATA_READS = READS | {"HeadObject", "GetObjectAttributes"}
# Beside those that write or delete the object as a whole.
ASPECTS = {
    "metadata": {"UpdateObjectEncryption", "PutObjectAnnotation", "DeleteObjectAnnotation"},
    "tags": {"PutObjectTagging", "DeleteObjectTagging"},
    "acl": {"PutObjectAcl"},
    "retention": {"PutObjectRetention"},
    "legal hold": {"PutObjectLegalHold"},
}
BEGINNERS = {"CreateMultipartUpload", "UploadPart", "UploadPartCopy"}
OF_UPLOADS = {
    "upload appears": {"CreateMultipartUpload"},
    # Garage drops the uploads of a key whose object is written or deleted.
    "upload vanishes": {"AbortMultipartUpload", *WRITERS, *DELETERS},
    "part appears": {"UploadPart", "UploadPartCopy"},
    "part changes": {"UploadPart", "UploadPartCopy"},
    "part vanishes": {"AbortMultipartUpload", *WRITERS, *DELETERS},
}
BUCKETS = {"appears": {"CreateBucket"}, "vanishes": {"DeleteBucket"}}


def _same(operation: str) -> str:
    """botocore has some names twice: PutBucketLifecycle, PutBucketLifecycleConfiguration."""
    return operation.removesuffix("Configuration")


def fitting(change: Change) -> set[str]:
    """The operations that may make such a change."""
    kind = change.piece.kind
    if kind == "bucket":
        return BUCKETS[change.how]
    if kind == "config":
        own = {_same(name) for name in names.configurations()[change.piece.detail]}
        return own | BUCKETS.get(change.how, set())
    if kind == "listing" and change.piece.detail == UPLOADS:
        return BEGINNERS
    if kind in ("object", "listing"):
        if change.after == DELETE_MARKER or change.how == "vanishes":
            return DELETERS
        return WRITERS
    if kind in ASPECTS:
        # A version that is deleted brings the one before it back.
        return WRITERS | DELETERS | ASPECTS[kind]
    return OF_UPLOADS[f"{kind} {change.how}"]


@dataclass(frozen=True)
class Seen:
    """A request that was sent, its answer, and the questions that it led to."""

    case: Case
    said: str  # all that the client said, filled in, with escapes undone
    bucket: str  # that the path names
    answer: Answer
    questions: tuple[Question, ...]

    @property
    def succeeded(self) -> bool:
        return 200 <= self.answer.status < 300


@dataclass(frozen=True)
class Violation:
    """Something that no question allowed."""

    what: str
    detail: str
    seen: Seen

    @property
    def kind(self) -> tuple[str, str, str]:
        return self.seen.case.family, self.seen.case.method, self.what

    def __str__(self) -> str:
        asked = "; ".join(map(str, self.seen.questions)) or "nothing"
        text = (
            f"[{self.what}] {self.seen.case}\n    answer  {self.seen.answer.status}\n"
            f"    asked   {asked}\n    but     {self.detail}"
        )
        return text.encode("utf-8", "backslashreplace").decode()  # keys need not be text


def _legible(key: str) -> str:
    """A key as XML can have it: stores list what is no text, and control characters, as U+FFFD."""
    return legible(os.fsencode(key).decode(errors="replace"))


def _causes(changes: Iterable[Change]) -> Iterator[Change]:
    """Without what goes with a bucket or an object that has come, gone or been written."""
    changes = list(changes)
    buckets = {c.piece.bucket for c in changes if c.piece.kind == "bucket"}
    objects = {c.piece[1:3] for c in changes if c.piece.kind == "object"}
    for change in changes:
        kind = change.piece.kind
        if kind == "config" and change.piece.bucket in buckets:
            continue
        if kind in ASPECTS and change.piece[1:3] in objects:
            continue
        yield change


class Judge:
    """Holds requests against the questions about the buckets of a plot."""

    def __init__(self, plot: Plot) -> None:
        self._plot = plot

    # --- names ------------------------------------------------------------------

    def _place(self, question: Question) -> tuple[str, str]:
        """The store's own bucket and key for those of a question."""
        if question.bucket == self._plot.folder and (question.key or question.operation in LISTS):
            return self._plot.name("real"), PREFIX + question.key
        return question.bucket, question.key

    def _asked(
        self, seen: Seen, operations: set[str], bucket: str, key: str | None = ""
    ) -> list[Question]:
        """The questions of these operations that were allowed; None: about any key."""
        return [
            q
            for q in seen.questions
            if q.allowed
            and (q.operation in operations or _same(q.operation) in operations)
            and self._place(q)[0] == bucket
            and (key is None or _legible(self._place(q)[1]) == _legible(key))
        ]

    # --- what changed -------------------------------------------------------------

    def changed(self, seen: Seen, changes: Iterable[Change]) -> Iterator[Violation]:
        """What changed without a question, or into what nobody was allowed to read."""
        for change in _causes(changes):
            kind, bucket, key, detail = change.piece
            asked = self._asked(seen, fitting(change), bucket, None if kind == "listing" else key)
            if kind in ("upload", "part") and change.how == "vanishes":
                asked += self._asked(seen, BUCKETS["vanishes"], bucket)
            if kind == "object" and change.how == "vanishes" and detail != NULL:
                asked = [q for q in asked if q.version == detail]
            if not asked:
                yield Violation(f"{kind} {change.how}", str(change), seen)
            elif kind == "object" and change.after not in (None, DELETE_MARKER):
                content = self._plot.eye.read(bucket, key)
                yield from self._contents(seen, content, f"is now in {key!r}", bucket, key)
            elif kind == "part" and change.after is not None:
                # A part can't be read; but one that was copied as a whole has its source's ETag.
                yield from self._copied(seen, change)

    def _copied(self, seen: Seen, change: Change) -> Iterator[Violation]:
        for seed in self._plot.marks.values():
            if seed.etag == (change.after or "").strip('"'):
                where = self._plot.name(seed.role)
                if not self._asked(seen, READS, where, seed.key):
                    yield Violation("content is told", f"{where}/{seed.key} is now a part", seen)

    # --- what was told ------------------------------------------------------------

    def told(self, seen: Seen) -> Iterator[Violation]:
        """What is in an answer without a question."""
        answer = seen.answer
        head = "\n".join(answer.headers.values()).encode("latin-1")
        yield from self._contents(seen, answer.body + b"\n" + head, "is in the answer")
        if b"n4me" in answer.body or b"n4me" in head:
            yield from self._names(seen, unquote((answer.body + head).decode("latin-1")))
        text = (answer.body + head).decode("latin-1")
        for role in ("closed", "real"):
            bucket = self._plot.name(role)
            asked = any(q.allowed and q.bucket == bucket for q in seen.questions)
            if bucket in text and bucket not in seen.said and not asked:
                yield Violation("bucket's name is told", bucket, seen)
        lists_buckets = seen.case.method == "GET" and not seen.bucket  # each of them is asked about
        if seen.succeeded and not seen.questions and not lists_buckets:
            yield Violation("answer without a question", repr(answer.body[:100]), seen)

    def nowhere(self, seen: Seen, buckets: set[str]) -> Iterator[Violation]:
        """A success in a bucket that the store doesn't have: it is something else there."""
        if seen.succeeded and seen.bucket and seen.bucket not in buckets | self._plot.names:
            detail = f"the store has no bucket {seen.bucket!r}: {seen.answer.body[:100]!r}"
            yield Violation("answer of no bucket", detail, seen)

    def _contents(
        self, seen: Seen, text: bytes, where: str, bucket: str = "", key: str = ""
    ) -> Iterator[Violation]:
        known = set()
        for mark, aspect in sorted(set(_MARK.findall(text))):  # the content comes first
            seed = self._plot.marks.get(mark.decode())
            if seed is None:
                continue
            place = self._plot.name(seed.role), seed.key
            if place == (bucket, key) or place in known:
                continue
            known.add(place)
            what, reads = _ASPECT_READS[aspect]
            if not self._asked(seen, reads, *place):
                detail = f"{what} of {'/'.join(place)} {where}"
                yield Violation(f"{what} is told", detail, seen)

    def _names(self, seen: Seen, text: str) -> Iterator[Violation]:
        for seed in self._plot.marks.values():
            if not seed.secret_name or seed.key.rpartition("/")[2] not in text:
                continue
            bucket = self._plot.name(seed.role)
            lists = [q for q in seen.questions if q.allowed and q.operation in LISTS]
            if not any(self._lists(q, bucket, seed.key) for q in lists):
                yield Violation("key's name is told", f"{bucket}/{seed.key}", seen)

    def _lists(self, question: Question, bucket: str, key: str) -> bool:
        where, folder = self._place(question)
        return where == bucket and key.startswith(folder + question.prefix)


_MARK = re.compile(rb"(m4rk[0-9a-f]{12})-(content|metadata|tag)")
_ASPECT_READS = {
    b"content": ("content", READS),
    b"metadata": ("metadata", METADATA_READS),
    b"tag": ("tags", {"GetObjectTagging"}),
}


def table(violations: Iterable[Violation]) -> str:
    """Kinds and counts, with one request for each."""
    kinds: dict[tuple[str, str, str], list[Violation]] = {}
    for violation in violations:
        kinds.setdefault(violation.kind, []).append(violation)
    lines = [f"{'count':>5}  {'family':16} {'method':7} {'what':26} for example"]
    for (family, method, what), some in sorted(kinds.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(some):5}  {family:16} {method:7} {what:26} {some[0].seen.case}")
    return "\n".join(lines)
