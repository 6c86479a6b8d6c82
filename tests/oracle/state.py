"""What a store holds, as far as it lets its owner look: flat, so that two looks compare."""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote

from helpers.raw import Answer

from oracle import names
from oracle.wire import Direct

_TRIES = 5  # to list the buckets
NULL = "null"  # S3's name for the version of an object that has none
DELETE_MARKER = "delete marker"


class Piece(NamedTuple):
    """One thing that can be there or not, or change."""

    # bucket, config, listing, object, metadata, tags, acl, retention, legal hold, upload, part
    kind: str
    bucket: str
    key: str = ""
    # The version of an object, the id of an upload, the name of a configuration; for a
    # listing that fails: what it lists.
    detail: str = ""


State = dict[Piece, str]


@dataclass(frozen=True)
class Change:
    """A difference between two looks."""

    piece: Piece
    before: str | None
    after: str | None

    @property
    def how(self) -> str:
        if self.before is None:
            return "appears"
        return "vanishes" if self.after is None else "changes"

    def __str__(self) -> str:
        kind, bucket, key, detail = self.piece
        where = f"{bucket}/{key}" if key else bucket
        return f"{kind} {where!r} {detail}: {self.before!r} -> {self.after!r}"


OBJECTS, UPLOADS = "objects", "uploads"  # that a bucket lists
# What is seen by way of which listing.
_SHOWS = {
    OBJECTS: ("object", "metadata", "tags", "acl", "retention", "legal hold"),
    UPLOADS: ("upload", "part"),
}


def differences(before: State, after: State) -> list[Change]:
    """What is other than before, but for what can't be seen because a listing fails."""
    failing = [piece for piece in after if piece.kind == "listing"]
    unseen = {(piece.bucket, kind) for piece in failing for kind in _SHOWS[piece.detail]}
    return [
        Change(piece, before.get(piece), after.get(piece))
        for piece in sorted(before.keys() | after.keys())
        if before.get(piece) != after.get(piece) and (piece.bucket, piece.kind) not in unseen
    ]


_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile("&#(?:([0-9]+)|x([0-9a-fA-F]+));")


def legible(text: str) -> str:
    """As XML can have it: what it has not is U+FFFD."""
    return _NOT_IN_XML.sub("\ufffd", text)


def _referred(reference: re.Match[str]) -> str:
    decimal, hexadecimal = reference.groups()
    code = int(decimal) if decimal else int(hexadecimal, 16)
    in_xml = code <= 0x10FFFF and not _NOT_IN_XML.match(chr(code))
    return reference[0] if in_xml else "\ufffd"


def parsed(body: bytes) -> ET.Element:
    """A document without namespaces, on which stores don't agree.

    Keys have characters that XML has not: Garage writes them as they are, rclone refers to
    them by number.
    """
    root = ET.fromstring(_REFERENCE.sub(_referred, legible(body.decode(errors="replace"))))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


# Headers of a HEAD that say nothing about the object, or that others say as well.
_NOT_METADATA = re.compile(
    r"date|server|connection|keep-alive|last-modified|accept-ranges|vary|content-length|"
    r"strict-transport-security|x-content-type-options|x-xss-protection|x-ratelimit-.*|"
    r"x-amz-date|x-amz-content-sha256|x-amz-copy-source|"  # which rclone keeps of the request
    r"x-amz-request-id|x-amzn-requestid|x-amz-id-2|x-amz-tagging-count|x-amz-bucket-region|"
    r"x-amz-object-lock-.*|x-amz-version-id|x-amz-expiration|x-amz-restore|access-control-.*"
)
_VOLATILE = re.compile(
    rb"<(RequestId|HostId|Resource|CreationDate|LastModified|UpdatedAt)>[^<]*</\1>|\s"
)
_LOCKS = {
    "retention": ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"),
    "legal hold": ("x-amz-object-lock-legal-hold",),
}
# A state of a bucket that follows from others.
_DERIVED = {"policyStatus"}


class ListingError(RuntimeError):
    """The store doesn't list what it holds; there are keys that some can't."""


def digest(body: bytes) -> str:
    """An answer of the store without what changes from one to the next."""
    return hashlib.sha256(_VOLATILE.sub(b"", body)).hexdigest()[:12]


_Question = tuple[Piece, str, str]  # what it is about, method, query


def _target(piece: Piece, query: str) -> str:
    path = f"/{piece.bucket}/{quote(piece.key)}" if piece.key else f"/{piece.bucket}"
    return f"{path}?{query}" if query else path


def _entries(answer: Answer, encodes: bool = True) -> Iterator[tuple[str, ET.Element]]:
    """The entries of a listing with their keys; none where the store has no such listing.

    encodes: whether keys are as the listing says that they are.
    """
    if answer.status in (400, 404, 405, 501):
        return
    try:
        root = parsed(answer.body)
    except ET.ParseError as error:
        raise ListingError(str(answer)) from error
    if answer.status != 200 or root.findtext("IsTruncated") == "true":
        raise ListingError(str(answer))
    encoded = encodes and root.findtext("EncodingType") == "url"
    for entry in root:
        if entry.tag in ("Version", "DeleteMarker", "Contents", "Upload"):
            key = entry.findtext("Key") or ""
            yield unquote(key) if encoded else key, entry


def _version(bucket: str, key: str, entry: ET.Element) -> Piece:
    return Piece("object", bucket, key, entry.findtext("VersionId") or NULL)


def _content(entry: ET.Element) -> str:
    if entry.tag == "DeleteMarker":
        return DELETE_MARKER
    return f"{entry.findtext('ETag')} of {entry.findtext('LastModified')}"


def _parts(piece: Piece, answer: Answer) -> State:
    try:
        parts = list(parsed(answer.body).iter("Part"))
    except ET.ParseError:
        return {Piece("listing", piece.bucket, "", UPLOADS): "fails"}
    return {
        piece._replace(detail=f"{piece.detail} {part.findtext('PartNumber')}"): part.findtext(
            "ETag", ""
        )
        for part in parts
    }


def _read(piece: Piece, answer: Answer) -> State:
    """What an answer says about a piece: for an upload its parts, for a HEAD also the locks."""
    if piece.kind == "part":
        return _parts(piece, answer)
    if piece.kind == "metadata":
        fields = {k: v for k, v in answer.headers.items() if not _NOT_METADATA.fullmatch(k)}
        state = {piece: f"{answer.status} {sorted(fields.items())}"}
        for kind, lock in _LOCKS.items():
            if held := [answer.headers[name] for name in lock if name in answer.headers]:
                state[piece._replace(kind=kind)] = " ".join(held)
        return state
    return {piece: f"{answer.status} {digest(answer.body)}"}


class Eye:
    """Looks at a store directly. What the store can't show is found out once."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._versions = self._encodes = True
        self._tags = self._acls = True
        self._configurations: list[str] = []

    def learn(self, bucket: str, key: str) -> None:
        """Finds out what the store can show, by a bucket with one object."""
        versions = self._direct("GET", f"/{bucket}?versions&encoding-type=url")
        self._versions = any(name == key for name, _ in _entries(versions))
        self._encodes = self._undoes(bucket, "per%25cent")
        plain = self._direct("GET", f"/{bucket}").body
        for name in sorted(names.configurations().keys() - _DERIVED):
            answer = self._direct("GET", f"/{bucket}?{name}")
            # 404: there is none yet. A store that lacks it may list the bucket instead.
            known = answer.status == 200 or (
                answer.status == 404 and b"NoSuchKey" not in answer.body
            )
            if known and answer.body[:200] != plain[:200] and b"<Contents>" not in answer.body:
                self._configurations.append(name)
        content = self._direct("GET", f"/{bucket}/{key}").body
        looks = [self._direct("GET", f"/{bucket}/{key}?{what}") for what in ("tagging", "acl")]
        self._tags, self._acls = (a.status == 200 and a.body != content for a in looks)

    def _undoes(self, bucket: str, key: str) -> bool:
        """Whether a key is what its listing says, once that is decoded."""
        target = f"/{bucket}/{quote(key)}"
        self._direct("PUT", target)
        listing = self._direct("GET", f"/{bucket}?encoding-type=url")
        self._direct("DELETE", target)
        return any(name == key for name, _ in _entries(listing))

    def look(self, buckets: Iterable[str], mine: re.Pattern[str], deep: Container[str]) -> State:
        """All buckets whose names match, and what is in those that are known.

        In those of `deep` it looks at each object's metadata and at the configuration, too.
        """
        found = sorted(self.names_of_buckets(mine))
        state = {Piece("bucket", name): "there" for name in found}
        return state | self.look_into(sorted(set(buckets) & set(found)), deep)

    def names_of_buckets(self, mine: re.Pattern[str]) -> Iterator[str]:
        # s3s-fs fails where a bucket goes while it lists them; other workers' buckets do.
        answers = (self._direct("GET", "/") for _ in range(_TRIES))
        answer = next((a for a in answers if a.status == 200), None)
        if answer is None:
            raise ListingError("there is no list of buckets")
        for name in re.findall(rb"<Name>([^<]*)</Name>", answer.body):
            if mine.fullmatch(name.decode()):
                yield name.decode()

    def look_into(self, buckets: Sequence[str], deep: Container[str]) -> State:
        """Everything is asked for at once, and then what the first answers name."""
        listing = "versions" if self._versions else "list-type=2"
        asked = [f"/{b}?{what}&encoding-type=url" for b in buckets for what in (listing, "uploads")]
        answers = self._direct.many(("GET", target) for target in asked)
        state: State = {}
        more: list[_Question] = []
        for bucket, objects, uploads in zip(buckets, answers[::2], answers[1::2], strict=True):
            current = []
            if objects.status == 404:  # it is gone
                continue
            for key, entry in self._listed(bucket, OBJECTS, objects, state):
                state[_version(bucket, key, entry)] = _content(entry)
                if entry.tag != "DeleteMarker" and entry.findtext("IsLatest") != "false":
                    current.append(key)
            for key, entry in self._listed(bucket, UPLOADS, uploads, state):
                upload = entry.findtext("UploadId") or ""
                state[Piece("upload", bucket, key, upload)] = "there"
                more.append(
                    (Piece("part", bucket, key, upload), "GET", f"uploadId={quote(upload)}")
                )
            if bucket in deep:
                more += [q for key in current for q in self._aspects(bucket, key)]
                more += [
                    (Piece("config", bucket, "", name), "GET", name)
                    for name in self._configurations
                ]
        answers = self._direct.many((method, _target(p, query)) for p, method, query in more)
        for (piece, _, _), answer in zip(more, answers, strict=True):
            state |= _read(piece, answer)
        return state

    def _listed(
        self, bucket: str, what: str, answer: Answer, state: State
    ) -> list[tuple[str, ET.Element]]:
        """The entries of a listing; that it fails is a piece of the state."""
        try:
            return list(_entries(answer, self._encodes))
        except ListingError:
            state[Piece("listing", bucket, "", what)] = "fails"
            return []

    def _aspects(self, bucket: str, key: str) -> Iterator[_Question]:
        yield Piece("metadata", bucket, key), "HEAD", ""
        if self._tags:
            yield Piece("tags", bucket, key), "GET", "tagging"
        if self._acls:
            yield Piece("acl", bucket, key), "GET", "acl"

    def read(self, bucket: str, key: str) -> bytes:
        """The content of an object."""
        return self._direct("GET", f"/{bucket}/{quote(key)}").body
