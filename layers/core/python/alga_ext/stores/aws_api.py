"""Signed requests to AWS without the SDK, whose import and clients add a quarter of a second to a cold start.

The settings are the environment variables of the SDK.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from alga_ext.stores.aws_credentials import CredentialSource, NoCredentialsError
from alga_ext.stores.aws_signing import signed_headers
from alga_ext.stores.http_requests import Connections, NotConnectedError, Response

_SHOWN_CHARACTERS: Final = 500
_ENDPOINT_NAMES: Final = {"secretsmanager": "SECRETS_MANAGER"}
"""Names of services in ``AWS_ENDPOINT_URL_…`` that differ from those in their endpoints."""


class NotSignedError(NotConnectedError):
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
        self._connections = Connections(environ.get("AWS_CA_BUNDLE") or None)

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
    ) -> Response:
        """Send a signed request and return the response, whose body is unread.

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
            HttpError: there is no response, or (``NotSignedError``) no request.
            ValueError: see ``endpoint``.
        """
        url = self.endpoint(service) + path
        try:
            credentials = self._credentials.current()
        except NoCredentialsError as error:
            raise NotSignedError(str(error)) from error
        now = datetime.now(UTC)
        signed = signed_headers(method, url, self._region, service, credentials, now, headers or {}, body)
        return self._connections.request(
            method, url, headers=signed, body=body, read_timeout_s=read_timeout_s, attempts=attempts
        )

    def ask(
        self, service: str, target: str, document: Mapping[str, Any], version: str = "1.1", attempts: int = 2
    ) -> Any:
        """Make one request of AWS's JSON protocol and return the answer; an empty one is an empty object.

        Args:
            service: see ``request``.
            target: the operation, as ``x-amz-target`` names it.
            document: the operation's arguments.
            version: of the protocol.
            attempts: see ``request``.

        Raises:
            HttpError: there is no answer.
            RequestFailed: the service refused the request, or its answer is not JSON.
            ValueError: see ``endpoint``.
        """
        headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
        body = json.dumps(document).encode()
        answer = self.request(service, "POST", "/", headers=headers, body=body, attempts=attempts)
        data = answer.read()
        if answer.status != 200:
            raise RequestFailed(error_of(answer.status, data))
        if not data:  # such as that of ChangeMessageVisibility
            return {}
        try:
            return json.loads(data)
        except ValueError:
            message = "the answer is not JSON"
            raise RequestFailed(message) from None


def error_of(status: int, body: bytes) -> str:
    """Return the error code that a service gives, without its message, which can quote the request."""
    try:
        code = str(json.loads(body).get("__type", ""))
    except (ValueError, AttributeError):
        code = ""
    return f"status {status} {code[:_SHOWN_CHARACTERS]}".strip()
