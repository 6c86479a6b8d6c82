"""What a role_assumer may return besides None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """The temporary keys that somebody gets. ``Session()`` says: those of the role, as it is
    configured. For a role that is not, ``token`` has to be there.

    Attributes:
        name: of the session; None: as the client has said.
        token: the ``token`` of the callbacks, policies and limits for its requests; None:
            as the role in the configuration says, for GetSessionToken the caller's access
            key, and else nobody gets anything.
        claims: what ``request["session"]["claims"]`` shows the validator, texts or lists of
            them; None: the claims that the role names.
        tags: likewise ``request["session"]["tags"]``; None: those that the role lets clients
            set.
        policy: rules that narrow the session, as a dict or as a text with its JSON.
        duration: seconds that it lasts at most; None: as the client has said, or an hour.
    """

    name: str | None = None
    token: str | None = None
    claims: Mapping[str, str | Sequence[str]] | None = None
    tags: Mapping[str, str] | None = None
    policy: Mapping[str, Any] | str | None = None
    duration: float | None = None
