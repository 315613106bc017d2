"""Identify callers: verify bearer tokens (JWT) against the host application's key set.

Only the token decides which tenant a request belongs to. The names of the claims can be configured, because the host
application chooses them. Their meaning is fixed here.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import jwt

from alga_ext.calls.deliveries import DELIVERING_PRINCIPALS
from alga_ext.edge.fetched_key_set import FetchedKeySet
from alga_ext.edge.http import bearer_token
from alga_ext.edge.key_set import Key, parse_key_set
from alga_ext.edge.principal import Principal
from alga_ext.edge.token_settings import CLAIMS, TokenSettings
from alga_ext.errors import PlatformError
from alga_ext.ids import TENANT_ID

_SKEW_S: Final = 30
_TOKEN_LIMIT_CHARS: Final = 8 * 1024
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
"""The form of a token (RFC 7515, section 7.1). Without padding, each token is written in one way only."""
_TOKEN_TYPES: Final = (None, "jwt", "at+jwt")
"""The ``typ`` of an access token, or of a token that does not say what it is (RFC 9068, RFC 7519)."""
_VERIFIED_FOR_S: Final = 60
"""How long a verified token is remembered, if its key stays in the key set and it does not expire."""
_VERIFIED_TOKENS: Final = 1_000
_IDENTITY_LIMIT_CHARS: Final = 255
"""The longest ``sub`` (OpenID Connect Core 1.0, section 2), and the longest of the other claims that identify."""
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and lone surrogates, which JSON can spell although no encoding of Unicode has them."""

jwt.register_algorithm("Ed25519", jwt.algorithms.OKPAlgorithm())  # RFC 9864: another name of what is EdDSA here


class _Verified(NamedTuple):
    """A token that was verified: whom it names, by which key, and between which instants that holds."""

    principal: Principal
    key_id: Any
    key: Key
    since_s: float
    until_s: float


class TokenVerifier:
    """Verifies bearer tokens. A caller's next request within a minute costs no verification. Threads may share it.

    Args:
        jwks: the key set itself, as JSON. When it is empty, the key set is fetched from ``jwks_url``.
        jwks_url: URL where the host application publishes its key set.
        issuer: the ``iss`` that a token must have.
        audience: the ``aud`` that a token must have.
        claim_names: from the platform's claim name to the host application's, for each of ``CLAIMS`` that has another
            name there.

    Raises:
        ValueError: both key sets are empty, or ``jwks`` is not a key set with a usable key.
    """

    def __init__(
        self, *, jwks: str, jwks_url: str, issuer: str, audience: str, claim_names: Mapping[str, str] | None = None
    ) -> None:
        if not jwks and not jwks_url:
            message = "a key set is needed: give AUTH_JWKS or AUTH_JWKS_URL"
            raise ValueError(message)
        self._issuer = issuer
        self._audience = audience
        self._claim_names = {name: (claim_names or {}).get(name, name) for name in CLAIMS}
        self._keys = parse_key_set(jwks.encode()) if jwks else FetchedKeySet(jwks_url)
        self._verified: dict[bytes, _Verified] = {}

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
        digest, now_s = hashlib.sha256(token.encode()).digest(), time.time()
        known = self._verified.get(digest)
        if known is not None and known.since_s <= now_s < known.until_s and self._keys.find(known.key_id) is known.key:
            return known.principal
        try:
            header = jwt.get_unverified_header(token)
            _check_header(header)
            key = self._keys.find(header.get("kid"))
            if key is None:
                message = "the token's key id is not in the key set"
                raise jwt.InvalidTokenError(message)
            claims = jwt.decode(
                token,
                key.raw,
                algorithms=key.algorithms,
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
        principal = self._principal(claims)
        until_s = min(now_s + _VERIFIED_FOR_S, int(claims["exp"]) + _SKEW_S)
        self._remember(digest, _Verified(principal, header.get("kid"), key, now_s, until_s))
        return principal

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._verified.pop(digest, None)
        self._verified[digest] = verified
        while len(self._verified) > _VERIFIED_TOKENS:
            self._verified.pop(next(iter(self._verified), digest), None)

    def check(self) -> Mapping[str, Any]:
        """Check that a key set is available; fetch it when the last one is too old.

        Raises:
            PlatformError: ``policy_unavailable``.
        """
        if isinstance(self._keys, FetchedKeySet):
            self._keys.check()
        return {}

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
        client_id = text("client_id") or None
        return Principal(
            subject=_subject(claims["sub"]),
            tenant_id=tenant_id,
            roles=texts("roles"),
            publishers=texts("publishers"),
            user_type=_identity(self._claim_names["user_type"], self._user_type(claims)),
            client_id=client_id and _identity(self._claim_names["client_id"], client_id),
            client_name=_shown(text("client_name")),
            email=_shown(text("email")),
            name=_shown(text("name")),
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


def _check_header(header: Mapping[str, Any]) -> None:
    """Refuse a token with critical extensions, because none is supported, and a token of another purpose.

    A token of another purpose is for example a ``logout+jwt``. Media types have no upper and lower case.
    """
    if "crit" in header or "b64" in header:
        message = "the token has extensions that are not supported (crit, b64)"
        raise jwt.InvalidTokenError(message)
    given = header.get("typ")
    media_type = given.lower().removeprefix("application/") if isinstance(given, str) else given
    if media_type not in _TOKEN_TYPES:
        message = "the token's typ is not at+jwt or JWT"
        raise jwt.InvalidTokenError(message)


def _subject(value: str) -> str:
    """Return the caller's subject. Records name a delivery's caller in the same place, and no user may pass for one."""
    if value in DELIVERING_PRINCIPALS:
        raise PlatformError("unauthenticated", f"The token's sub is {value}, which is a name of the platform itself.")
    return _identity("sub", value)


def _identity(claim: str, value: str) -> str:
    """Return a claim that identifies the caller, unchanged. Records, queues and the database can all hold it.

    Raises:
        PlatformError: ``unauthenticated``.
    """
    if not 1 <= len(value) <= _IDENTITY_LIMIT_CHARS or _UNSAFE.search(value):
        detail = (
            f"The token's {claim} is not valid: it needs 1 to {_IDENTITY_LIMIT_CHARS} characters, and no control "
            "characters or lone surrogates among them."
        )
        raise PlatformError("unauthenticated", detail)
    return value


def _shown(value: str) -> str:
    """Return a claim that only describes the caller, with U+FFFD in place of what a text must not contain."""
    return _UNSAFE.sub("\ufffd", value)
