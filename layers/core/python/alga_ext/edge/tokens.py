"""Identify callers: verify bearer tokens (JWT, EdDSA) against the host application's key set.

Only the token decides which tenant a request belongs to. The names of the claims can be configured, because the host
application chooses them. Their meaning is fixed here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Self

import jwt

from alga_ext.edge.http import bearer_token
from alga_ext.edge.principal import Principal
from alga_ext.edge.token_settings import CLAIMS, TokenSettings
from alga_ext.errors import PlatformError
from alga_ext.ids import TENANT_ID

_SKEW_S: Final = 30
_KEY_SET_LIFETIME_S: Final = 300
_KEY_SET_TIMEOUT_S: Final = 2
_TOKEN_LIMIT_CHARS: Final = 8 * 1024
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
"""The form of a token (RFC 7515, section 7.1). Without padding, each token is written in one way only."""
_TOKEN_TYPES: Final = (None, "jwt", "at+jwt")
"""The ``typ`` of an access token, or of a token that does not say what it is (RFC 9068, RFC 7519)."""


class TokenVerifier:
    """Verifies bearer tokens; keeps a fetched key set for five minutes.

    Args:
        jwks: the key set itself, as JSON. When it is empty, the key set is fetched from ``jwks_url``.
        jwks_url: URL where the host application publishes its key set.
        issuer: the ``iss`` that a token must have.
        audience: the ``aud`` that a token must have.
        claim_names: from the platform's claim name to the host application's, for each of ``CLAIMS`` that has another
            name there.
    """

    def __init__(
        self, *, jwks: str, jwks_url: str, issuer: str, audience: str, claim_names: Mapping[str, str] | None = None
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._claim_names = {name: (claim_names or {}).get(name, name) for name in CLAIMS}
        self._inline = jwt.PyJWKSet.from_dict(json.loads(jwks)) if jwks else None
        self._remote = (
            jwt.PyJWKClient(jwks_url, lifespan=_KEY_SET_LIFETIME_S, timeout=_KEY_SET_TIMEOUT_S)
            if jwks_url and not jwks
            else None
        )
        if self._inline is None and self._remote is None:
            message = "a key set is needed: give AUTH_JWKS or AUTH_JWKS_URL"
            raise ValueError(message)

    @classmethod
    def of(cls, settings: TokenSettings) -> Self:
        """Make the verifier that the settings describe."""
        return cls(
            jwks=settings.auth_jwks,
            jwks_url=settings.auth_jwks_url,
            issuer=settings.auth_issuer,
            audience=settings.auth_audience,
            claim_names=json.loads(settings.auth_claim_names),
        )

    def verify(self, authorization: str | None) -> Principal:
        """Verify the ``authorization`` header and return the caller that its token names.

        Raises:
            PlatformError: ``unauthenticated`` for a missing or invalid token; ``policy_unavailable`` when the key set
                cannot be fetched or is not a valid key set.
        """
        token = bearer_token(authorization)
        if len(token) > _TOKEN_LIMIT_CHARS or not _COMPACT.match(token):
            raise PlatformError("unauthenticated", "Send a bearer token in the authorization header.")
        try:
            header = jwt.get_unverified_header(token)
            _check_type(header.get("typ"))
            claims = jwt.decode(
                token,
                self._key(header.get("kid")),
                algorithms=["EdDSA"],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_SKEW_S,
                options={"require": ["exp", "iat", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise PlatformError("unauthenticated", "The token has expired; get a new one.") from None
        except jwt.PyJWTError as error:
            detail = "The token is not valid for this platform; get one from the host application."
            raise PlatformError("unauthenticated", detail, cause=error) from None
        return self._principal(claims)

    def check(self) -> Mapping[str, Any]:
        """Check that a key set is available; fetch it when the last one is too old.

        Raises:
            PlatformError: ``policy_unavailable``.
        """
        if self._remote is not None:
            try:
                self._remote.get_signing_keys()
            except (jwt.PyJWTError, ValueError, OSError) as error:
                raise _no_key_set(error) from None
        return {}

    def _key(self, key_id: Any) -> Any:
        if self._remote is not None:
            return self._remote_key(self._remote, key_id)
        for key in self._inline.keys if self._inline is not None else []:
            if key.key_id == key_id:
                return key.key
        message = "the token's key id is not in the key set"
        raise jwt.InvalidTokenError(message)

    def _remote_key(self, key_set: jwt.PyJWKClient, key_id: Any) -> Any:
        try:
            key_set.get_signing_keys()  # fetches the key set when there is none yet or the last one is too old
        except (jwt.PyJWTError, ValueError, OSError) as error:
            raise _no_key_set(error) from None
        try:
            return key_set.get_signing_key(key_id).key
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, ValueError, OSError) as error:
            raise _no_key_set(error) from None

    def _principal(self, claims: dict[str, Any]) -> Principal:
        def text(name: str) -> str:
            value = claims.get(self._claim_names[name])
            return value if isinstance(value, str) else ""

        def texts(name: str) -> frozenset[str]:
            value = claims.get(self._claim_names[name])
            return (
                frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()
            )

        tenant_id = text("tenant_id") or None
        if tenant_id is not None and not TENANT_ID.match(tenant_id):
            detail = "The token's tenant id is not valid: it needs 1 to 64 letters, digits, '_', '.' or '-'."
            raise PlatformError("unauthenticated", detail)
        return Principal(
            subject=str(claims["sub"]),
            tenant_id=tenant_id,
            roles=texts("roles"),
            publishers=texts("publishers"),
            user_type=self._user_type(claims),
            client_id=text("client_id") or None,
            client_name=text("client_name"),
            email=text("email"),
            name=text("name"),
        )

    def _user_type(self, claims: dict[str, Any]) -> str:
        """Return the caller's type. It is ``internal`` only for a token that says nothing else.

        A token with a ``client_id``, or with a ``user_type`` that is not exactly ``internal``, is a client user's,
        whatever the JSON type of the claim is.
        """
        given = claims.get(self._claim_names["user_type"])
        has_client = claims.get(self._claim_names["client_id"]) is not None
        if given in (None, "internal"):
            return "client" if has_client else "internal"
        return given if isinstance(given, str) and given else "client"


def _check_type(given: Any) -> None:
    """Refuse a token of another purpose, such as ``logout+jwt``. Media types have no upper and lower case."""
    media_type = given.lower().removeprefix("application/") if isinstance(given, str) else given
    if media_type not in _TOKEN_TYPES:
        message = "the token's typ is not at+jwt or JWT"
        raise jwt.InvalidTokenError(message)


def _no_key_set(cause: Exception) -> PlatformError:
    return PlatformError("policy_unavailable", "The key set for tokens cannot be read; try again later.", cause=cause)
