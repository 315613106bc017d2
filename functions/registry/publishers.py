"""Publishers and the keys they sign with."""

from datetime import datetime
from typing import Any, Final

from alga_ext.database import Row, Tx
from alga_ext.errors import PlatformError
from alga_ext.signing import PublicKey
from alga_ext.trust import Revocation, TrustedKey

_INSERT_PUBLISHER: Final = """
insert into app.publisher (publisher, display_name, created_by) values (:publisher, :display_name, :actor)
on conflict (publisher) do nothing returning publisher, display_name, created_at
"""
_SELECT_PUBLISHER: Final = "select publisher, display_name, created_at from app.publisher where publisher = :publisher"
_INSERT_KEY: Final = """
insert into app.publisher_key (key_id, publisher, public_key, algorithm, valid_from, valid_until, created_by)
values (:key_id, :publisher, :public_key, :algorithm, coalesce(cast(:valid_from as timestamptz), now()),
        cast(:valid_until as timestamptz), :actor)
on conflict (key_id) do nothing
returning key_id, publisher, public_key, algorithm, valid_from, valid_until, revoked_from, revoked_reason, created_at
"""
_SELECT_KEYS: Final = """
select key_id, publisher, public_key, algorithm, valid_from, valid_until, revoked_from, revoked_reason, created_at
from app.publisher_key where publisher = :publisher order by created_at, key_id
"""
_REVOKE_KEY: Final = """
update app.publisher_key
set revoked_from = least(revoked_from, cast(:revoked_from as timestamptz)), revoked_reason = :reason
where publisher = :publisher and key_id = :key_id
returning key_id, publisher, public_key, algorithm, valid_from, valid_until, revoked_from, revoked_reason, created_at
"""


def create_publisher(tx: Tx, publisher: str, display_name: str, actor: str) -> Row:
    """Register a publisher; ``publisher_exists`` when the slug is taken."""
    row = tx.row(_INSERT_PUBLISHER, publisher=publisher, display_name=display_name, actor=actor)
    if row is None:
        raise PlatformError("publisher_exists", f"The publisher {publisher!r} exists already.")
    return row


def load_publisher(tx: Tx, publisher: str) -> Row:
    """Return a publisher, or raise ``publisher_not_found``."""
    row = tx.row(_SELECT_PUBLISHER, publisher=publisher)
    if row is None:
        raise PlatformError("publisher_not_found", f"There is no publisher {publisher!r}; register it first.")
    return row


def add_key(
    tx: Tx, publisher: str, public_key: str, valid_from: datetime | None, valid_until: datetime | None, actor: str
) -> Row:
    """Add a signing key; older keys stay valid, so a rotation can overlap.

    Raises:
        PlatformError: ``publisher_not_found``; ``key_invalid``; ``key_exists`` when anybody registered it before.
    """
    load_publisher(tx, publisher)
    key = PublicKey.from_pem(public_key)
    row = tx.row(
        _INSERT_KEY,
        key_id=key.key_id,
        publisher=publisher,
        public_key=key.pem,
        algorithm=key.algorithm,
        valid_from=valid_from,
        valid_until=valid_until,
        actor=actor,
    )
    if row is None:
        raise PlatformError(
            "key_exists", f"Key {key.key_id} is registered already; every key belongs to one publisher."
        )
    return row


def list_keys(tx: Tx, publisher: str) -> list[Row]:
    """Return a publisher's keys, oldest first, or raise ``publisher_not_found``."""
    load_publisher(tx, publisher)
    return tx.rows(_SELECT_KEYS, publisher=publisher)


def revoke_key(tx: Tx, publisher: str, key_id: str, revoked_from: datetime, reason: str) -> Row:
    """Revoke a key from an instant on; an earlier revocation is never moved later."""
    row = tx.row(_REVOKE_KEY, publisher=publisher, key_id=key_id, revoked_from=revoked_from, reason=reason)
    if row is None:
        raise PlatformError("key_unknown", f"The publisher {publisher!r} has no key {key_id}.")
    return row


def trusted_keys(tx: Tx, publisher: str) -> tuple[list[TrustedKey], list[Revocation]]:
    """Return what a publisher's registered keys add to the trust bundle."""
    rows = tx.rows(_SELECT_KEYS, publisher=publisher)
    keys = [_trusted(row) for row in rows]
    revocations = [
        Revocation.model_validate(
            {"key_id": row["key_id"], "from": row["revoked_from"], "reason": row["revoked_reason"]}
        )
        for row in rows
        if row["revoked_from"] is not None
    ]
    return keys, revocations


def _trusted(row: dict[str, Any]) -> TrustedKey:
    return TrustedKey(
        key_id=row["key_id"],
        public_key=row["public_key"],
        use="publisher",
        publishers=(row["publisher"],),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )
