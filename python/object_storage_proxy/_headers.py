"""The headers of a request as a validator sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["Headers"]


class Headers(Mapping[str, str]):
    """Read-only; names in any case. Remembers whether it was looked at.

    A decision that depends on a header holds for one request only, since headers
    are not among the things that decisions are kept by.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self.read = False

    def __getitem__(self, name: str) -> str:
        self.read = True
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        self.read = True
        return iter(self._fields)

    def __len__(self) -> int:
        self.read = True
        return len(self._fields)

    def __repr__(self) -> str:
        self.read = True
        return f"Headers({dict(self._fields)!r})"
