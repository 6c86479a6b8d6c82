"""What the contestants stand in front of: stores that are not the bottleneck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BUCKET = "files"


@dataclass(frozen=True)
class Addresses:
    """The port on 127.0.0.1 of each bucket's store."""

    by_bucket: Mapping[str, int]
