"""Publishers and the keys they sign with."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from alga_ext.database import Row, Tx
from alga_ext.errors import PlatformError
from alga_ext.signing import PublicKey
from alga_ext.trust import Revocation, TrustedKey
from functions.registry import transparency
from functions.registry.transparency import Entry

_INSERT_PUBLISHER: Final = """
insert into app.publisher (publisher, display_name, created_by) values (:publisher, :display_name, :actor)
on conflict (publisher) do nothing returning publisher, display_name, created_at
"""
_SELECT_PUBLISHER: Final = """
select p.publisher, p.display_name, p.created_at,
       array(select x.prefix from app.publisher_prefix x where x.publisher = p.publisher order by 1) as name_prefixes
from app.publisher p where p.publisher = :publisher
"""
_INSERT_PREFIX: Final = """
insert into app.publisher_prefix (prefix, publisher, created_by) values (:prefix, :publisher, :actor)
on conflict (prefix) do nothing
"""
_SELECT_PREFIXES: Final = "select prefix from app.publisher_prefix where publisher = :publisher order by prefix"
_OTHERS_PREFIX: Final = """
select prefix, publisher from app.publisher_prefix
where publisher <> :publisher and (starts_with(:name, prefix) or starts_with(prefix, :name))
order by prefix limit 1
"""
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
_LOCK_KEY: Final = "select key_id from app.publisher_key where key_id = :key_id for update"
_REVOKE_KEY: Final = """
update app.publisher_key
set revoked_from = least(revoked_from, cast(:revoked_from as timestamptz)), revoked_reason = :reason
where publisher = :publisher and key_id = :key_id
returning key_id, publisher, public_key, algorithm, valid_from, valid_until, revoked_from, revoked_reason, created_at
"""


def create_publisher(
    tx: Tx, publisher: str, display_name: str, prefixes: Iterable[str], actor: str, now: datetime
) -> Row:
    """Register a publisher with the name prefixes that belong to it.

    Raises:
        PlatformError: ``publisher_exists``; ``prefix_taken`` when a prefix overlaps another publisher's.
    """
    row = tx.row(_INSERT_PUBLISHER, publisher=publisher, display_name=display_name, actor=actor)
    if row is None:
        raise PlatformError("publisher_exists", f"The publisher {publisher!r} exists already.")
    transparency.append(tx, Entry("publisher.created", publisher, {"actor": actor}), now)
    for prefix in prefixes:
        _add_prefix(tx, publisher, prefix, actor, now)
    return load_publisher(tx, publisher)


def check_name(tx: Tx, publisher: str, name: str) -> None:
    """Pass when ``publisher`` may register ``name``.

    A publisher with prefixes registers below them only; nobody registers below another publisher's.

    Raises:
        PlatformError: ``extension_name_not_allowed``.
    """
    prefixes = [row["prefix"] for row in tx.rows(_SELECT_PREFIXES, publisher=publisher)]
    if prefixes and not name.startswith(tuple(prefixes)):
        raise PlatformError(
            "extension_name_not_allowed", f"{name!r} must begin with a prefix of {publisher!r}: {', '.join(prefixes)}."
        )
    other = tx.row(_OTHERS_PREFIX, publisher=publisher, name=name)
    if other is not None and name.startswith(other["prefix"]):
        raise PlatformError(
            "extension_name_not_allowed", f"Names below {other['prefix']!r} belong to {other['publisher']!r}."
        )


def _add_prefix(tx: Tx, publisher: str, prefix: str, actor: str, now: datetime) -> None:
    other = tx.row(_OTHERS_PREFIX, publisher=publisher, name=prefix)
    if other is not None or tx.execute(_INSERT_PREFIX, prefix=prefix, publisher=publisher, actor=actor) == 0:
        raise PlatformError("prefix_taken", f"The prefix {prefix!r} overlaps one that is taken.")
    transparency.append(tx, Entry("publisher.prefix_added", publisher, {"prefix": prefix, "actor": actor}), now)


def load_publisher(tx: Tx, publisher: str) -> Row:
    """Return a publisher, or raise ``publisher_not_found``."""
    row = tx.row(_SELECT_PUBLISHER, publisher=publisher)
    if row is None:
        raise PlatformError("publisher_not_found", f"There is no publisher {publisher!r}; register it first.")
    return row


def add_key(
    tx: Tx,
    publisher: str,
    public_key: str,
    valid_from: datetime | None,
    valid_until: datetime | None,
    actor: str,
    now: datetime,
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
    details = {"key_id": key.key_id, "actor": actor}
    transparency.append(tx, Entry("publisher.key_added", publisher, details), now)
    return row


def list_keys(tx: Tx, publisher: str) -> list[Row]:
    """Return a publisher's keys, oldest first, or raise ``publisher_not_found``."""
    load_publisher(tx, publisher)
    return tx.rows(_SELECT_KEYS, publisher=publisher)


def load_key(tx: Tx, publisher: str, key_id: str) -> Row:
    """Return a key of a publisher, or raise ``key_unknown``."""
    for row in list_keys(tx, publisher):
        if row["key_id"] == key_id:
            return row
    raise PlatformError("key_unknown", f"The publisher {publisher!r} has no key {key_id}.")


def lock_key(tx: Tx, key_id: str) -> None:
    """Keep a key from being revoked until the transaction ends; a key nobody registered is left alone."""
    tx.row(_LOCK_KEY, key_id=key_id)


def revoke_key(
    tx: Tx, publisher: str, key_id: str, revoked_from: datetime, reason: str, actor: str, now: datetime
) -> Row:
    """Revoke a key from an instant on; an earlier revocation is never moved later."""
    row = tx.row(_REVOKE_KEY, publisher=publisher, key_id=key_id, revoked_from=revoked_from, reason=reason)
    if row is None:
        raise PlatformError("key_unknown", f"The publisher {publisher!r} has no key {key_id}.")
    details = {"key_id": key_id, "revoked_from": row["revoked_from"].isoformat(), "reason": reason, "actor": actor}
    transparency.append(tx, Entry("publisher.key_revoked", publisher, details), now)
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
