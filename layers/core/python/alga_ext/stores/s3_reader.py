"""Read objects from S3 without the SDK, whose import and client add a quarter of a second to a cold start.

A request is a GET or HEAD of the path-style URL, signed with Signature Version 4
(https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). The settings are the environment
variables of the SDK.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from alga_ext.stores import objects

_NOTHING_SHA256: Final = hashlib.sha256(b"").hexdigest()
_ERROR_LIMIT_BYTES: Final = 16 * 1024
_CHUNK_BYTES: Final = 1 << 20


class Credentials(NamedTuple):
    """Credentials that sign requests; the token is empty for long-lived keys."""

    key_id: str
    secret: str
    token: str = ""


class S3ObjectReader:
    """``ObjectReader`` over one bucket and prefix.

    Args:
        base: ``s3://bucket`` or ``s3://bucket/prefix``.
        environ: the SDK's variables: ``AWS_REGION`` or ``AWS_DEFAULT_REGION``; ``AWS_ENDPOINT_URL_S3`` or
            ``AWS_ENDPOINT_URL`` for an endpoint other than the region's; ``AWS_CA_BUNDLE``; credentials. If the
            variables contain no credentials, the SDK finds them, for example on a machine with a role.
    """

    def __init__(self, base: str, environ: Mapping[str, str]) -> None:
        bucket, self._prefix = objects.bucket_and_prefix(base)
        self._environ = environ
        self._region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or _endpoint(self._region)
        self._address = f"{endpoint.rstrip('/')}/{bucket}/"
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=1.0, read=5.0),
            # Retry once after a failed connection or one of these statuses. ``_request`` evaluates the last response.
            retries=urllib3.Retry(
                total=1, backoff_factor=0.1, status_forcelist=(500, 502, 503, 504), redirect=0, raise_on_status=False
            ),
            ca_certs=environ.get("AWS_CA_BUNDLE") or None,
        )

    def get(self, key: str) -> bytes:
        """See ``ObjectReader.get``."""
        data = self.get_optional(key)
        if data is None:
            raise objects.not_found(key)
        return data

    def get_optional(self, key: str) -> bytes | None:
        """See ``ObjectReader.get_optional``."""
        try:
            answer = self._request("GET", key)
            return None if answer is None else answer.read()
        except HTTPError as error:
            raise objects.unavailable(key, error) from error

    def size(self, key: str) -> int | None:
        """See ``ObjectReader.size``."""
        try:
            answer = self._request("HEAD", key)
            return None if answer is None else int(answer.headers["content-length"])
        except (HTTPError, KeyError, ValueError) as error:
            raise objects.unavailable(key, error) from error

    def download(self, key: str, path: Path) -> objects.Downloaded:
        """See ``ObjectReader.download``."""
        try:
            answer = self._request("GET", key)
            if answer is None:
                raise objects.not_found(key)
            return objects.write_hashed(answer.stream(_CHUNK_BYTES), path)
        except HTTPError as error:
            raise objects.unavailable(key, error) from error

    def _request(self, method: str, key: str) -> urllib3.BaseHTTPResponse | None:
        """Send a signed request and return the response with its body unread, or None when there is no such object."""
        url = self._address + quote(self._prefix + key, safe="/~")
        headers = signed_headers(method, url, self._region, self._credentials(), datetime.now(UTC))
        answer = self._pool.request(method, url, headers=headers, preload_content=False, decode_content=False)
        if answer.status == 200:
            return answer
        found = answer.read(_ERROR_LIMIT_BYTES)
        answer.release_conn()
        # A response to HEAD has no body, so an absent object and an absent bucket look the same.
        if answer.status == 404 and (method == "HEAD" or b"<Code>NoSuchKey</Code>" in found):
            return None
        raise objects.unavailable(key, f"status {answer.status}")

    def _credentials(self) -> Credentials:
        given = self._environ
        if given.get("AWS_ACCESS_KEY_ID") and given.get("AWS_SECRET_ACCESS_KEY"):
            token = given.get("AWS_SESSION_TOKEN", "")
            return Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], token)
        from alga_ext.stores.aws import found_credentials

        return Credentials(*found_credentials())


def signed_headers(method: str, url: str, region: str, credentials: Credentials, now: datetime) -> dict[str, str]:
    """Return the headers that sign an S3 request without query and body; ``url`` is already percent-encoded."""
    parts = urlsplit(url)
    at = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": _NOTHING_SHA256, "x-amz-date": at}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(headers)
    lines = [method, parts.path, "", *(f"{name}:{value}" for name, value in headers.items()), "", names]
    request_sha256 = hashlib.sha256("\n".join([*lines, _NOTHING_SHA256]).encode()).hexdigest()
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    key = f"AWS4{credentials.secret}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{request_sha256}"):
        key = hmac.digest(key, part.encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )
    return headers


def _endpoint(region: str) -> str:
    if not region:
        message = "the object store needs AWS_REGION or AWS_ENDPOINT_URL_S3"
        raise ValueError(message)
    return f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
