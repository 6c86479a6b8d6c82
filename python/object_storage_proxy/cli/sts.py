"""A client of STS that needs nothing but the standard library."""

from __future__ import annotations

import http.client
import shlex
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from xml.etree import ElementTree

from .._issue import TemporaryKeys
from .problems import CommandError, told

__all__ = ["Endpoint", "assume_role_with_web_identity"]

_NAMES = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}
_LONGEST = 1 << 20  # bytes of a response
_PATIENCE = 60.0


@dataclass(frozen=True)
class Endpoint:
    """Where the proxy is.

    Attributes:
        tls: whether it speaks TLS.
        address: host, and perhaps port, as in a URL.
        ca_file: the certificates to trust; None: the system's.
    """

    tls: bool
    address: str
    ca_file: str | None = None

    def connection(self) -> http.client.HTTPConnection:
        """A new one, which connects when it is used."""
        if not self.tls:
            return http.client.HTTPConnection(self.address, timeout=_PATIENCE)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection(self.address, timeout=_PATIENCE, context=context)


def assume_role_with_web_identity(
    endpoint: Endpoint, parameters: Mapping[str, str]
) -> TemporaryKeys:
    """Exchanges an identity token for keys. No redirect is followed: the token is the proxy's."""
    body = urlencode({"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", **parameters})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/xml"}
    try:
        connection = endpoint.connection()
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            status, document = response.status, _parsed(response.read(_LONGEST))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(f"{endpoint.address} can't be asked: {told(error)}") from error
    if status != http.client.OK:
        raise CommandError(f"the proxy refused: {_reason(status, document)}")
    return _keys(document)


def _parsed(text: bytes) -> ElementTree.Element:
    """The document; an empty one in place of what is none."""
    try:
        # Expat bounds what entities may become, and the length is bounded.
        return ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError:
        return ElementTree.Element("nothing")


def _keys(document: ElementTree.Element) -> TemporaryKeys:
    access_key, secret_key, session_token, ends = (
        document.findtext(f".//sts:Credentials/sts:{name}", "", _NAMES)
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    )
    try:
        if not all(map(_one_word, (access_key, secret_key, session_token))):
            raise ValueError("no keys")
        expiration = datetime.fromisoformat(ends.replace("Z", "+00:00"))
    except ValueError as error:
        raise CommandError("the response has no keys: is the endpoint that of a proxy?") from error
    return TemporaryKeys(access_key, secret_key, session_token, expiration)


def _one_word(text: str) -> bool:
    """Whether a key, which is printed as it is, is nothing else to a shell that reads it."""
    return shlex.quote(text) == text


def _reason(status: int, document: ElementTree.Element) -> str:
    """The code and the message of an error of STS's, in one line."""
    code = document.findtext("sts:Error/sts:Code", "", _NAMES)
    message = document.findtext("sts:Error/sts:Message", "", _NAMES)
    return " ".join(f"{code}: {message}".split()) if code else f"the status is {status}"
