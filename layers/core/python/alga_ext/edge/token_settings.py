"""Settings of the functions that verify callers' tokens."""

import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from alga_ext.settings import Check, Form, HttpUrl, Settings

CLAIMS: Final = ("tenant_id", "roles", "publishers", "user_type", "client_id", "client_name", "email", "name")
"""Claims that may be renamed. ``sub``, ``iss``, ``aud``, ``exp`` and ``iat`` keep their standard names (RFC 7519)."""


def _check_key_set(text: str) -> None:
    # not at the top: functions without callers' tokens share a settings module with those that have them
    from alga_ext.edge.key_set import parse_key_set

    try:
        data = text.encode()
    except UnicodeEncodeError:
        message = "it is not UTF-8"
        raise ValueError(message) from None
    parse_key_set(data)


def _check_key_set_url(text: str) -> None:
    """Refuse a URL over which others on the network could answer with keys of their own."""
    parts = urlsplit(text)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        message = "it is not an https URL; http is for loopback addresses only"
        raise ValueError(message)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _check_claim_names(text: str) -> None:
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        message = "it is not a JSON object whose values are all strings"
        raise ValueError(message)
    if unknown := sorted(names.keys() - set(CLAIMS)):
        message = f"it renames unknown claims ({', '.join(unknown)[:100]}); the claims are {', '.join(CLAIMS)}"
        raise ValueError(message)


class TokenSettings(Settings, frozen=True, kw_only=True):
    """How callers' tokens are verified.

    Attributes:
        auth_jwks: the host application's JSON Web Key Set itself. This or ``auth_jwks_url`` is required.
        auth_jwks_url: URL where the host application publishes its key set.
        auth_issuer: the ``iss`` that a token must have.
        auth_audience: the ``aud`` that a token must have.
        auth_claim_names: JSON object from the platform's claim name to the host application's, for each of ``CLAIMS``
            that has another name there.
    """

    auth_jwks: Annotated[str, Check(_check_key_set), Form('a JSON Web Key Set: {"keys": [...]}')] = ""
    auth_jwks_url: Annotated[HttpUrl, Check(_check_key_set_url)] = ""
    auth_issuer: Annotated[str, Form("the iss of the host application's tokens, such as https://host.example.com")]
    auth_audience: Annotated[str, Form("the aud of the host application's tokens, such as alga-extensions")]
    auth_claim_names: Annotated[str, Check(_check_claim_names), Form('a JSON object such as {"tenant_id": "org"}')] = (
        "{}"
    )

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: one of the two key sets is required."""
        if "auth_jwks" in given or "auth_jwks_url" in given:
            return []
        return ["AUTH_JWKS, AUTH_JWKS_URL: both are missing or empty; give the host application's key set in one"]
