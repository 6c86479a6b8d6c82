"""Signature version 4 in a query: presigned URLs.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

__all__ = ["LONGEST", "PARAMETERS", "Credentials", "presign"]

LONGEST = 7 * 24 * 3600  # seconds that a URL may be valid; AWS sets that limit

# The parameters of the signature itself, in lower case.
PARAMETERS = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"  # the body comes from whoever uses the URL


@dataclass(frozen=True)
class Credentials:
    """A key pair, with the session token of a temporary one."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def presign(
    credentials: Credentials,
    method: str,
    scheme: str,
    host: str,
    path: str,
    *,
    region: str,
    expires: int,
    now: datetime,
    query: Iterable[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> str:
    """Returns a URL that is valid for one method, path and query.

    Args:
        scheme: "http" or "https".
        host: as clients will send it, with the port unless it is the scheme's default.
        path: with a leading slash, not yet encoded. A lone surrogate stands for a byte that
            is not UTF-8, here and in `query`.
        expires: seconds from `now`, from 1 to LONGEST.
        now: in UTC.
        query: additional parameters.
        headers: must be sent with the request, exactly like this.

    Raises UnicodeEncodeError for such a byte anywhere else.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = {name.lower(): " ".join(value.split()) for name, value in (headers or {}).items()}
    signed["host"] = host
    names = ";".join(sorted(signed))
    parameters = [
        *query,
        ("X-Amz-Algorithm", _ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{scope}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", names),
    ]
    if credentials.session_token is not None:
        parameters.append(("X-Amz-Security-Token", credentials.session_token))
    encoded_path = quote(path, safe="/-_.~", errors="surrogateescape")
    encoded = "&".join(
        f"{name}={value}"
        for name, value in sorted((_encoded(n), _encoded(v)) for n, v in parameters)
    )
    lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
    canonical = "\n".join([method, encoded_path, encoded, *lines, "", names, _UNSIGNED])
    to_sign = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for step in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{scheme}://{host}{encoded_path}?{encoded}&X-Amz-Signature={signature}"


def _encoded(text: str) -> str:
    """Everything but RFC 3986's unreserved characters, as AWS encodes."""
    return quote(text, safe="-_.~", errors="surrogateescape")
