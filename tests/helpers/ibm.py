"""IBM Cloud as far as the proxy sees it: a token service, and COS behind it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from helpers.double import Seen
from helpers.service import Quiet, Service

GRANT = "urn:ibm:params:oauth:grant-type:apikey"


@dataclass
class IamDouble:
    """A token service that checks what it is asked; a context manager.

    It gives every exchange a token of its own, and knows which ones it gave.
    """

    api_keys: set[str]
    expires_in: int = 3600
    tokens: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # answers to give before it works

    def __enter__(self) -> IamDouble:
        self._lock = threading.Lock()
        self._service = Service(type("Handler", (_Handler,), {"iam": self}))
        self._service.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._service.port}/identity/token"

    def exchange(self, path: str, kind: str, form: dict[str, list[str]]) -> tuple[int, object]:
        with self._lock:
            if self.statuses:
                return self.statuses.pop(0), {}
            if (path, kind) != ("/identity/token", "application/x-www-form-urlencoded"):
                self.problems.append(f"asked {path} with {kind}")
            if form.get("grant_type") != [GRANT] or set(form) != {"grant_type", "apikey"}:
                self.problems.append(f"asked with the fields {sorted(form)}")
            if form.get("apikey", [""])[0] not in self.api_keys:
                return 400, {"errorCode": "BXNIM0415E", "errorMessage": "Provided API key ..."}
            self.tokens.append(f"bearer-{len(self.tokens) + 1}")
            return 200, {
                "access_token": self.tokens[-1],
                "token_type": "Bearer",
                "expires_in": self.expires_in,
            }

    def problem_with_bearer(self, seen: Seen) -> str | None:
        """For S3Double.check: COS takes the tokens that this service gave."""
        scheme, _, token = seen.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return f"Authorization is {scheme} {token[:10]}"
        if "x-amz-date" in seen.headers or "x-amz-security-token" in seen.headers:
            return "a signature beside the token"
        return None


class _Handler(Quiet):
    iam: IamDouble

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        status, answer = self.iam.exchange(self.path, self.headers["Content-Type"], form)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
