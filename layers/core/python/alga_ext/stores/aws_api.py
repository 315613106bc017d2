"""Signed requests to AWS without the SDK, whose import and clients add a quarter of a second to a cold start.

A request is signed with Signature Version 4
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The settings are the
environment variables of the SDK.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

_CONNECT_TIMEOUT_S: Final = 1.0


class Credentials(NamedTuple):
    """Credentials that sign requests; the token is empty for long-lived keys."""

    key_id: str
    secret: str
    token: str = ""


class NoCredentialsError(HTTPError):
    """There are no credentials to sign a request with, so that it was not sent."""


class AwsApi:
    """Sends signed requests to the services of one region.

    Args:
        environ: the SDK's variables: ``AWS_REGION`` or ``AWS_DEFAULT_REGION``; ``AWS_ENDPOINT_URL_{SERVICE}`` or
            ``AWS_ENDPOINT_URL`` for endpoints other than the region's; ``AWS_CA_BUNDLE``; credentials. If the variables
            contain no credentials, the SDK finds them, for example on a machine with a role.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        self._pool = urllib3.PoolManager(ca_certs=environ.get("AWS_CA_BUNDLE") or None)

    def endpoint(self, service: str) -> str:
        """Return the base URL of a service, without a slash at the end.

        Raises:
            ValueError: neither an endpoint nor a region is set.
        """
        name = f"AWS_ENDPOINT_URL_{service.upper()}"
        given = self._environ.get(name) or self._environ.get("AWS_ENDPOINT_URL")
        if given:
            return given.rstrip("/")
        if not self._region:
            message = f"requests to {service} need AWS_REGION or {name}"
            raise ValueError(message)
        return f"https://{service}.{self._region}.amazonaws.com{'.cn' if self._region.startswith('cn-') else ''}"

    def request(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        read_timeout_s: float = 3.0,
        attempts: int = 2,
    ) -> urllib3.BaseHTTPResponse:
        """Send a signed request and return the response, whose body is unread and not decoded.

        Args:
            service: name of the service in its endpoint and in signatures.
            method: HTTP method.
            path: percent-encoded path, which begins with a slash. A query is not supported.
            headers: names in lower case. They are signed.
            body: the whole body.
            read_timeout_s: the longest pause in the response.
            attempts: how often the request may be sent, when a connection fails or the response has a status of 500 or
                502 to 504. The last response is returned whatever its status is.

        Raises:
            urllib3.exceptions.HTTPError: there is no response, or (``NoCredentialsError``) no request.
            ValueError: see ``endpoint``.
        """
        url = self.endpoint(service) + path
        now = datetime.now(UTC)
        signed = signed_headers(method, url, self._region, service, self._credentials(), now, headers or {}, body)
        return self._pool.request(
            method,
            url,
            headers=signed,
            body=body or None,
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=read_timeout_s),
            retries=urllib3.Retry(
                total=attempts - 1,
                backoff_factor=0.1,
                status_forcelist=(500, 502, 503, 504),
                allowed_methods=None,
                raise_on_status=False,
            ),
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

    def _credentials(self) -> Credentials:
        given = self._environ
        if given.get("AWS_ACCESS_KEY_ID") and given.get("AWS_SECRET_ACCESS_KEY"):
            token = given.get("AWS_SESSION_TOKEN", "")
            return Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], token)
        try:
            from alga_ext.stores.aws import found_credentials
        except ImportError as error:  # a function without the layer `aws`
            message = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and there is no SDK to find credentials"
            raise NoCredentialsError(message) from error
        return Credentials(*found_credentials())


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
    at = now.strftime("%Y%m%dT%H%M%SZ")
    body_sha256 = hashlib.sha256(body).hexdigest()
    signed = {**headers, "host": parts.netloc, "x-amz-content-sha256": body_sha256, "x-amz-date": at}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    signed = dict(sorted(signed.items()))
    names = ";".join(signed)
    path = parts.path if service == "s3" else quote(parts.path, safe="/~")
    lines = [method, path, "", *(f"{name}:{value}" for name, value in signed.items()), "", names, body_sha256]
    request_sha256 = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    key = f"AWS4{credentials.secret}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{request_sha256}"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )
    return signed
