"""Sign and verify tokens between functions: JWTs with one algorithm (EdDSA) in one exact form (RFC 7515, compact).

One form needs only a few lines of code. A JWT library accepts many forms, and its import adds 50 milliseconds to every
cold start.
"""

import base64
from typing import Final

from alga_ext.trust.signing import LocalSigner, PublicKey

_HEADER: Final = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9"
"""``{"alg":"EdDSA","typ":"JWT"}`` in base64url, the only accepted header."""


def sign_token(signer: LocalSigner, claims: bytes) -> str:
    """Sign ``claims``, the bytes of a JSON object, and return the token."""
    signed = f"{_HEADER}.{_encoded(claims)}"
    return f"{signed}.{_encoded(signer.sign(signed.encode()))}"


def signed_claims(key: PublicKey, token: str) -> bytes:
    """Verify that ``key`` signed a token and return the bytes of its claims.

    The claims are decoded only after the signature is verified.

    Raises:
        ValueError: the token has another form, or another key signed it.
    """
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    if header == _HEADER and key.algorithm == "ed25519" and key.verify(_decoded(signature), signed.encode()):
        return _decoded(claims)
    message = "this key did not sign the token"
    raise ValueError(message)


def _encoded(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Decode base64url without padding; raise ValueError for any other encoding of the same bytes."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    if _encoded(data) != text:
        message = "it is not canonical base64url"
        raise ValueError(message)
    return data
