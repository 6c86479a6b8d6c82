"""A few buckets of a store that are as they were before each request."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Container, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from helpers.stores import Store

from oracle import documents
from oracle.state import NULL, Change, Eye, Piece, State, differences
from oracle.wire import Direct, Headers

_RESERVE = 10  # buckets that requests may spoil
PREFIX = "team/"  # of the entry "folder"
TAG = "about"
_FILL = re.compile(r"@([a-z-]+)@")
_BASE64 = re.compile(r"\{base64:([^}]*)\}")


@dataclass(frozen=True)
class Seed:
    """An object that is there before each request; `mark` is in nothing else.

    A listing is the only way to learn the name of an object with a secret name.
    """

    role: str
    key: str
    mark: str
    secret_name: bool = False

    @property
    def content(self) -> bytes:
        return f"{self.mark}-content of {self.role} {self.key}\n".encode()

    @property
    def etag(self) -> str:
        return hashlib.md5(self.content).hexdigest()

    @property
    def headers(self) -> Headers:
        tags = f"{TAG}={self.mark}-tag"
        return (("x-amz-meta-about", f"{self.mark}-metadata"), ("x-amz-tagging", tags))


# What is in the buckets, by role. The validator of the oracle refuses what is below
# secret/, and the whole of closed. There is no bucket "new".
CONTENTS = {
    "open": ["k", "dir/x", "public/x", "secret/x", "secret/?"],
    "other": ["k", "secret/x"],
    "closed": ["k", "?"],
    "empty": [],
    "kept": ["k", "secret/x"],  # has versions and locks, where the store knows them
    "real": ["team/k", "team/secret/x", "outside/x", "outside/?", "k", "secret/x"],
}
# Uploads that have been begun, with one part; by the name that stands for their id.
UPLOADS = {"upload": ("open", "up"), "secret-upload": ("open", "secret/up")}


def _in_base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class UnrestorableError(RuntimeError):
    """The store doesn't let go of what a request has made."""


class Plot:
    """The buckets of one worker. No other worker's requests name them."""

    def __init__(self, store: Store, stray: bool) -> None:
        """stray: buckets of nobody, such as one called "minio", are this plot's, too."""
        self.tag = uuid.uuid4().hex[:8]
        self._mine = re.compile(
            rf"[a-z]+-{self.tag}-.*" + ("|(?![a-z]+-[0-9a-f]{8}-).*" if stray else "")
        )
        self._direct = Direct(store.url, store.keys)
        self.eye = Eye(self._direct)
        self._names = {role: f"{role}-{self.tag}-0" for role in (*CONTENTS, "new")}
        self._seeds = [self._seed(role, key) for role, keys in CONTENTS.items() for key in keys]
        self._uploads = {name: self._seed(*where) for name, where in UPLOADS.items()}
        self.marks = {seed.mark: seed for seed in (*self._seeds, *self._uploads.values())}
        self._ids: dict[str, str] = {}
        self._strays: set[str] = set(self.eye.names_of_buckets(self._mine))
        for role in CONTENTS:
            self._build(role)
        self.eye.learn(self.name("open"), "k")
        self.state = self.look(list(self._names.values()))

    def close(self) -> None:
        self._direct.close()

    def name(self, role: str) -> str:
        return self._names[role]

    @property
    def names(self) -> set[str]:
        """All its buckets, whether they are there or not."""
        return {self.folder, *self._names.values()}

    @property
    def folder(self) -> str:
        """The name of the proxy's entry for a folder of the bucket "real"."""
        return self.name("real").replace("real", "folder", 1)

    def entries(self) -> dict[str, dict[str, str]]:
        """What the entries of folders add to an entry for the store, some in reserve."""
        prefix = PREFIX.rstrip("/")
        return {
            f"folder-{self.tag}-{n}": {"bucket": f"real-{self.tag}-{n}", "prefix": prefix}
            for n in range(_RESERVE)
        }

    def _seed(self, role: str, key: str) -> Seed:
        unique = hashlib.sha256(f"{self.tag} {role} {key}".encode()).hexdigest()[:12]
        return Seed(role, key.replace("?", f"n4me{unique}"), f"m4rk{unique}", "?" in key)

    def fill(self, text: str) -> str:
        """Replaces `@open@` and the like by the names and ids of this plot.

        What stands in `{base64:...}` is then written so, in the alphabet for URLs.
        """
        filled = _FILL.sub(lambda match: self._value(match[1]) or match[0], text)
        return _BASE64.sub(lambda match: _in_base64(match[1]), filled)

    def _value(self, name: str) -> str | None:
        if name == "folder":
            return self.folder
        if name == "secret-hash":  # where some stores keep an upload's parts
            return hashlib.sha256(self._uploads["secret-upload"].key.encode()).hexdigest()
        if name == "secret-path-hash":
            seed = self._uploads["secret-upload"]
            return hashlib.sha256(f"{self.name(seed.role)}/{seed.key}".encode()).hexdigest()
        return self._names.get(name) or self._ids.get(name)

    # --- looking --------------------------------------------------------------

    def look(self, deep: Container[str]) -> State:
        state = self.eye.look(self._names.values(), self._mine, deep)
        return {piece: value for piece, value in state.items() if piece.bucket not in self._strays}

    def changes(self, deep: Container[str] | None = None) -> list[Change]:
        """What is other than before the last request.

        Metadata and configurations are looked at in the buckets of `deep`; None: in all.
        """
        deep = list(self._names.values()) if deep is None else deep
        before = {p: v for p, v in self.state.items() if p.kind in _SHALLOW or p.bucket in deep}
        return differences(before, self.look(deep))

    # --- putting back ---------------------------------------------------------

    def restore(self, changes: list[Change], written: Sequence[str] = ()) -> None:
        """Puts back what a request has changed; afterwards `state` is true again.

        written: escaped keys that it named. There are keys that a store takes and doesn't
        list, or that keep it from listing others.
        """
        for bucket in sorted({change.piece.bucket for change in changes}):
            mine = [change for change in changes if change.piece.bucket == bucket]
            role = next((role for role, name in self._names.items() if name == bucket), None)
            if role in CONTENTS:
                if not self._mend(role, mine):
                    self._rebuild(role, written)
            elif mine[0].piece.kind == "bucket" and not self._remove(bucket, written):
                if role is None:
                    self._strays.add(bucket)
                else:
                    self._next_name(role)

    def _mend(self, role: str, changes: list[Change]) -> bool:
        """Puts back single objects and uploads, where that is enough."""
        bucket = self.name(role)
        started = {c.piece.detail for c in changes if c.piece.kind == "upload" and c.before is None}
        keys = set()
        for change in changes:
            kind, _, key, detail = change.piece
            if detail.split(" ")[0] in started:
                self._direct("DELETE", f"/{bucket}/{quote(key)}?uploadId={quote(detail)}")
            elif kind in ("metadata", "tags", "acl") or (kind == "object" and detail == NULL):
                keys.add(key)
            else:
                return False
        for key in keys:
            self._direct("DELETE", f"/{bucket}/{quote(key)}")
        for seed in self._seeds_of(role):
            if seed.key in keys:
                self._put(seed)
        return self._is_restored(bucket)

    def _is_restored(self, bucket: str) -> bool:
        """Takes up the bucket's new state if it is the old one but for times."""
        old = {p: v for p, v in self.state.items() if p.bucket == bucket and p.kind in _SHALLOW}
        new = self.eye.look_into([bucket], deep=())
        new[Piece("bucket", bucket)] = "there"
        same = {p: _timeless(v) for p, v in old.items()} == {
            p: _timeless(v) for p, v in new.items()
        }
        if same:
            self.state |= new
        return same

    def _rebuild(self, role: str, written: Sequence[str]) -> None:
        bucket = self.name(role)
        gone = self._remove(bucket, written)
        self.state = {p: v for p, v in self.state.items() if p.bucket != bucket}
        if not gone:
            self._next_name(role)
        self._build(role)
        bucket = self.name(role)
        self.state |= self.eye.look_into([bucket], deep=[bucket])
        self.state[Piece("bucket", bucket)] = "there"

    def _remove(self, bucket: str, written: Sequence[str]) -> bool:
        for key in written:
            self._direct("DELETE", f"/{bucket}/{key}")
        for kind, _, key, detail in self.eye.look_into([bucket], deep=()):
            target = f"/{bucket}/{quote(key)}"
            if kind == "upload":
                self._direct("DELETE", f"{target}?uploadId={quote(detail)}")
            elif kind == "object":
                version = "" if detail == NULL else f"versionId={quote(detail)}"
                force = (("x-amz-bypass-governance-retention", "true"),)
                if self._direct("DELETE", f"{target}?{version}", headers=force).status == 403:
                    off = documents.OF_OBJECTS["legal-hold"].replace(b"ON", b"OFF")
                    self._direct("PUT", f"{target}?legal-hold&{version}", off)
                    self._direct("DELETE", f"{target}?{version}", headers=force)
        return self._direct("DELETE", f"/{bucket}").status in (204, 404)

    def _next_name(self, role: str) -> None:
        """A bucket that can't be removed is left behind."""
        self._strays.add(self._names[role])
        stem, _, number = self._names[role].rpartition("-")
        self._names[role] = f"{stem}-{int(number) + 1}"
        if role == "real" and self.folder not in self.entries():
            raise UnrestorableError(f"the proxy has no entry {self.folder}")

    # --- building -------------------------------------------------------------

    def _build(self, role: str) -> None:
        bucket = self.name(role)
        locks: Headers = (("x-amz-bucket-object-lock-enabled", "true"),)
        made = self._direct("PUT", f"/{bucket}", headers=locks if role == "kept" else ())
        if made.status != 200:
            made = self._direct("PUT", f"/{bucket}")
        if made.status != 200:
            raise UnrestorableError(f"making {bucket}: {made}")
        for seed in self._seeds_of(role):
            self._put(seed)
        if role == "kept":
            old = f"/{bucket}/k"
            self._ids["version"] = self._direct("HEAD", old).headers.get("x-amz-version-id", NULL)
            self._put(next(seed for seed in self._seeds_of(role) if seed.key == "k"))
        for name, seed in self._uploads.items():
            if seed.role == role:
                self._start_upload(name, f"/{bucket}/{quote(seed.key)}", seed.content)

    def _seeds_of(self, role: str) -> list[Seed]:
        return [seed for seed in self._seeds if seed.role == role]

    def _put(self, seed: Seed) -> None:
        target = f"/{self.name(seed.role)}/{quote(seed.key)}"
        made = self._direct("PUT", target, seed.content, seed.headers)
        if made.status != 200:  # a store that has no tags
            made = self._direct("PUT", target, seed.content, seed.headers[:1])
        if made.status != 200:
            raise UnrestorableError(f"putting {target}: {made}")

    def _start_upload(self, name: str, target: str, part: bytes) -> None:
        answer = self._direct("POST", f"{target}?uploads=")
        found = re.search(rb"<UploadId>([^<]+)", answer.body)
        if not found:
            raise UnrestorableError(f"starting an upload of {target}: {answer}")
        upload = self._ids[name] = found[1].decode()
        made = self._direct("PUT", f"{target}?partNumber=1&uploadId={quote(upload)}", part)
        self._ids[f"{name}-part"] = made.headers.get("etag", "").strip('"')


_SHALLOW = ("bucket", "listing", "object", "upload", "part")


def _timeless(value: str) -> str:
    return value.partition(" of ")[0]
