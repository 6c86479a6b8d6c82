"""What tests of replicas at one Valkey share."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from helpers.clients import CLIENT, Keys
from helpers.raw import send, sign

# What is measured of a shared state, with its labels.
METRICS: dict[str, set[str]] = {
    "osp_shared_state_up": set(),
    "osp_shared_state_lease": set(),
    "osp_shared_state_replicas": set(),
    "osp_shared_state_revocations_behind": set(),
    "osp_shared_state_answers_total": {"result"},
    "osp_shared_state_commands_total": set(),
    "osp_shared_state_failures_total": set(),
    "osp_shared_state_command_seconds_total": set(),
    "osp_shared_state_losses_total": set(),
}

_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"


def user(password: str) -> str:
    """The user that the documentation tells operators to make, as a line of an ACL file."""
    [rights] = re.findall(r"^ACL SETUSER (osp .*)$", _DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return f"user {rights.replace('PASSWORD', password)}\n"


def key(name: str, fill: int) -> str:
    """One of a keyring."""
    return f"{name}:{base64.b64encode(bytes([fill]) * 32).decode()}"


def get(url: str, keys: Keys = CLIENT, target: str = "/data/k") -> int:
    """The status of a request to a replica."""
    return send(url, "GET", target, sign("GET", url + target, keys)).status


def presigned(fronts: Sequence[Any], count: int) -> list[int]:
    """The statuses of one URL that is used so many times, by way of all replicas."""
    s3 = fronts[0].boto(signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", {"Bucket": "data", "Key": "k"})
    host = url.split("/")[2]  # it is signed, so all are asked by the name of the first
    targets = [url.replace(host, f.url().removeprefix("http://")) for f in fronts]
    with ThreadPoolExecutor(40) as pool, httpx.Client() as client:

        def use(i: int) -> int:
            return client.get(targets[i % len(targets)], headers={"Host": host}).status_code

        return list(pool.map(use, range(count)))
