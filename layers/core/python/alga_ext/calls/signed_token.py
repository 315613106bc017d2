"""Tokens between functions of the platform: a JWT with one algorithm (EdDSA) and one spelling (RFC 7515, compact).

A few lines read one spelling. A JWT library knows all the others too, and its import would cost every cold start 50 ms.
"""

import base64
from typing import Final

from alga_ext.trust.signing import LocalSigner, PublicKey

_HEADER: Final = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9"
"""``{"alg":"EdDSA","typ":"JWT"}``, the only header there is."""


def sign_token(signer: LocalSigner, claims: bytes) -> str:
    """Return the token of a JSON object of claims."""
    signed = f"{_HEADER}.{_encoded(claims)}"
    return f"{signed}.{_encoded(signer.sign(signed.encode()))}"


def signed_claims(key: PublicKey, token: str) -> bytes:
    """Return the claims of a token that ``key`` signed; they are not looked at before that is known.

    Raises:
        ValueError: it is spelled otherwise, or signed by another key.
    """
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    if header == _HEADER and key.algorithm == "ed25519" and key.verify(_decoded(signature), signed.encode()):
        return _decoded(claims)
    message = "it is not a token of this key"
    raise ValueError(message)


def _encoded(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Read base64url without padding; any other spelling of the same bytes is a ValueError."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    if _encoded(data) != text:
        message = "it is not canonical base64url"
        raise ValueError(message)
    return data
