"""Sign and verify tokens between functions: JWTs with one algorithm (EdDSA) in one exact form (RFC 7515, compact).

One form needs only a few lines of code. A JWT library accepts many forms, and its import adds 50 milliseconds to every
cold start. The header names the key (``kid``), so that a verifier can hold the next key beside the present one.
"""

import base64
from collections.abc import Sequence
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner, PublicKey

_HEADER_WITHOUT_KEY: Final = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9"
"""``{"alg":"EdDSA","typ":"JWT"}`` in base64url: what a signer that was deployed before key ids writes."""


class TokenKeys:
    """The public keys of which any may have signed a token.

    Args:
        keys: Ed25519 keys.

    Raises:
        PlatformError: ``key_invalid`` when one is of another algorithm.
    """

    def __init__(self, keys: Sequence[PublicKey]) -> None:
        if any(key.algorithm != "ed25519" for key in keys):
            raise PlatformError("key_invalid", "Tokens are signed with Ed25519; make a key with 'alga-ext keygen'.")
        self._keys = tuple(keys)
        self._by_header = {_header(key.key_id): (key,) for key in keys}

    def of(self, header: str) -> tuple[PublicKey, ...]:
        """Return the keys that may have signed a token with this header; none for a header of any other form."""
        return self._keys if header == _HEADER_WITHOUT_KEY else self._by_header.get(header, ())


def sign_token(signer: LocalSigner, claims: bytes) -> str:
    """Sign ``claims``, the bytes of a JSON object, and return the token."""
    signed = f"{_header(signer.key_id)}.{_encoded(claims)}"
    return f"{signed}.{_encoded(signer.sign(signed.encode()))}"


def signed_claims(keys: TokenKeys, token: str) -> bytes:
    """Verify that one of ``keys`` signed a token and return the bytes of its claims.

    The claims are decoded only after the signature is verified.

    Raises:
        ValueError: the token has another form, or names or was signed by another key.
    """
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    candidates = keys.of(header)
    if candidates and any(key.verify(_decoded(signature), signed.encode()) for key in candidates):
        return _decoded(claims)
    message = "none of the keys signed the token"
    raise ValueError(message)


def _header(key_id: str) -> str:
    return _encoded(f'{{"alg":"EdDSA","kid":"{key_id}","typ":"JWT"}}'.encode())


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
