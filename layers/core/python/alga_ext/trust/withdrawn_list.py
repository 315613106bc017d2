"""The list of withdrawn bundles: a signed, short-lived statement of what must not be shown. Pure.

The registry signs the list and keeps it in the object store. The UI host, which has no database, shows nothing without
a list that it has verified and that has not expired. So deleting the list does not show a withdrawn page again; it
stops all pages. The list is a DSSE envelope with its own payload type. Its payload is JSON in one exact form::

    {"sequence":2,"issued_at":"2026-06-01T12:00:00+00:00","expires_at":"2026-06-01T13:00:00+00:00",
     "hashes":["00ab…","7f3c…"]}

``hashes`` are the SHA-256 of the bundles' archives (64 hex digits), sorted. A hash is only ever added, so their number
is the ``sequence``: of two lists, the one with the lower sequence lacks a hash that the other has.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec

from alga_ext.errors import PlatformError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import REGISTRY
from alga_ext.trust.signing import WITHDRAWN_LIST_PAYLOAD_TYPE, Signer, sign_envelope

LIST_LIMIT_BYTES: Final = 32 * 1024 * 1024
"""The largest envelope that is written or read: about 375,000 hashes."""
ALARM_BYTES: Final = LIST_LIMIT_BYTES // 2
"""The writer of a larger envelope raises an alarm."""

_Sha256Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    sequence: int
    issued_at: Annotated[datetime, msgspec.Meta(tz=True)]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    hashes: list[_Sha256Hex]


_DECODER: Final = msgspec.json.Decoder(_Document)


class WithdrawnList(NamedTuple):
    """A verified list. It may have expired; the reader decides that."""

    hashes: frozenset[str]
    issued_at: datetime
    expires_at: datetime

    @property
    def sequence(self) -> int:
        """The number of hashes, which only grows."""
        return len(self.hashes)

    @property
    def lifetime(self) -> timedelta:
        """The time from issue to expiry."""
        return self.expires_at - self.issued_at


def sign_list(hashes: Iterable[str], signer: Signer, now: datetime, lifetime: timedelta) -> bytes:
    """Return the envelope of a list that is issued now.

    Args:
        hashes: 64 hex digits each, in any order.
        signer: holds the release key.
        now: the time of issue.
        lifetime: how long the list may be used.

    Raises:
        PlatformError: ``policy_unavailable`` when the envelope would exceed ``LIST_LIMIT_BYTES``.
    """
    ordered = sorted(set(hashes))
    payload = msgspec.json.encode(_Document(len(ordered), now, now + lifetime, ordered))
    envelope = sign_envelope(signer, payload, WITHDRAWN_LIST_PAYLOAD_TYPE)
    if len(envelope) > LIST_LIMIT_BYTES:
        raise PlatformError(
            "policy_unavailable",
            f"The list of withdrawn versions is {len(envelope)} bytes; at most {LIST_LIMIT_BYTES} are allowed.",
        )
    return envelope


def verify_list(envelope: bytes, trust: TrustBundle, now: datetime) -> WithdrawnList:
    """Verify the envelope of a list and return the list, which may have expired.

    1. A release key of the platform signed it, as a list. The key is valid and not revoked at ``now``.
    2. Its payload is a well-formed list in the one form that ``sign_list`` writes: hashes sorted, none twice, as many
       as the sequence says, and issued before it expires.

    Raises:
        PlatformError: ``signature_…`` or ``key_…`` (1); ``signature_malformed`` (2).
    """
    verified = trust.verify(  # (1)
        envelope,
        use="release",
        publisher=REGISTRY,
        at=now,
        payload_type=WITHDRAWN_LIST_PAYLOAD_TYPE,
        limit_bytes=LIST_LIMIT_BYTES,
    )
    try:
        document = _DECODER.decode(verified.payload)  # (2)
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    if document is None or not _is_canonical(document, verified.payload):
        raise PlatformError("signature_malformed", "The signed payload is not a list of withdrawn versions.")
    return WithdrawnList(frozenset(document.hashes), document.issued_at, document.expires_at)


def _is_canonical(document: _Document, payload: bytes) -> bool:
    hashes = document.hashes
    return (
        document.sequence == len(hashes)
        and document.issued_at < document.expires_at
        and sorted(set(hashes)) == hashes
        and msgspec.json.encode(document) == payload
    )
