"""Find the credentials that sign requests to AWS.

The sources, in this order: the environment, where Lambda puts them; the container endpoint, which a function with
SnapStart has instead (https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html); and what the
SDK finds, for example on a machine with a role.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from alga_ext.stores.aws_signing import Credentials

_URI: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the name of a variable
_CONTAINER_HOSTS: Final = ("localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23")
"""The hosts besides loopback addresses that the SDKs accept: the endpoints of ECS and EKS."""
_REFRESH_BEFORE: Final = timedelta(minutes=10)
"""How long before their expiry credentials are fetched again. Until they expire, a failure to do so is no error."""
_TIMEOUT_S: Final = 2.0


class NoCredentialsError(Exception):
    """There are no credentials; the text says why, without any part of them."""


class _Fetched(NamedTuple):
    credentials: Credentials
    expires_at: datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CredentialSource:
    """Returns current credentials.

    Args:
        environ: the SDK's variables. They are read at each use, so that changed credentials are used at once.
        now: returns the present instant in UTC. It is the wall clock, because a monotonic one does not count the time
            during which a function's snapshot is stored.
    """

    def __init__(self, environ: Mapping[str, str], now: Callable[[], datetime] = _utc_now) -> None:
        self._environ = environ
        self._now = now
        self._fetched: _Fetched | None = None

    def current(self) -> Credentials:
        """Return credentials that are valid now.

        Raises:
            NoCredentialsError: no source has any.
        """
        given = self._environ
        if given.get("AWS_ACCESS_KEY_ID") and given.get("AWS_SECRET_ACCESS_KEY"):
            token = given.get("AWS_SESSION_TOKEN", "")
            return Credentials(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], token)
        if given.get(_URI):
            return self._from_container()
        try:
            from alga_ext.stores.aws import found_credentials
        except ImportError as error:  # a function without the layer `aws`
            message = (
                f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, nor is {_URI}, and there is no SDK to find "
                "credentials"
            )
            raise NoCredentialsError(message) from error
        return Credentials(*found_credentials())

    def _from_container(self) -> Credentials:
        now, kept = self._now(), self._fetched
        if kept is None or now >= kept.expires_at - _REFRESH_BEFORE:
            try:
                kept = self._fetched = _fetch(self._environ)
            except NoCredentialsError:
                if kept is None or now >= kept.expires_at:
                    raise
        return kept.credentials


def _fetch(environ: Mapping[str, str]) -> _Fetched:
    """Get credentials from the container endpoint.

    Raises:
        NoCredentialsError: the URI names another machine, or the endpoint does not answer with credentials.
    """
    # Not at the top: a function whose credentials are in its environment may make no requests at all.
    from alga_ext.stores.http_requests import Connections, HttpError

    uri = environ[_URI]
    if not _is_local(uri):
        message = f"{_URI} must be an http or https URL of this machine, or of the endpoint of ECS or EKS"
        raise NoCredentialsError(message)
    headers = {"accept": "application/json", **_authorization(environ)}
    connections = Connections()
    try:
        answer = connections.request("GET", uri, headers=headers, read_timeout_s=_TIMEOUT_S, attempts=2)
        body = answer.read()
    except HttpError as error:
        message = f"the endpoint of {_URI} does not answer ({type(error).__name__})"
        raise NoCredentialsError(message) from error
    if answer.status != 200:
        message = f"the endpoint of {_URI} answers with status {answer.status}"
        raise NoCredentialsError(message)
    try:
        return _parsed(json.loads(body))
    except (ValueError, TypeError, KeyError):
        message = f"the answer of the endpoint of {_URI} does not contain credentials"
        raise NoCredentialsError(message) from None  # the causes quote the answer


def _is_local(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (host in _CONTAINER_HOSTS or ip_address(host).is_loopback)
    except ValueError:
        return False


def _authorization(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the header that the endpoint asks for, if any; a file wins over the variable, as in the SDKs."""
    try:
        path = environ.get(f"{_TOKEN}_FILE")
        token = Path(path).read_text(encoding="utf-8") if path else environ.get(_TOKEN)
    except (OSError, UnicodeDecodeError) as error:
        message = f"the file of {_TOKEN}_FILE cannot be read ({type(error).__name__})"
        raise NoCredentialsError(message) from error
    if token and ("\r" in token or "\n" in token):
        message = f"{_TOKEN} must not contain line breaks"
        raise NoCredentialsError(message)
    return {"authorization": token} if token else {}


def _parsed(document: Any) -> _Fetched:
    texts = [document["AccessKeyId"], document["SecretAccessKey"], document["Token"]]
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError
    expires_at = datetime.fromisoformat(document["Expiration"])
    return _Fetched(Credentials(*texts), expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC))
