"""Identifiers: distinct types for strings that must not be mixed up, and the rules for their form."""

import re
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Final, NewType

TenantId = NewType("TenantId", str)
ExtensionId = NewType("ExtensionId", str)
InstallId = NewType("InstallId", str)
VersionId = NewType("VersionId", str)

ContentHash = NewType("ContentHash", str)
"""``sha256:`` and 64 lower-case hex digits: the hash of a bundle archive's bytes."""

TENANT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
"""A tenant id as the host application issues it: a UUID or a slug, at most 64 characters."""

_CONTENT_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})\Z")


def new_id() -> str:
    """Return a new random identifier (UUID version 4, text)."""
    return str(uuid.uuid4())


def new_execution_id(now: datetime) -> str:
    """Return a new id of an execution: UUID version 7 (RFC 9562, section 5.7), with ``now`` in milliseconds.

    The UTC day of this instant is the partition of the execution's record (``app.execution_day``), so every message
    about an execution leads to the same partition.
    """
    milliseconds = int(now.timestamp() * 1_000)
    variant_and_random = uuid.uuid4().int & (1 << 76) - 1  # the same bits in version 4
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | variant_and_random))


def execution_day(execution_id: str, accepted_at: str) -> date:
    """Return the UTC day whose partition has the record of an execution.

    It is that of ``app.execution_day`` or, for an id of another version than 7, that of ``accepted_at`` (RFC 3339).

    Raises:
        ValueError: the id is not a UUID, or the instant is invalid, out of range or without an offset.
    """
    found = uuid.UUID(execution_id)
    accepted = datetime.fromisoformat(accepted_at)
    if accepted.tzinfo is None:
        message = f"the instant {accepted_at} has no offset"
        raise ValueError(message)
    try:
        if found.version == 7:
            return date(1970, 1, 1) + timedelta(milliseconds=found.int >> 80)
        return accepted.astimezone(UTC).date()
    except OverflowError as error:
        raise ValueError(str(error)) from None


def is_uuid(text: str) -> bool:
    """Tell whether ``text`` is a UUID in its canonical lower-case form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def parse_content_hash(text: str) -> ContentHash | None:
    """Return the canonical content hash of 64 hex digits with or without ``sha256:``; None for any other text."""
    match = _CONTENT_HASH.match(text)
    return ContentHash(f"sha256:{match[1]}") if match else None


def sha256_hex(content_hash: ContentHash) -> str:
    """Return the 64 hex digits of a content hash."""
    return content_hash.removeprefix("sha256:")
