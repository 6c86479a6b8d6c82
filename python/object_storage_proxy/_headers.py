"""The headers of a request, as a validator sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

__all__ = ["Headers"]

_forks = 0


def _before_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(before=_before_fork)


class Headers(Mapping[str, str]):
    """Read-only; names are case-insensitive. Records whether anybody may have read it.

    A decision that depends on a header holds for one request only, because decisions
    are not cached under headers. So every ordinary way to read the fields sets the mark; it
    is no defence against code that circumvents it, through closures or the garbage collector.
    A copy is the same object: reading it reads this one. Pickling counts as reading, because
    what happens to that copy can't be seen; so does a fork (on any thread), because
    the child has a copy.
    """

    __slots__ = ("_look", "_looked")

    def __init__(self, fields: Mapping[str, str]) -> None:
        read, forks = False, _forks

        def look() -> Mapping[str, str]:
            nonlocal read
            read = True
            return fields

        def looked() -> bool:
            return read or forks != _forks

        self._look, self._looked = look, looked

    @property
    def read(self) -> bool:
        """Whether a decision made by now may depend on a header."""
        return self._looked()

    def __getitem__(self, name: str) -> str:
        return self._look()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._look())

    def __len__(self) -> int:
        return len(self._look())

    def __repr__(self) -> str:
        return f"Headers({dict(self._look())!r})"

    def __copy__(self) -> Headers:
        return self

    def __deepcopy__(self, memo: object) -> Headers:
        return self

    def __reduce__(self) -> tuple[type[Headers], tuple[dict[str, str]]]:
        return Headers, (dict(self._look()),)
