"""Which key may sign what, for whom and when: pure rules over values.

A trust bundle is JSON (below) or a list of PEM public keys, each trusted for every publisher::

    {"version": 1,
     "keys": [{"key_id": "sha256:…", "public_key": "-----BEGIN PUBLIC KEY-----…", "use": "publisher",
               "publishers": ["acme"], "valid_from": "2026-01-01T00:00:00Z", "valid_until": null}],
     "revocations": [{"key_id": "sha256:…", "from": "2026-06-01T00:00:00Z", "reason": "lost laptop"}]}

A revocation counts from its instant on: what was signed and published before stays valid when it is verified
as of its publication, and nothing new is accepted.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from alga_ext import strict_json
from alga_ext.errors import PlatformError
from alga_ext.signing import (
    LOG_HEAD_PAYLOAD_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    Envelope,
    PublicKey,
    parse_envelope,
    verify_envelope,
)
from alga_ext.strict_json import JsonError

Use = Literal["publisher", "release", "artifact", "log"]

_PEM_BLOCK: Final = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TrustedKey(BaseModel):
    """One key, what it is for, for which publishers (``*`` = all) and from when until when (exclusive)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: str
    public_key: str
    use: Use = "publisher"
    publishers: tuple[str, ...] = ("*",)
    valid_from: AwareDatetime = _ALWAYS
    valid_until: AwareDatetime | None = None


class Revocation(BaseModel):
    """A key that is not to be believed from an instant on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: str
    revoked_from: AwareDatetime = Field(alias="from")
    reason: str = ""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    keys: tuple[TrustedKey, ...]
    revocations: tuple[Revocation, ...] = ()


class Verified(NamedTuple):
    """A verified envelope: its payload as signed, and the key that signed it."""

    payload: bytes
    key: PublicKey


class TrustBundle:
    """The keys somebody believes in. Immutable; ``extended`` makes a larger one."""

    def __init__(self, keys: Sequence[TrustedKey], revocations: Sequence[Revocation] = ()) -> None:
        self.keys = tuple(keys)
        self.revocations = tuple(revocations)
        self._public_keys = {key.key_id: PublicKey.from_pem(key.public_key) for key in keys}
        for key_id, public_key in self._public_keys.items():
            if key_id != public_key.key_id:
                raise PlatformError(
                    "trust_bundle_invalid", f"Key {key_id} of the trust bundle is really {public_key.key_id}."
                )

    def extended(self, keys: Iterable[TrustedKey], revocations: Iterable[Revocation] = ()) -> "TrustBundle":
        """Return a bundle that also believes in ``keys``, less ``revocations``."""
        return TrustBundle((*self.keys, *keys), (*self.revocations, *revocations))

    def verify(self, data: bytes, *, use: Use, publisher: str, at: datetime) -> Verified:
        """Verify a DSSE envelope.

        1. The envelope is well-formed, and its payload of the type that the use signs.
        2. One of its signatures names a known key.
        3. That key is for this use and this publisher (platform keys are for all).
        4. It is valid and not revoked at ``at``.
        5. Its signature over the payload bytes holds.

        Raises:
            PlatformError: ``signature_malformed`` (1), ``key_unknown`` (2), ``key_not_allowed`` (3),
                ``key_expired`` or ``key_revoked`` (4), ``signature_invalid`` (5).
        """
        envelope = parse_envelope(data)  # (1)
        wanted = LOG_HEAD_PAYLOAD_TYPE if use == "log" else STATEMENT_PAYLOAD_TYPE
        if envelope.payload_type != wanted:
            raise PlatformError("signature_malformed", f"The signed payload must be of type {wanted}.")
        refusal = PlatformError("key_unknown", "No signature names a key that is known here.")
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
        """Return the ids of the platform's keys for a use: those that may sign at an instant first, newest first."""
        keys = sorted((key for key in self.keys if key.use == use), key=lambda key: key.valid_from, reverse=True)
        ids = list(dict.fromkeys(key.key_id for key in keys))
        return sorted(ids, key=lambda key_id: self._refusal(key_id, use, "", at) is not None)

    def _verified(self, envelope: Envelope, key_id: str) -> Verified:
        key = self._public_keys[key_id]
        if not verify_envelope(envelope, key):
            raise PlatformError("signature_invalid", f"The signature by key {key_id} does not match the signed bytes.")
        return Verified(envelope.payload, key)

    def _refusal(self, key_id: str, use: Use, publisher: str, at: datetime) -> PlatformError | None:
        """Return why the key may not sign, or None when one of its entries allows it."""
        revoked = [entry.revoked_from for entry in self.revocations if entry.key_id == key_id]
        if revoked and at >= min(revoked):
            return PlatformError("key_revoked", f"Key {key_id} is revoked since {min(revoked).isoformat()}.")
        entries = [key for key in self.keys if key.key_id == key_id]
        fitting = [e for e in entries if e.use == use and ("*" in e.publishers or publisher in e.publishers)]
        if not fitting:
            return PlatformError("key_not_allowed", f"Key {key_id} may not sign as {use} for {publisher!r}.")
        if not any(e.valid_from <= at and (e.valid_until is None or at < e.valid_until) for e in fitting):
            return PlatformError("key_expired", f"Key {key_id} is not valid at {at.isoformat()}.")
        return None


def parse_trust_bundle(text: str) -> TrustBundle:
    """Read a trust bundle from JSON, or from PEM public keys one after the other.

    Raises:
        PlatformError: ``trust_bundle_invalid`` or ``key_invalid``.
    """
    blocks = _PEM_BLOCK.findall(text)
    if text.lstrip().startswith("-----BEGIN"):
        if _PEM_BLOCK.sub("", text).strip():
            raise PlatformError(
                "trust_bundle_invalid", "The trust bundle must hold whole PEM public keys and nothing else."
            )
        return TrustBundle([TrustedKey(key_id=PublicKey.from_pem(pem).key_id, public_key=pem) for pem in blocks])
    try:
        document = _Document.model_validate(strict_json.parse(text.encode(errors="surrogatepass")))
    except JsonError as error:
        raise PlatformError("trust_bundle_invalid", f"The trust bundle is not JSON: {error}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise PlatformError(
            "trust_bundle_invalid", f"The trust bundle is not valid at {where}: {first['msg']}."
        ) from None
    return TrustBundle(document.keys, document.revocations)
