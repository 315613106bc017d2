"""The execution token: a signed, short-lived leave to run one call (a JWT, EdDSA).

The gateway signs it, the runner checks it. It names tenant, install, version and content hash, the granted
capabilities, and the sha256 of the whole request body, so it is good for these bytes only.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import jwt

from alga_ext.errors import PlatformError
from alga_ext.execute import ExecuteRequest
from alga_ext.signing import LocalSigner, PublicKey

AUDIENCE: Final = "alga-runner"
ISSUER: Final = "alga-gateway"
LIFETIME_S: Final = 60
_SKEW_S: Final = 5
_REQUIRED: Final = ["iss", "aud", "iat", "exp", "jti", "tenant", "install", "version", "content", "caps", "body"]


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
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now_s,
        "exp": now_s + LIFETIME_S,
        "jti": token_id,
        **_bound_claims(request, body),
    }
    return jwt.encode(claims, signer.raw, algorithm="EdDSA")


def verify_execution_token(key: PublicKey, token: str, request: ExecuteRequest, body: bytes, *, now_s: int) -> str:
    """Check that ``token`` allows exactly this call and return its id (``jti``).

    Raises:
        PlatformError: ``unauthorized``, whatever is wrong; the detail says which claim.
    """
    try:
        # Times are checked below against now_s, so that the rule has no clock of its own.
        claims: dict[str, Any] = jwt.decode(
            token,
            key.raw,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise PlatformError("unauthorized", "The execution token is missing or not valid.", cause=error) from None
    issued, expires = claims["iat"], claims["exp"]
    if not isinstance(issued, int) or not isinstance(expires, int) or expires - issued > LIFETIME_S:
        raise PlatformError("unauthorized", f"The execution token lives longer than {LIFETIME_S} seconds.")
    if now_s >= expires + _SKEW_S or now_s < issued - _SKEW_S:
        raise PlatformError("unauthorized", "The execution token has expired or is not valid yet.")
    for name, value in _bound_claims(request, body).items():
        if claims[name] != value:
            raise PlatformError("unauthorized", f"The execution token is for another call ({name} differs).")
    return str(claims["jti"])


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
