"""Publishers, their name prefixes and their signing keys."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from alga_ext.trust.policy import Revocation, TrustBundle, TrustedKey
from alga_ext.trust.signing import PublicKey
from functions.registry.records import transparency
from functions.registry.records.audit import Actor
from functions.registry.records.transparency import Entry

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
_KEY_COLUMNS: Final = (
    "key_id, publisher, public_key, algorithm, valid_from, valid_until, revoked_from, revoked_reason, created_at"
)
_INSERT_KEY: Final = f"""
insert into app.publisher_key (key_id, publisher, public_key, algorithm, valid_from, valid_until, created_by)
values (:key_id, :publisher, :public_key, :algorithm, :valid_from, cast(:valid_until as timestamptz), :actor)
on conflict (key_id) do nothing
returning {_KEY_COLUMNS}
"""  # noqa: S608 - constants only
_LIST_PUBLISHERS: Final = """
select p.publisher, p.display_name, p.created_at,
       array(select x.prefix from app.publisher_prefix x where x.publisher = p.publisher order by 1) as name_prefixes
from app.publisher p where p.publisher > :after order by p.publisher limit :page_size
"""
_LIST_KEYS: Final = f"""
select {_KEY_COLUMNS}
from app.publisher_key
where publisher = :publisher and (created_at, key_id) > (cast(:after_at as timestamptz), :after_id)
order by created_at, key_id limit :page_size
"""  # noqa: S608 - constants only
_SELECT_KEY: Final = f"""
select {_KEY_COLUMNS}
from app.publisher_key where publisher = :publisher and key_id = :key_id
"""  # noqa: S608 - constants only
_LOCK_KEY: Final = f"""
select {_KEY_COLUMNS}
from app.publisher_key where key_id = :key_id for no key update
"""  # noqa: S608 - constants only
_RETIRE_KEY: Final = f"""
update app.publisher_key set valid_until = :valid_until
where key_id = :key_id
returning {_KEY_COLUMNS}
"""  # noqa: S608 - constants only
_SELECT_KEYS: Final = f"""
select {_KEY_COLUMNS}
from app.publisher_key where publisher = :publisher order by created_at, key_id
"""  # noqa: S608 - constants only
_REVOKE_KEY: Final = f"""
update app.publisher_key
set revoked_from = least(revoked_from, cast(:revoked_from as timestamptz)), revoked_reason = :reason
where publisher = :publisher and key_id = :key_id
returning {_KEY_COLUMNS}
"""  # noqa: S608 - constants only

PublisherKeys = tuple[list[TrustedKey], list[Revocation]]
"""A publisher's registered keys and their revocations."""


def create_publisher(
    tx: Tx, publisher: str, display_name: str, prefixes: Iterable[str], actor: Actor, now: datetime
) -> Row:
    """Register a publisher with the name prefixes that belong to it.

    Raises:
        PlatformError: ``publisher_exists``; ``prefix_taken`` when a prefix overlaps a prefix of another publisher.
    """
    row = tx.row(_INSERT_PUBLISHER, publisher=publisher, display_name=display_name, actor=actor.subject)
    if row is None:
        raise PlatformError("publisher_exists", f"The publisher {publisher!r} exists already; choose another slug.")
    transparency.append(tx, Entry("publisher.created", publisher, {"display_name": display_name}), actor, now)
    for prefix in prefixes:
        _add_prefix(tx, publisher, prefix, actor, now)
    return load_publisher(tx, publisher)


def check_name(tx: Tx, publisher: str, name: str) -> None:
    """Check that ``publisher`` may register ``name``.

    The names of a publisher with prefixes must begin with one of them. No name may begin with a prefix of another
    publisher.

    Raises:
        PlatformError: ``extension_name_not_allowed``.
    """
    prefixes = [row["prefix"] for row in tx.rows(_SELECT_PREFIXES, publisher=publisher)]
    if prefixes and not name.startswith(tuple(prefixes)):
        raise PlatformError(
            "extension_name_not_allowed",
            f"The name {name!r} must begin with a prefix of the publisher {publisher!r}: {', '.join(prefixes)}.",
        )
    other = tx.row(_OTHERS_PREFIX, publisher=publisher, name=name)
    if other is not None and name.startswith(other["prefix"]):
        raise PlatformError(
            "extension_name_not_allowed",
            f"The name {name!r} begins with {other['prefix']!r}, a prefix of the publisher {other['publisher']!r}.",
        )


def _add_prefix(tx: Tx, publisher: str, prefix: str, actor: Actor, now: datetime) -> None:
    other = tx.row(_OTHERS_PREFIX, publisher=publisher, name=prefix)
    if other is not None or tx.execute(_INSERT_PREFIX, prefix=prefix, publisher=publisher, actor=actor.subject) == 0:
        raise PlatformError(
            "prefix_taken", f"The prefix {prefix!r} overlaps a registered prefix; choose another prefix."
        )
    transparency.append(tx, Entry("publisher.prefix_added", publisher, {"prefix": prefix}), actor, now)


def load_publisher(tx: Tx, publisher: str) -> Row:
    """Return a publisher, or raise ``publisher_not_found``."""
    row = tx.row(_SELECT_PUBLISHER, publisher=publisher)
    if row is None:
        raise PlatformError("publisher_not_found", f"There is no publisher {publisher!r}; register it first.")
    return row


def check_unclaimed(trust: TrustBundle, publisher: str, public_key: str) -> None:
    """Check that the operator's trust bundle does not give this key to the platform or only to other publishers.

    Raises:
        PlatformError: ``key_invalid``; ``key_exists``.
    """
    key_id = PublicKey.from_pem(public_key).key_id
    for key in trust.keys:
        if key.key_id == key_id and (key.use != "publisher" or not {publisher, "*"} & set(key.publishers)):
            raise PlatformError(
                "key_exists", f"Key {key_id} belongs to another publisher or to the platform; generate a new key."
            )


def add_key(
    tx: Tx,
    publisher: str,
    public_key: str,
    valid_from: datetime | None,
    valid_until: datetime | None,
    actor: Actor,
    now: datetime,
) -> Row:
    """Add a signing key. Older keys stay valid, so that a rotation can overlap.

    Raises:
        PlatformError: ``publisher_not_found``; ``invalid_request`` when its validity would not end after it begins;
            ``key_invalid``; ``key_exists`` when any publisher has registered it before.
    """
    load_publisher(tx, publisher)
    start = valid_from or now
    if valid_until is not None and valid_until <= start:
        raise PlatformError(
            "invalid_request", f"valid_until {valid_until.isoformat()} is not after valid_from {start.isoformat()}."
        )
    key = PublicKey.from_pem(public_key)
    row = tx.row(
        _INSERT_KEY,
        key_id=key.key_id,
        publisher=publisher,
        public_key=key.pem,
        algorithm=key.algorithm,
        valid_from=start,
        valid_until=valid_until,
        actor=actor.subject,
    )
    if row is None:
        raise PlatformError(
            "key_exists", f"Key {key.key_id} is registered already; generate a new key. A key has one publisher only."
        )
    details = {
        "key_id": key.key_id,
        "valid_from": row["valid_from"].isoformat(),
        "valid_until": _text(row["valid_until"]),
    }
    transparency.append(tx, Entry("publisher.key_added", publisher, details), actor, now)
    return row


def list_publishers(tx: Tx, after: str, page_size: int) -> list[Row]:
    """Return the publishers after the slug ``after``, ordered by slug."""
    return tx.rows(_LIST_PUBLISHERS, after=after, page_size=page_size)


def list_keys(tx: Tx, publisher: str, after: tuple[str, str], page_size: int) -> list[Row]:
    """Return the keys of a publisher after (``created_at``, ``key_id``), oldest first.

    Raises:
        PlatformError: ``publisher_not_found``; ``invalid_request`` when ``created_at`` is not a valid instant.
    """
    load_publisher(tx, publisher)
    return tx.rows(_LIST_KEYS, publisher=publisher, after_at=after[0], after_id=after[1], page_size=page_size)


def load_key(tx: Tx, publisher: str, key_id: str) -> Row:
    """Return a publisher's key, or raise ``key_unknown``."""
    row = tx.row(_SELECT_KEY, publisher=publisher, key_id=key_id)
    if row is None:
        raise _unknown(publisher, key_id)
    return row


def lock_key(tx: Tx, publisher: str, key_id: str) -> Row:
    """Return a publisher's key and lock it until the transaction ends; raise ``key_unknown`` when it does not exist."""
    row = tx.row(_LOCK_KEY, key_id=key_id)
    if row is None or row["publisher"] != publisher:
        raise _unknown(publisher, key_id)
    return row


def hold_key(tx: Tx, key_id: str) -> None:
    """Lock a key until the transaction ends, so that it cannot be revoked. A key that is not registered is ignored."""
    tx.row(_LOCK_KEY, key_id=key_id)


def retire_key(tx: Tx, key: Row, valid_until: datetime, actor: Actor, now: datetime) -> Row:
    """End the validity of a locked key at an instant. What it signs until then stays valid.

    Raises:
        PlatformError: ``invalid_request`` when the instant is in the past (that would be a revocation), is not after
            the start of the key's validity, or is after the end that it already has.
    """
    earliest = max(now, key["valid_from"])
    if valid_until < earliest or valid_until <= key["valid_from"]:
        raise PlatformError(
            "invalid_request",
            f"valid_until {valid_until.isoformat()} is not after {earliest.isoformat()}. "
            "To end a key's validity in the past, revoke the key.",
        )
    if key["valid_until"] is not None and key["valid_until"] < valid_until:
        raise PlatformError(
            "invalid_request",
            f"The key's validity already ends at {key['valid_until'].isoformat()}; this can only be moved earlier, not "
            f"to {valid_until.isoformat()}.",
        )
    row = tx.one(_RETIRE_KEY, key_id=key["key_id"], valid_until=valid_until)
    details = {"key_id": key["key_id"], "from": _text(key["valid_until"]), "valid_until": _text(valid_until)}
    transparency.append(tx, Entry("publisher.key_retired", key["publisher"], details), actor, now)
    return row


def revoke_key(
    tx: Tx, publisher: str, key_id: str, revoked_from: datetime, reason: str, actor: Actor, now: datetime
) -> Row:
    """Revoke a key from an instant on, or raise ``key_unknown``. An earlier revocation is never moved later."""
    row = tx.row(_REVOKE_KEY, publisher=publisher, key_id=key_id, revoked_from=revoked_from, reason=reason)
    if row is None:
        raise _unknown(publisher, key_id)
    details = {"key_id": key_id, "revoked_from": row["revoked_from"].isoformat(), "reason": reason}
    transparency.append(tx, Entry("publisher.key_revoked", publisher, details), actor, now)
    return row


def trusted_keys(tx: Tx, publisher: str) -> PublisherKeys:
    """Return a publisher's registered keys and their revocations, in the form that extends a trust bundle."""
    rows = tx.rows(_SELECT_KEYS, publisher=publisher)
    keys = [_trusted(row) for row in rows]
    revocations = [
        Revocation(key_id=row["key_id"], revoked_from=row["revoked_from"], reason=row["revoked_reason"])
        for row in rows
        if row["revoked_from"] is not None
    ]
    return keys, revocations


def _unknown(publisher: str, key_id: str) -> PlatformError:
    return PlatformError("key_unknown", f"The publisher {publisher!r} has no key {key_id}.")


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _trusted(row: dict[str, Any]) -> TrustedKey:
    return TrustedKey(
        key_id=row["key_id"],
        public_key=row["public_key"],
        use="publisher",
        publishers=(row["publisher"],),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )
