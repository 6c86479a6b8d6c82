"""An issuer of identity tokens: OpenID Connect as far as the proxy sees it."""

from __future__ import annotations

import json
import ssl
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from helpers.certificates import Certificates
from helpers.service import Quiet, Service

_DISCOVERY = "/.well-known/openid-configuration"
_ALGORITHMS = {
    "RS256": jwt.algorithms.RSAAlgorithm,
    "ES256": jwt.algorithms.ECAlgorithm,
}


class Issuer:
    """It signs what it is told to, with a key that can be changed; a context manager.

    Attributes:
        asked: the paths that it was asked for.
        status: of its responses.
    """

    def __init__(self, certificates: Certificates | None = None, algorithm: str = "ES256") -> None:
        self.asked: list[str] = []
        self.status = 200
        self._algorithm = algorithm
        self._context = None
        if certificates is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificates.cert, certificates.key)
        self._rotations = 0
        self.rotate()

    def __enter__(self) -> Issuer:
        handler = type("Handler", (_Handler,), {"issuer": self})
        self._service = Service(handler, context=self._context)
        self._service.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._service.__exit__(*exc)

    @property
    def url(self) -> str:
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://127.0.0.1:{self._service.port}/realm"

    def rotate(self) -> None:
        """Signs with a new key, and knows no other any more."""
        self._rotations += 1
        self._key: Any = (
            rsa.generate_private_key(65537, 2048)
            if self._algorithm == "RS256"
            else ec.generate_private_key(ec.SECP256R1())
        )

    def token(self, **claims: Any) -> str:
        """A token for alice, but for these claims; None leaves one out."""
        now = int(time.time())
        said = {"iss": self.url, "sub": "alice", "aud": "s3", "iat": now, "exp": now + 600}
        said = {name: claim for name, claim in {**said, **claims}.items() if claim is not None}
        kid = {"kid": str(self._rotations)}
        return jwt.encode(said, self._key, self._algorithm, headers=kid)

    def document(self, path: str) -> object:
        path = path.removeprefix("/realm")
        self.asked.append(path)
        if path == _DISCOVERY:
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        key = _ALGORITHMS[self._algorithm].to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": str(self._rotations), "use": "sig"}]}


class _Handler(Quiet):
    issuer: Issuer

    def do_GET(self) -> None:
        body = json.dumps(self.issuer.document(self.path)).encode()
        self.send_response(self.issuer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
