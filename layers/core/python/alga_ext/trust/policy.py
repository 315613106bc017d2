"""Decide which key may sign what, for which publisher and when: pure rules over values.

A revocation applies from its instant on. A signature whose verification time is earlier, such as the time of
publication, stays valid. No signature is accepted at or after that instant.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import msgspec

from alga_ext.errors import PlatformError
from alga_ext.trust.signing import (
    ENVELOPE_LIMIT_BYTES,
    LOG_HEAD_PAYLOAD_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    Envelope,
    PublicKey,
    parse_envelope,
    verify_envelope,
)

Use = Literal["publisher", "release", "artifact", "log"]
KeyState = Literal["pending", "active", "retired", "revoked"]

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""From when a key is valid that names no instant."""


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key, its use, its publishers (``*`` means all), and its validity from ``valid_from`` to ``valid_until``.

    ``valid_until`` is exclusive; None means no end.
    """

    key_id: str
    public_key: str
    use: Use = "publisher"
    publishers: tuple[str, ...] = ("*",)
    valid_from: datetime = ALWAYS
    valid_until: datetime | None = None


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is untrusted from an instant on."""

    key_id: str
    revoked_from: datetime
    reason: str = ""


class Verified(NamedTuple):
    """A verified envelope: its payload as signed, and the key that signed it."""

    payload: bytes
    key: PublicKey


class TrustBundle:
    """The trusted keys and the revocations. Immutable; ``extended`` makes a larger bundle."""

    def __init__(self, keys: Sequence[TrustedKey], revocations: Sequence[Revocation] = ()) -> None:
        self.keys = tuple(keys)
        self.revocations = tuple(revocations)
        self._public_keys = {key.key_id: PublicKey.from_pem(key.public_key) for key in keys}
        for key_id, public_key in self._public_keys.items():
            if key_id != public_key.key_id:
                raise PlatformError(
                    "trust_bundle_invalid",
                    f"The trust bundle gives the key id {key_id} for a key whose id is {public_key.key_id}.",
                )

    def extended(self, keys: Iterable[TrustedKey], revocations: Iterable[Revocation] = ()) -> "TrustBundle":
        """Return a bundle that also contains ``keys`` and ``revocations``."""
        return TrustBundle((*self.keys, *keys), (*self.revocations, *revocations))

    def verify(
        self,
        data: bytes,
        *,
        use: Use,
        publisher: str,
        at: datetime,
        payload_type: str | None = None,
        limit_bytes: int = ENVELOPE_LIMIT_BYTES,
    ) -> Verified:
        """Verify a DSSE envelope of at most ``limit_bytes``.

        1. The envelope is well-formed, and its payload has the type ``payload_type``, by default the usual type for
           this use.
        2. One of its signatures names a known key.
        3. That key may sign for this use and this publisher (platform keys may sign for all publishers).
        4. It is valid and not revoked at ``at``.
        5. Its signature over the payload bytes is correct.

        Raises:
            PlatformError: ``signature_malformed`` (1), ``key_unknown`` (2), ``key_not_allowed`` (3),
                ``key_expired`` or ``key_revoked`` (4), ``signature_invalid`` (5).
        """
        envelope = parse_envelope(data, limit_bytes)  # (1)
        wanted = payload_type or (LOG_HEAD_PAYLOAD_TYPE if use == "log" else STATEMENT_PAYLOAD_TYPE)
        if envelope.payload_type != wanted:
            raise PlatformError("signature_malformed", f"The signed payload must be of type {wanted}.")
        refusal = PlatformError(
            "key_unknown", "No signature names a registered or trusted key; register the publisher's key first."
        )
        for key_id, _ in envelope.signatures:
            if key_id not in self._public_keys:  # (2)
                continue
            refused = self._refusal(key_id, use, publisher, at)  # (3), (4)
            if refused is not None:
                refusal = refused
                continue
            return self._verified(envelope, key_id)  # (5)
        raise refusal

    def key_ids(self, use: Use, at: datetime) -> list[str]:
        """Return the ids of the platform's keys for a use.

        Keys that may sign at the instant ``at`` come first. In each part the newest key comes first.
        """
        keys = sorted((key for key in self.keys if key.use == use), key=lambda key: key.valid_from, reverse=True)
        ids = list(dict.fromkeys(key.key_id for key in keys))
        return sorted(ids, key=lambda key_id: self._refusal(key_id, use, "", at) is not None)

    def _verified(self, envelope: Envelope, key_id: str) -> Verified:
        key = self._public_keys[key_id]
        if not verify_envelope(envelope, key):
            raise PlatformError("signature_invalid", f"The signature by key {key_id} does not match the signed bytes.")
        return Verified(envelope.payload, key)

    def state(self, key: TrustedKey, at: datetime) -> KeyState:
        """Tell whether a signature by one entry's key would be accepted at an instant, and if not, why."""
        if self.is_revoked(key.key_id, at):
            return "revoked"
        if at < key.valid_from:
            return "pending"
        return "active" if key.valid_until is None or at < key.valid_until else "retired"

    def is_revoked(self, key_id: str, at: datetime) -> bool:
        """Tell whether a key is revoked at an instant; the key may be missing from the bundle's keys."""
        revoked_from = self._revoked_from(key_id)
        return revoked_from is not None and at >= revoked_from

    def _revoked_from(self, key_id: str) -> datetime | None:
        """Return the earliest instant from which a key is revoked, or None."""
        return min((entry.revoked_from for entry in self.revocations if entry.key_id == key_id), default=None)

    def _refusal(self, key_id: str, use: Use, publisher: str, at: datetime) -> PlatformError | None:
        """Return the error for a key that may not sign, or None when one of its entries allows it."""
        revoked_from = self._revoked_from(key_id)
        if revoked_from is not None and at >= revoked_from:
            return PlatformError("key_revoked", f"Key {key_id} has been revoked since {revoked_from.isoformat()}.")
        entries = [key for key in self.keys if key.key_id == key_id]
        fitting = [e for e in entries if e.use == use and ("*" in e.publishers or publisher in e.publishers)]
        if not fitting:
            return PlatformError("key_not_allowed", f"Key {key_id} may not sign as {use} for {publisher!r}.")
        if not any(e.valid_from <= at and (e.valid_until is None or at < e.valid_until) for e in fitting):
            return PlatformError("key_expired", f"Key {key_id} is not valid at {at.isoformat()}.")
        return None
