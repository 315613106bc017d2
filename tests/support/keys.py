"""Keys, trust and statements for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from alga_ext.trust.policy import Revocation, TrustBundle, TrustedKey, Use
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SHA = "ab" * 32


class P256Signer:
    """A real ECDSA P-256 key behind the ``Signer`` port, as a key management service has."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = PublicKey(self._key.public_key())

    @property
    def key_id(self) -> str:
        return self._public.key_id

    @property
    def public_pem(self) -> str:
        return self._public.pem

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


def trusted(
    signer: Signer,
    use: Use = "publisher",
    publishers: Sequence[str] = ("*",),
    valid_from: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    valid_until: datetime | None = None,
) -> TrustedKey:
    """A trusted key for a signer."""
    return TrustedKey(
        key_id=signer.key_id,
        public_key=signer.public_pem,
        use=use,
        publishers=tuple(publishers),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def revoked(signer: Signer, at: datetime) -> Revocation:
    """A revocation of a signer's key from an instant on."""
    return Revocation(key_id=signer.key_id, revoked_from=at, reason="lost")


def trust_in(*keys: TrustedKey, revocations: Sequence[Revocation] = ()) -> TrustBundle:
    """A trust bundle of these keys."""
    return TrustBundle(keys, revocations)


ACME = LocalSigner.generate()
"""A publisher's key; one for all tests, because they only read it."""
