"""The operator token: a signed, short-lived permission to operate a runner, such as to read its detailed health.

The key that signs execution tokens also signs operator tokens. Their audiences differ, so that neither token is
accepted in place of the other.
"""

from typing import Final

import msgspec

from alga_ext.calls.signed_token import TokenKeys, sign_token, signed_claims
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner

AUDIENCE: Final = "alga-runner-operator"
LIFETIME_S: Final = 60
_SKEW_S: Final = 5


class _Claims(msgspec.Struct):
    """The claims. All are required and must have these types."""

    aud: str
    iat: int
    exp: int


_CLAIMS: Final = msgspec.json.Decoder(_Claims)


def sign_operator_token(signer: LocalSigner, *, now_s: int) -> str:
    """Return a token that is valid for ``LIFETIME_S`` seconds from ``now_s`` (epoch seconds)."""
    claims = _Claims(aud=AUDIENCE, iat=now_s, exp=now_s + LIFETIME_S)
    return sign_token(signer, msgspec.json.encode(claims))


def verify_operator_token(keys: TokenKeys, token: str, *, now_s: int) -> None:
    """Check that one of ``keys`` signed the token for an operator, and that it is valid at ``now_s`` (epoch seconds).

    Raises:
        PlatformError: ``unauthorized`` when it is not.
    """
    try:
        claims = _CLAIMS.decode(signed_claims(keys, token))
    except ValueError as error:
        raise PlatformError("unauthorized", "The operator token is missing or not valid.", cause=error) from None
    lifetime_s = claims.exp - claims.iat
    if claims.aud != AUDIENCE or lifetime_s > LIFETIME_S or not claims.iat - _SKEW_S <= now_s < claims.exp + _SKEW_S:
        raise PlatformError(
            "unauthorized", "The operator token has another audience or is not valid now; get a new one."
        )
