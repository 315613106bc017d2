"""A batch of the transparency log's copy: consecutive leaves, and the root of the log before them, signed. Pure.

The payload of the DSSE envelope is JSON in one exact form::

    {"origin":"alga.dev/extension-log","first":10,"root_hash":"00ab…","entries":["{…}","{…}"]}

``first`` is the index of the first leaf, ``root_hash`` the hash (RFC 6962) of the tree of the ``first`` leaves before
it, and ``entries`` are the texts of the leaves. So a batch fits one history of the log only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec

from alga_ext.errors import Fault, PlatformError
from alga_ext.trust.log_proof import ORIGIN
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import REGISTRY
from alga_ext.trust.signing import LOG_BATCH_PAYLOAD_TYPE, Signer, sign_envelope

ENTRIES_LIMIT: Final = 100
"""The most leaves of one batch."""
BATCH_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""More than an envelope of ``ENTRIES_LIMIT`` leaves of 16 KiB can have, when JSON escapes every character."""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    origin: str
    first: Annotated[int, msgspec.Meta(ge=0)]
    root_hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    entries: Annotated[list[str], msgspec.Meta(min_length=1, max_length=ENTRIES_LIMIT)]


_DECODER: Final = msgspec.json.Decoder(_Document)


class Batch(NamedTuple):
    """Leaves of the log: the index of the first, the root of the tree before it, and the text of each."""

    first: int
    root_hash: bytes
    entries: Sequence[str]

    @property
    def end(self) -> int:
        """The index after the last leaf."""
        return self.first + len(self.entries)


def sign_batch(batch: Batch, signer: Signer) -> bytes:
    """Return the envelope of a batch, signed with the log's key."""
    document = _Document(ORIGIN, batch.first, batch.root_hash.hex(), list(batch.entries))
    return sign_envelope(signer, msgspec.json.encode(document), LOG_BATCH_PAYLOAD_TYPE)


def read_batch(envelope: bytes, first: int, trust: TrustBundle, now: datetime) -> Batch:
    """Verify the envelope of the batch that begins with the leaf ``first``, and return the batch.

    1. A log key of the platform signed it, as a batch. The key is valid and not revoked at ``now``.
    2. Its payload is a batch of this log that begins with this leaf.

    Raises:
        PlatformError: ``log_integrity`` with the fault ``log_copy``.
    """
    try:
        verified = trust.verify(  # (1)
            envelope,
            use="log",
            publisher=REGISTRY,
            at=now,
            payload_type=LOG_BATCH_PAYLOAD_TYPE,
            limit_bytes=BATCH_LIMIT_BYTES,
        )
        document = _DECODER.decode(verified.payload)  # (2)
    except PlatformError as error:
        raise _refused(first, error.detail, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(first, "its signed payload is not a batch of leaves", error) from error
    if (document.origin, document.first) != (ORIGIN, first):
        raise _refused(first, "it belongs to another log or begins with another entry", None)
    return Batch(first, bytes.fromhex(document.root_hash), document.entries)


def _refused(first: int, why: str, cause: Exception | None) -> PlatformError:
    detail = f"The copy of the transparency log from entry {first} on cannot be used: {why}"
    return PlatformError("log_integrity", detail, fault=Fault.LOG_COPY, cause=cause)
