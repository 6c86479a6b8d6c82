"""What a policy makes of requests, for the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _process
from .config import Policy
from .errors import ConfigError


def explain(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a policy makes of a request, for the command line; see osp_explain in osp.h.

    Raises:
        ConfigError: the policy or the request has mistakes; it lists all of them.
        RuntimeError, ImportError: as ProxyServer.start() does.
    """
    from ._document import encode

    return _process.load().explain(encode(request))


def replay(
    policy: Policy, requests: Sequence[Mapping[str, Any]], complete: bool
) -> list[dict[str, Any]]:
    """What a policy makes of requests of an access log; see osp_replay in osp.h.

    Raises:
        ConfigError: the policy or a request has mistakes; it lists all of them.
        RuntimeError, ImportError: as ProxyServer.start() does.
    """
    from ._document import encode, snapshot

    document, mistakes = snapshot({"policy": policy})
    if mistakes:
        raise ConfigError(mistakes)
    document |= {"complete": complete, "requests": requests}
    return _process.load().replay(encode(document))
