"""A token service (STS) as far as the proxy sees it, for stores whose keys are a role's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from helpers.clients import Keys
from helpers.double import REGION, Answer, Seen, problem_with_signature
from helpers.service import Quiet, Service

ARN = "arn:aws:iam::123456789012:role/lake"
PAIR = Keys("pair-access", "pair-secret")  # with which the role may be assumed
_XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass
class StsDouble:
    """A token service that checks what it is asked; a context manager.

    Every session has keys of its own, and it knows which ones it gave.
    """

    expires_in: int = 3600
    answer: Callable[[], Answer | None] = lambda: None  # instead of a session
    forms: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)  # what is good: access key, secret
    given: int = 0

    def __enter__(self) -> StsDouble:
        self._lock = threading.Lock()
        self._service = Service(type("Handler", (_Handler,), {"sts": self}))
        self._service.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._service.port}"

    def revoke(self) -> None:
        """Ends all sessions."""
        with self._lock:
            self.sessions.clear()

    def assume(self, seen: Seen) -> Answer:
        form = {name: " and ".join(v) for name, v in parse_qs(seen.body.decode()).items()}
        with self._lock:
            self.forms.append(form)
            problem = self._problem(seen, form)
            if problem:
                self.problems.append(problem)
            if answer := self.answer():
                return answer
            if problem or form["RoleArn"] != ARN:
                return refusal(403, "AccessDenied")
            self.given += 1
            self.sessions[f"ASIA{self.given}"] = f"session-secret-{self.given}"
            return 200, {}, self._session(form["Action"]).encode()

    def _problem(self, seen: Seen, form: dict[str, str]) -> str | None:
        if seen.headers.get("content-type") != "application/x-www-form-urlencoded":
            return "it is no form"
        if form.get("Action") == "AssumeRoleWithWebIdentity":
            return "it is signed" if "authorization" in seen.headers else None
        if form.get("Action") != "AssumeRole" or "WebIdentityToken" in form:
            return f"the form has {sorted(form)}"
        return _problem_with_signature(seen)

    def _session(self, action: str) -> str:
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.expires_in))
        return (
            f'<{action}Response xmlns="{_XMLNS}"><{action}Result><Credentials>'
            f"<AccessKeyId>ASIA{self.given}</AccessKeyId>"
            f"<SecretAccessKey>session-secret-{self.given}</SecretAccessKey>"
            f"<SessionToken>session-token-{self.given}</SessionToken>"
            f"<Expiration>{ends}</Expiration></Credentials></{action}Result></{action}Response>"
        )

    def problem_with_session(self, seen: Seen) -> str | None:
        """For S3Double.check: the store takes the sessions that this service gave."""
        scheme_and_key = seen.headers.get("authorization", "").partition("/")[0]
        access = scheme_and_key.rpartition("=")[2]
        secret = self.sessions.get(access)
        if secret is None:
            return f"{access!r} is no session"
        token = secret.replace("secret", "token")
        if seen.headers.get("x-amz-security-token") != token:
            return "the session token is another one's"
        return problem_with_signature(seen, Keys(access, secret))


def _problem_with_signature(seen: Seen) -> str | None:
    """As problem_with_signature, but by the rules for services other than S3."""
    authorization = seen.headers.get("authorization", "")
    scope = f"AWS4-HMAC-SHA256 Credential={PAIR.access}/{time.strftime('%Y%m%d', time.gmtime())}"
    if not authorization.startswith(f"{scope}/{REGION}/sts/aws4_request, SignedHeaders="):
        return f"the signature is {authorization!r}"
    signed = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    request = AWSRequest(
        method=seen.method,
        url=f"http://{seen.headers['host']}{seen.target}",
        headers={name: seen.headers[name] for name in signed if name != "host"},
        data=seen.body,
    )
    request.context["timestamp"] = seen.headers["x-amz-date"]
    auth = SigV4Auth(Credentials(PAIR.access, PAIR.secret), "sts", REGION)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    if auth.signature(to_sign, request) != authorization.rpartition("=")[2]:
        return "the signature is wrong"
    return None


def refusal(status: int, code: str) -> Answer:
    """An error in the form of STS."""
    text = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>"
    return status, {}, f'<ErrorResponse xmlns="{_XMLNS}">{text}</ErrorResponse>'.encode()


class _Handler(Quiet):
    sts: StsDouble

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen("POST", self.path, headers)
        seen.body = self.rfile.read(int(headers["content-length"]))
        status, answer, body = self.sts.assume(seen)
        self.send_response(status)
        for name, value in answer.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
