"""An issuer of identity tokens that clients exchange for temporary keys."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from helpers.service import Quiet, Service

AUDIENCE = "proxy"


class Issuer:
    """Signs whatever it is told to, and says by which keys; a context manager."""

    def __enter__(self) -> Issuer:
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate()
        self._service = Service(type("Handler", (_Handler,), {"issuer": self}))
        self._service.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._service.port}"

    def rotate(self) -> None:
        """From now on it signs with a new key, and knows no other one."""
        name = f"key-{time.monotonic_ns()}"
        self._keys = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def issuers(self) -> dict[str, Any]:
        """The parameter `issuers` for this one."""
        return {self.url: {"audiences": [AUDIENCE]}}

    def role(self, **changes: Any) -> dict[str, Any]:
        """A role for all of its subjects."""
        return {"issuers": [self.url], "subjects": "*", **changes}

    def token(self, subject: str = "job-1", **changes: Any) -> str:
        """A token that is good for an hour, but for the changes of its claims."""
        ((name, key),) = self._keys.items()
        now = int(time.time())
        claims = {"iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 3600}
        return jwt.encode({**claims, **changes}, key, algorithm="RS256", headers={"kid": name})

    def answer(self, path: str) -> Any:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            return {"keys": [self._published(name) for name in self._keys]}
        return None

    def _published(self, name: str) -> dict[str, Any]:
        key = self._keys[name].public_key()
        numbers = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
        return {**numbers, "kid": name, "alg": "RS256", "use": "sig"}


class _Handler(Quiet):
    issuer: Issuer

    def do_GET(self) -> None:
        answer = self.issuer.answer(self.path)
        body = json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
