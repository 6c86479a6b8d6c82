"""Lists buckets through a proxy, and finds in its log why it refused."""

from __future__ import annotations

import http.client
import logging
import re
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from urllib.parse import urlsplit

from .sigv4 import Credentials, presign

__all__ = ["Causes", "Lister", "Listing"]

_LOG_WAIT = 1.0  # seconds; log lines arrive a little after the response
_GRACE = 5.0  # seconds beyond the proxy's own time limits


@dataclass(frozen=True)
class Listing:
    """How listing a bucket went.

    Attributes:
        problem: why it failed; None: it did not.
        region: where the store says that the bucket is, or None.
        seconds: until the response arrived.
    """

    problem: str | None
    region: str | None
    seconds: float


class Lister:
    """A client of a proxy that lists buckets."""

    def __init__(self, url: str, pair: dict[str, str], timeout: float, causes: Causes) -> None:
        self._host = urlsplit(url).netloc
        self._credentials = Credentials(pair["access_key"], pair["secret_key"])
        self._timeout = 2 * timeout + _GRACE  # the fetcher's, and the store's
        self._causes = causes
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def list_one(self, bucket: str) -> Listing:
        """Lists at most one key of a bucket."""
        url = presign(
            self._credentials,
            "GET",
            "http",
            self._host,
            f"/{bucket}",
            region="us-east-1",
            expires=600,
            now=datetime.now(timezone.utc),
            query=[("list-type", "2"), ("max-keys", "1")],
        )
        began = time.monotonic()
        region = None
        problem: str | None = None
        try:
            with self._opener.open(url, timeout=self._timeout) as response:
                region = response.headers.get("x-amz-bucket-region")
                response.read()
        except urllib.error.HTTPError as error:
            with error:
                problem = self._refusal(error)
        except (OSError, http.client.HTTPException) as error:
            problem = f"no response: {error}"
        return Listing(problem, region, time.monotonic() - began)

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        body = error.read().decode("utf-8", "replace")
        texts = [re.search(f"<{tag}>([^<]*)</{tag}>", body) for tag in ("Code", "Message")]
        told = f"{error.code} " + ": ".join(found[1] for found in texts if found)
        cause = self._causes.of(error.headers.get("x-amz-request-id"))
        return f"{told} ({cause})" if cause else told


class Causes(logging.Handler):
    """What a proxy's log says about refusals, by request id, and about callbacks.

    A context manager; enter it before the proxy starts, because only then are the
    lines logged that it needs.

    Attributes:
        failures: of callbacks, each in one line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._log = logging.getLogger("object_storage_proxy")
        self._before = (self._log.level, self._log.propagate)
        self.failures: list[str] = []
        self._found: dict[str, str] = {}
        self._came = threading.Condition()

    def __enter__(self) -> Causes:
        self._log.addHandler(self)
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._log.removeHandler(self)
        self._log.setLevel(self._before[0])
        self._log.propagate = self._before[1]

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            text = " ".join(str(error).split())
            self.failures.append(f"{record.getMessage()}: {type(error).__name__}: {text}")
        details = getattr(record, "osp", None)
        if details is not None and "request_id" in details:
            with self._came:
                self._found[details["request_id"]] = str(details.get("cause", ""))
                self._came.notify_all()

    def of(self, request_id: str | None) -> str:
        """The cause of a refusal; "" if there is none."""
        if request_id is None:
            return ""
        with self._came:
            self._came.wait_for(lambda: request_id in self._found, _LOG_WAIT)
            return self._found.get(request_id, "")
