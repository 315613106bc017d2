"""The execution token: a signed, short-lived permission to run one call (a JWT, EdDSA).

The gateway signs it and the runner verifies it. It names the tenant, install, version and content hash, the digest of
the granted capabilities, and the SHA-256 of the whole request body. So it is valid for one exact request body only. It
also carries the version's state as the gateway read it from PostgreSQL, which the runner cannot read.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from alga_ext.calls.envelope import ExecuteRequest
from alga_ext.calls.signed_token import TokenKeys, sign_token, signed_claims
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner

AUDIENCE: Final = "alga-runner"
ISSUER: Final = "alga-gateway"
LIFETIME_S: Final = 60
_SKEW_S: Final = 5
RUNNABLE_STATES: Final = frozenset({"ready", "yanked"})
"""The states of a version that may run; a version in any other state, unknown ones included, does not."""


class _Claims(msgspec.Struct):
    """The claims. All are required and must have these types."""

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
    state: str


class Authorised(NamedTuple):
    """What a verified token says: its id (``jti``), the version's state when the gateway read it, and its call."""

    token_id: str
    version_state: str
    bound: dict[str, str]
    """The claims about the call, see ``require``."""

    def require(self, request: ExecuteRequest) -> None:
        """Check that the token is for this call.

        Raises:
            PlatformError: ``unauthorized``; the detail names the claim that differs.
        """
        for name, value in _claims_about(request).items():
            if self.bound[name] != value:
                raise _of_another_call(name)


_CLAIMS: Final = msgspec.json.Decoder(_Claims)
_ABOUT_THE_CALL: Final = ("tenant", "install", "version", "content", "caps")


def sign_execution_token(
    signer: LocalSigner, request: ExecuteRequest, body: bytes, *, version_state: str, token_id: str, now_s: int
) -> str:
    """Return a token that is valid for exactly ``body``, the encoded ``request``.

    Args:
        signer: the gateway's key.
        request: the call, from which the bound claims are taken.
        body: the bytes that will be sent.
        version_state: the state of the install's version in PostgreSQL.
        token_id: unique for each call (``jti``), so that the runner can detect a replay.
        now_s: epoch seconds; the token expires ``LIFETIME_S`` later.
    """
    claims = _Claims(
        iss=ISSUER,
        aud=AUDIENCE,
        iat=now_s,
        exp=now_s + LIFETIME_S,
        jti=token_id,
        state=version_state,
        body=_digest(body),
        **_claims_about(request),
    )
    return sign_token(signer, msgspec.json.encode(claims))


def verify_execution_token(keys: TokenKeys, token: str, body: bytes, *, now_s: int) -> Authorised:
    """Check that ``token`` is for exactly this body, and return what it says beyond that.

    Nothing of the body is decoded, so this comes first. When the body was decoded, ``Authorised.require`` checks that
    the token is for the call in it. The version's state is returned as it is, also when a version in this state may not
    run.

    1. It has the exact form that ``sign_execution_token`` writes, and one of ``keys`` signed it: the one that it names.
    2. Its issuer is the gateway and its audience is a runner.
    3. Its lifetime is at most ``LIFETIME_S``, and it is valid at ``now_s``.
    4. It is for these bytes.

    Raises:
        PlatformError: ``unauthorized`` when a check fails; the detail says which.
    """
    try:
        claims = _CLAIMS.decode(signed_claims(keys, token))  # (1)
    except ValueError as error:
        raise PlatformError("unauthorized", "The execution token is missing or not valid.", cause=error) from None
    if claims.iss != ISSUER or claims.aud != AUDIENCE:  # (2)
        raise PlatformError("unauthorized", "The execution token was not issued by a gateway for a runner.")
    if claims.exp - claims.iat > LIFETIME_S:  # (3)
        lifetime_s = claims.exp - claims.iat
        detail = f"The execution token has a lifetime of {lifetime_s} seconds; at most {LIFETIME_S} are allowed."
        raise PlatformError("unauthorized", detail)
    if now_s >= claims.exp + _SKEW_S or now_s < claims.iat - _SKEW_S:
        raise PlatformError("unauthorized", "The execution token has expired or is not valid yet.")
    if claims.body != _digest(body):  # (4)
        raise _of_another_call("body")
    return Authorised(claims.jti, claims.state, {name: getattr(claims, name) for name in _ABOUT_THE_CALL})


def capabilities_digest(providers: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of the sorted, distinct capability names, one on each line."""
    return hashlib.sha256("\n".join(sorted(set(providers))).encode()).hexdigest()


def _claims_about(request: ExecuteRequest) -> dict[str, str]:
    context = request.context
    return {
        "tenant": context.tenant_id,
        "install": context.install_id,
        "version": context.version_id,
        "content": context.content_hash,
        "caps": capabilities_digest(request.providers),
    }


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _of_another_call(claim: str) -> PlatformError:
    return PlatformError("unauthorized", f"The execution token is for another call: claim {claim!r} differs.")
