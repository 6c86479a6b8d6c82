"""Finds the entry of cos_map for a bucket's name, as the library does (go/stores).

tests/vectors/buckets.json makes sure that the two agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["entry_name"]

# What may match a pattern: a name by S3's rules, but with capitals and underscores, too,
# and none that AWS reserves for other names of a bucket.
_OTHER = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_PLAIN = re.compile(r"(?!.*\.\.)(?!\.)[A-Za-z0-9._-]{3,63}(?<!\.)", re.ASCII)

# Names that some store reserves for itself in the place of a bucket.
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
    """The name of the entry for a bucket: its own, else the longest pattern that matches.

    Of patterns of the same length the alphabetically first one wins. None: there is no
    such bucket.
    """
    names = list(names)
    if bucket in names:
        return bucket
    if not _PLAIN.fullmatch(bucket) or bucket.lower() in _RESERVED:
        return None
    if bucket.lower().endswith(_OTHER):
        return None
    fitting = [name for name in names if "*" in name and _fits(bucket, name)]
    return min(fitting, key=lambda name: (-len(name.encode()), name), default=None)


def _fits(bucket: str, pattern: str) -> bool:
    before, _, after = pattern.partition("*")
    long_enough = len(bucket) >= len(before) + len(after)
    return long_enough and bucket.startswith(before) and bucket.endswith(after)
