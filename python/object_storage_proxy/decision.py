"""What a validator may return besides True and False."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Decision"]


class Decision(NamedTuple):
    """A validator's answer with its terms.

    Attributes:
        allow: True allows, False refuses.
        ttl: seconds that the decision is cached; None: the bucket's own ttl, or not at
            all if a header of the request was read; 0: not at all. A refusal is
            never cached for more than 30 seconds.
        reason: for the log, and with ``show_reasons`` for the client.
        limits: the name of one of the ``classes`` of ``limits``, which holds for the client in
            the place of the rule for each token; None: that rule. Without such a class the
            request is refused.
    """

    allow: bool
    ttl: float | None = None
    reason: str | None = None
    limits: str | None = None
