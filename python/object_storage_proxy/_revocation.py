"""What invalidate() is given, as the library reads it."""

from __future__ import annotations

LONGEST_WAIT = 3600  # seconds


def wire(name: str, text: str | None) -> bytes | None:
    """A string that a callback got, as the bytes that the client sent."""
    if not isinstance(text, (str, type(None))):
        raise TypeError(f"{name} must be a str or None, not {type(text).__name__}")
    return None if text is None else text.encode("utf-8", "surrogateescape")


def revocation(
    token: str | None, bucket: str | None, role: str | None, subject: str | None
) -> dict[str, bytes | None]:
    """What a revocation is about, as the library reads it."""
    of_sessions = role is not None or subject is not None
    if of_sessions and (token is not None or bucket is not None):
        raise ValueError("role and subject can't be combined with token and bucket")
    given = {"token": token, "bucket": bucket, "role": role, "subject": subject}
    return {name: wire(name, text) for name, text in given.items()}


def keeps_sessions(sessions: bool, role: str | None, subject: str | None) -> bool:
    """Whether temporary keys go on. What is not plainly True or False is refused: None means
    all elsewhere.
    """
    if not isinstance(sessions, bool):
        raise TypeError(f"sessions must be a bool, not {type(sessions).__name__}")
    if not sessions and (role is not None or subject is not None):
        raise ValueError("role and subject end temporary keys: sessions=False leaves nothing to do")
    return not sessions


def milliseconds(name: str, seconds: float) -> int:
    """Seconds to wait, for the library."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(seconds).__name__}")
    if not 0 <= seconds <= LONGEST_WAIT:
        raise ValueError(f"{name} must be between 0 and {LONGEST_WAIT} seconds")
    return int(seconds * 1000)
