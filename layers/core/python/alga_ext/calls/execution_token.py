"""The execution token: a signed, short-lived permission to run one call (a JWT, EdDSA).

The gateway signs it, the runner checks it. It names tenant, install, version and content hash, the granted
capabilities, and the sha256 of the whole request body, so it is good for these bytes only.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from alga_ext.calls.envelope import ExecuteRequest
from alga_ext.calls.signed_token import sign_token, signed_claims
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner, PublicKey

AUDIENCE: Final = "alga-runner"
ISSUER: Final = "alga-gateway"
LIFETIME_S: Final = 60
_SKEW_S: Final = 5


class _Claims(msgspec.Struct):
    """The claims; all are required, and of these types."""

    iss: str
    aud: str
    iat: int
    exp: int
    jti: str
    tenant: str
    install: str
    version: str
    content: str
    caps: str
    body: str


_CLAIMS: Final = msgspec.json.Decoder(_Claims)


def sign_execution_token(
    signer: LocalSigner, request: ExecuteRequest, body: bytes, *, token_id: str, now_s: int
) -> str:
    """Return a token for exactly ``body``, which is ``request`` as encoded.

    Args:
        signer: the gateway's key.
        request: the call, from which the bound claims are taken.
        body: the bytes that will be sent.
        token_id: unique for each call (``jti``), so that a replay can be told.
        now_s: epoch seconds; the token ends ``LIFETIME_S`` later.
    """
    claims = _Claims(
        iss=ISSUER,
        aud=AUDIENCE,
        iat=now_s,
        exp=now_s + LIFETIME_S,
        jti=token_id,
        **_bound_claims(request, body),
    )
    return sign_token(signer, msgspec.json.encode(claims))


def verify_execution_token(key: PublicKey, token: str, request: ExecuteRequest, body: bytes, *, now_s: int) -> str:
    """Check that ``token`` allows exactly this call and return its id (``jti``).

    1. It is spelled as ``sign_execution_token`` spells it, and signed by ``key``.
    2. It is from the gateway for a runner.
    3. It is valid at ``now_s``, and does not live longer than ``LIFETIME_S``.
    4. It is for this call.

    Raises:
        PlatformError: ``unauthorized``, whatever is wrong; the detail says which claim.
    """
    try:
        claims = _CLAIMS.decode(signed_claims(key, token))  # (1)
    except ValueError as error:
        raise PlatformError("unauthorized", "The execution token is missing or not valid.", cause=error) from None
    if claims.iss != ISSUER or claims.aud != AUDIENCE:  # (2)
        raise PlatformError("unauthorized", "The execution token is not one of the gateway's for a runner.")
    if claims.exp - claims.iat > LIFETIME_S:  # (3)
        raise PlatformError("unauthorized", f"The execution token lives longer than {LIFETIME_S} seconds.")
    if now_s >= claims.exp + _SKEW_S or now_s < claims.iat - _SKEW_S:
        raise PlatformError("unauthorized", "The execution token has expired or is not valid yet.")
    for name, value in _bound_claims(request, body).items():  # (4)
        if getattr(claims, name) != value:
            raise PlatformError("unauthorized", f"The execution token is for another call ({name} differs).")
    return claims.jti


def capabilities_digest(providers: Iterable[str]) -> str:
    """Return the sha256 (hex) of the sorted, distinct capability names, one a line."""
    return hashlib.sha256("\n".join(sorted(set(providers))).encode()).hexdigest()


def _bound_claims(request: ExecuteRequest, body: bytes) -> dict[str, str]:
    context = request.context
    return {
        "tenant": context.tenant_id,
        "install": context.install_id,
        "version": context.version_id,
        "content": context.content_hash,
        "caps": capabilities_digest(request.providers),
        "body": hashlib.sha256(body).hexdigest(),
    }
