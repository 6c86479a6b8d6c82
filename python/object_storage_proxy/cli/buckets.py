"""Which entry of cos_map a bucket's name finds, as the library finds it (go/config/buckets.go).

The two are held together by tests/vectors/buckets.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["entry_name"]

# What may be a bucket under a pattern: the rules of S3, and capitals and underscores.
_PLAIN = re.compile(r"(?!.*\.\.)(?!\.)[A-Za-z0-9._-]{3,63}(?<!\.)", re.ASCII)

# Names that some store has for itself, where a bucket would be.
_RESERVED = frozenset(
    {
        *("minio", ".minio.sys", "admin", "swift", "auth", ".sgwtmp", ".uploads"),
        *("health", "healthz", "healthcheck", "livez", "readyz", "status", "info"),
        *("metrics", "debug", "crossdomain.xml", "rustfs", "recon", "endpoints"),
        *("create-user", "delete-user", "update-user", "list-users"),
        *("change-bucket-owner", "list-buckets", "moto-api", "_aws", "_localstack"),
    }
)


def entry_name(bucket: str, names: Iterable[str]) -> str | None:
    """The name of the entry for a bucket: its own, else the longest pattern that fits.

    Of patterns of one length the first in the order of the alphabet counts. None:
    there is no such bucket.
    """
    names = list(names)
    if bucket in names:
        return bucket
    if not _PLAIN.fullmatch(bucket) or bucket.lower() in _RESERVED:
        return None
    fitting = [name for name in names if "*" in name and _fits(bucket, name)]
    return min(fitting, key=lambda name: (-len(name.encode()), name), default=None)


def _fits(bucket: str, pattern: str) -> bool:
    before, _, after = pattern.partition("*")
    long_enough = len(bucket) >= len(before) + len(after)
    return long_enough and bucket.startswith(before) and bucket.endswith(after)
