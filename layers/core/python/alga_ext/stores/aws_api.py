"""Signed requests to AWS without the SDK, whose import and clients add a quarter of a second to a cold start.

The settings are the environment variables of the SDK.
"""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from alga_ext.stores.aws_credentials import CredentialSource, NoCredentialsError
from alga_ext.stores.aws_signing import signed_headers

_CONNECT_TIMEOUT_S: Final = 1.0
_SHOWN_CHARACTERS: Final = 500
_ENDPOINT_NAMES: Final = {"secretsmanager": "SECRETS_MANAGER"}
"""Names of services in ``AWS_ENDPOINT_URL_…`` that differ from those in their endpoints."""


class NotSignedError(HTTPError):
    """There are no credentials to sign a request with, so that it was not sent."""


class RequestFailed(Exception):
    """A service has answered with an error, or not in JSON. The text has status and error code, never the request."""


class AwsApi:
    """Sends signed requests to the services of one region.

    Args:
        environ: the SDK's variables: ``AWS_REGION`` or ``AWS_DEFAULT_REGION``; ``AWS_ENDPOINT_URL_{SERVICE}`` or
            ``AWS_ENDPOINT_URL`` for endpoints other than the region's; ``AWS_CA_BUNDLE``; credentials, see
            ``CredentialSource``.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        self._credentials = CredentialSource(environ)
        self._plain = urllib3.PoolManager()

    @cached_property
    def _secure(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(ssl_context=_tls(self._environ.get("AWS_CA_BUNDLE") or None))

    def endpoint(self, service: str) -> str:
        """Return the base URL of a service, without a slash at the end.

        Raises:
            ValueError: neither an endpoint nor a region is set.
        """
        name = f"AWS_ENDPOINT_URL_{_ENDPOINT_NAMES.get(service, service.upper())}"
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
            urllib3.exceptions.HTTPError: there is no response, or (``NotSignedError``) no request.
            ValueError: see ``endpoint``.
        """
        url = self.endpoint(service) + path
        try:
            credentials = self._credentials.current()
        except NoCredentialsError as error:
            raise NotSignedError(str(error)) from error
        now = datetime.now(UTC)
        signed = signed_headers(method, url, self._region, service, credentials, now, headers or {}, body)
        pool = self._secure if url.startswith("https:") else self._plain
        return pool.request(
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

    def ask(
        self, service: str, target: str, document: Mapping[str, Any], version: str = "1.1", attempts: int = 2
    ) -> Any:
        """Make one request of AWS's JSON protocol and return the answer.

        Args:
            service: see ``request``.
            target: the operation, as ``x-amz-target`` names it.
            document: the operation's arguments.
            version: of the protocol.
            attempts: see ``request``.

        Raises:
            urllib3.exceptions.HTTPError: there is no answer.
            RequestFailed: the service refused the request, or its answer is not JSON.
            ValueError: see ``endpoint``.
        """
        headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
        body = json.dumps(document).encode()
        answer = self.request(service, "POST", "/", headers=headers, body=body, attempts=attempts)
        data = answer.read()
        if answer.status != 200:
            raise RequestFailed(error_of(answer.status, data))
        try:
            return json.loads(data)
        except ValueError:
            message = "the answer is not JSON"
            raise RequestFailed(message) from None


@cache
def _tls(ca_bundle: str | None) -> ssl.SSLContext:
    """Return how connections are verified, the same for all: each loading of the certificates takes 20 ms of CPU."""
    return ssl.create_default_context(cafile=ca_bundle)


def error_of(status: int, body: bytes) -> str:
    """Return the error code that a service gives, without its message, which can quote the request."""
    try:
        code = str(json.loads(body).get("__type", ""))
    except (ValueError, AttributeError):
        code = ""
    return f"status {status} {code[:_SHOWN_CHARACTERS]}".strip()
