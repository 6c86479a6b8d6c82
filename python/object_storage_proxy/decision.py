"""What a validator may return beside True and False."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Decision"]


class Decision(NamedTuple):
    """A validator's answer with its terms.

    Attributes:
        allow: True allows, False refuses.
        ttl: seconds that the decision is kept; None: the bucket's own ttl, or not at
            all when a header of the request was looked at; 0: not at all. A refusal is
            never kept for more than 30 seconds.
        reason: for the log, and with ``show_reasons`` for the client.
    """

    allow: bool
    ttl: float | None = None
    reason: str | None = None
