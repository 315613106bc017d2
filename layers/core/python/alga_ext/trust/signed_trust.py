"""A trust bundle that a root key has signed (pure): the keys that sign everything else come from here.

It is a DSSE envelope with its own payload type, as the root and timestamp roles of The Update Framework
(https://theupdateframework.github.io/specification/latest/) in one document: a version that only grows, and an expiry.
The root keys are pinned in each function's settings. Several may be pinned at the same time, so that a root key can be
rotated: one valid signature by any of them is enough.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import (
    TRUST_BUNDLE_PAYLOAD_TYPE,
    PublicKey,
    Signer,
    parse_envelope,
    sign_by_each,
    verify_envelope,
)
from alga_ext.trust.trust_document import TRUST_BUNDLE_LIMIT_BYTES, VersionedTrust, encode_versioned, parse_versioned

SIGNED_TRUST_LIMIT_BYTES: Final = TRUST_BUNDLE_LIMIT_BYTES * 3 // 2
"""The largest envelope: the largest document in base64, and its signatures."""


class SignedTrust(NamedTuple):
    """A trust bundle whose signature was verified. It may have expired; the reader decides that.

    Attributes:
        version: a newer bundle has a higher one.
        expires_at: the instant from which it may not be used.
        trust: the keys and revocations.
        payload: the signed bytes.
        signed_by: ids of the pinned root keys that signed it.
    """

    version: int
    expires_at: datetime
    trust: TrustBundle
    payload: bytes
    signed_by: tuple[str, ...]


def sign_trust(document: VersionedTrust, signers: Sequence[Signer]) -> bytes:
    """Return the envelope of a trust bundle, signed by each of these root keys.

    Raises:
        PlatformError: ``trust_bundle_invalid``; what a signer raises.
    """
    return sign_by_each(signers, encode_versioned(document), TRUST_BUNDLE_PAYLOAD_TYPE)


def verify_trust(envelope: bytes, roots: Sequence[PublicKey]) -> SignedTrust:
    """Verify the envelope of a trust bundle and return its content.

    1. It is a well-formed envelope of a trust bundle.
    2. A pinned root key signed it. Nothing of the payload is parsed before that.
    3. The payload is a valid trust bundle with a version and an expiry.

    Raises:
        PlatformError: ``signature_malformed`` (1), ``key_unknown`` or ``signature_invalid`` (2),
            ``trust_bundle_invalid`` or ``key_invalid`` (3).
    """
    parsed = parse_envelope(envelope, SIGNED_TRUST_LIMIT_BYTES)  # (1)
    if parsed.payload_type != TRUST_BUNDLE_PAYLOAD_TYPE:
        raise PlatformError("signature_malformed", f"The signed payload must be of type {TRUST_BUNDLE_PAYLOAD_TYPE}.")
    named = {key_id for key_id, _ in parsed.signatures}
    pinned = [root for root in roots if root.key_id in named]  # (2)
    if not pinned:
        raise PlatformError("key_unknown", "None of the pinned root keys signed the trust bundle.")
    signed_by = tuple(root.key_id for root in pinned if verify_envelope(parsed, root))
    if not signed_by:
        raise PlatformError("signature_invalid", "The root key's signature does not match the trust bundle.")
    document = parse_versioned(parsed.payload)  # (3)
    return SignedTrust(*document, parsed.payload, signed_by)
