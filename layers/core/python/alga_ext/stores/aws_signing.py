"""Sign requests with Signature Version 4, in headers or in a URL: pure.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_NO_BODY_SHA256: Final = hashlib.sha256(b"").hexdigest()


class Credentials(NamedTuple):
    """Credentials that sign requests; the token is empty for long-lived keys."""

    key_id: str
    secret: str
    token: str = ""


def signed_headers(
    method: str,
    url: str,
    region: str,
    service: str,
    credentials: Credentials,
    now: datetime,
    headers: Mapping[str, str],
    body: bytes,
) -> dict[str, str]:
    """Return all headers of a signed request without a query; ``url`` is already percent-encoded.

    The path is encoded once more in what is signed, except for S3.
    """
    parts = urlsplit(url)
    at = _timestamp(now)
    body_sha256 = hashlib.sha256(body).hexdigest()
    signed = {**headers, "host": parts.netloc, "x-amz-content-sha256": body_sha256, "x-amz-date": at}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    signed = dict(sorted(signed.items()))
    names = ";".join(signed)
    path = parts.path if service == "s3" else quote(parts.path, safe="/~")
    scope = _scope(at, region, service)
    lines = [method, path, "", *(f"{name}:{value}" for name, value in signed.items()), "", names, body_sha256]
    signature = _signature(credentials.secret, at, scope, lines)
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return signed


def presigned_url(
    url: str,
    query: Mapping[str, str],
    region: str,
    service: str,
    credentials: Credentials,
    now: datetime,
    expires_in_s: int,
) -> str:
    """Return a URL with its signature in the query: a GET without a body, valid for ``expires_in_s`` seconds.

    Args:
        url: with its path, without a query.
        query: what the request asks for; it is part of what is signed.
        region: of the service.
        service: its name in signatures.
        credentials: sign the URL. A session token is part of the URL.
        now: the instant at which the URL becomes valid, in UTC.
        expires_in_s: for how many seconds it is valid.
    """
    parts = urlsplit(url)
    at = _timestamp(now)
    scope = _scope(at, region, service)
    whole = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.key_id}/{scope}",
        "X-Amz-Date": at,
        "X-Amz-Expires": str(expires_in_s),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        whole["X-Amz-Security-Token"] = credentials.token
    encoded = {name: f"{_quoted(name)}={_quoted(value)}" for name, value in whole.items()}
    canonical = "&".join(encoded[name] for name in sorted(encoded))
    lines = ["GET", quote(parts.path, safe="/~"), canonical, f"host:{parts.netloc}", "", "host", _NO_BODY_SHA256]
    signature = _signature(credentials.secret, at, scope, lines)
    return f"{url}?{'&'.join(encoded.values())}&X-Amz-Signature={signature}"


def _timestamp(now: datetime) -> str:
    return now.strftime("%Y%m%dT%H%M%SZ")


def _scope(at: str, region: str, service: str) -> str:
    return f"{at[:8]}/{region}/{service}/aws4_request"


def _signature(secret: str, at: str, scope: str, lines: list[str]) -> str:
    """Return the signature of a canonical request, given by its lines."""
    request_sha256 = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    signed = f"{_ALGORITHM}\n{at}\n{scope}\n{request_sha256}"
    return hmac.digest(_signing_key(secret, scope), signed.encode(), "sha256").hex()


@lru_cache(maxsize=16)
def _signing_key(secret: str, scope: str) -> bytes:
    """Return the key for one day, region and service: four of the five steps of a signature."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
