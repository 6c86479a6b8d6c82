"""What stores do otherwise than they were told, where the proxy can't know better.

An excuse is for one store, one kind of violation and the requests that lead to it. One
that is no longer needed fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from oracle.judge import Violation


@dataclass(frozen=True)
class Fault:
    """Why a store does what no question allowed."""

    reason: str
    whats: frozenset[str]  # of violations
    said: str  # a pattern in the request
    done: str  # a pattern in the detail of the violation

    def excuses(self, violation: Violation) -> bool:
        return (
            violation.what in self.whats
            and bool(re.search(self.said, str(violation.seen.case)))
            and bool(re.search(self.done, violation.detail))
        )


def _slash(*whats: str) -> Fault:
    reason = "An object with a slash at its end is the one without."
    said = r"/(k|new)/(\?(versionId=null|x-[\w-]+))?(  |$)|<Key>k/</Key>|key: (k|new)/  "
    return Fault(reason, frozenset(whats), said, r"/(team/)?(k|new)'? ")


_FORM = Fault(
    "A form makes the bucket that it is sent to.",
    frozenset({"bucket appears"}),
    r"POST /@new@  key: ",
    r"^bucket 'new-",
)

FAULTS: dict[str, tuple[Fault, ...]] = {
    "moto": (
        Fault(
            "An upload is found by its id, whatever key is said with it.",
            frozenset({"part changes", "part vanishes", "upload vanishes"}),
            r"(PUT|DELETE) /@open@/\S+\?uploadId=@(secret-)?upload@",
            r"/(secret/)?up' ",
        ),
        Fault(
            "A policy that is none makes every look at its bucket fail.",
            frozenset({"acl changes", "listing appears", "metadata changes", "tags changes"}),
            r"PUT /@open@\?policy",
            r" '?open-",
        ),
    ),
    "rclone": (
        _slash(
            "content is told", "metadata is told",
            "object appears", "object changes", "object vanishes",
        ),
        Fault(
            "To delete what would be below an object deletes the object.",
            frozenset({"object vanishes"}),
            r"DELETE \S+/k/xl\.meta|<Key>k/xl\.meta</Key>",
            r"/(team/)?k' ",
        ),
    ),
    "s3proxy": (
        _slash("content is told", "metadata is told", "object changes", "object vanishes"),
        Fault(
            "Every bucket has a location, also one that is not there.",
            frozenset({"answer of no bucket"}),
            r"GET /[\w-]+\?location$",
            "<LocationConstraint ",
        ),
    ),
    "s3s-fs": (
        _slash("content is told"),
        _FORM,
        Fault(
            "A bucket is deleted with all that is in it.",
            frozenset({"object vanishes"}),
            r"DELETE /@(open|kept)@(\?metadataConfiguration=?)?(  |$)",
            r"^object '",
        ),
    ),
    "seaweedfs": (_slash("object vanishes"), _FORM),
}  # fmt: skip


def inexcusable(store: str, violations: Iterable[Violation]) -> list[Violation]:
    """Those that are not a store's own fault."""
    faults = FAULTS.get(store, ())
    return [v for v in violations if not any(fault.excuses(v) for fault in faults)]


def unseen(store: str, violations: Iterable[Violation]) -> list[tuple[str, str]]:
    """The faults, by reason and kind of violation, of which there is none."""
    violations = list(violations)
    return [
        (fault.reason, what)
        for fault in FAULTS.get(store, ())
        for what in sorted(fault.whats)
        if not any(v.what == what and fault.excuses(v) for v in violations)
    ]
