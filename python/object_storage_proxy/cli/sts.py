"""A client of STS that needs nothing but the standard library."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlencode
from xml.etree import ElementTree

from .problems import CommandError, told
from .temporary import TemporaryKeys

__all__ = ["assume_role_with_web_identity"]

_NAMES = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/"}
_LONGEST = 1 << 20  # bytes of a response
_PATIENCE = 60.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for whom it was meant, wherever that would send it."""

    def redirect_request(self, *_: object) -> None:
        return None


def assume_role_with_web_identity(
    endpoint: str, parameters: Mapping[str, str], ca_file: str | None
) -> TemporaryKeys:
    """Exchanges an identity token for keys.

    Args:
        endpoint: URL of the proxy.
        parameters: of the action.
        ca_file: the certificates to trust, PEM; None: the system's.
    """
    body = urlencode({"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", **parameters})
    request = urllib.request.Request(endpoint, body.encode(), {"Accept": "text/xml"})
    try:
        tls = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise CommandError(f"the certificates can't be read: {told(error)}", status=2) from error
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=tls))
    try:
        with opener.open(request, timeout=_PATIENCE) as response:
            return _keys(response.read(_LONGEST))
    except urllib.error.HTTPError as error:
        raise CommandError(f"the proxy refused: {_reason(error)}") from None
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(f"{endpoint} can't be reached: {told(error)}") from error


def _keys(document: bytes) -> TemporaryKeys:
    try:
        found = ElementTree.fromstring(document).find(".//sts:Credentials", _NAMES)
    except ElementTree.ParseError:
        found = None
    texts = [
        "" if found is None else found.findtext(f"sts:{name}", "", _NAMES)
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    ]
    if not all(texts):
        raise CommandError("the response has no keys: is the endpoint that of the proxy?")
    return TemporaryKeys(*texts)


def _reason(error: urllib.error.HTTPError) -> str:
    """The code and the message of an error of STS's, in one line."""
    try:
        document = ElementTree.fromstring(error.read(_LONGEST))
    except (OSError, http.client.HTTPException, ElementTree.ParseError):
        return f"status {error.code}"
    code = document.findtext("sts:Error/sts:Code", "", _NAMES)
    message = document.findtext("sts:Error/sts:Message", "", _NAMES)
    return " ".join(f"{code}: {message}".split()) if code else f"status {error.code}"
