"""Interfaces ``storage`` and ``storage-v2``: key-value storage of an install in PostgreSQL. Capability cap:storage.kv.

Every statement names the tenant and the install of the authorised call, and row-level security enforces the tenant
again. A write checks the quota in its own transaction, after the database's triggers have counted, and rolls back when
the quota is exceeded. An expired entry counts as absent immediately; the sweeper deletes it later.
"""

from typing import Any, Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database, Row, Tx
from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.storage import rules

Entry = tuple[str, str, bytes, int | None]
"""The guest's ``storage-entry``: namespace, key, value, revision."""
Condition = tuple[str, int | None]
"""The guest's ``condition``: ``always``, ``absent``, or ``revision`` with its number."""
PutRequest = tuple[str, str, bytes, int | None, Condition]
"""The guest's ``put-request``: namespace, key, value, time to live in seconds, condition."""
Outcome = tuple[bool, Any]

_MISSING: Final[Outcome] = (False, "missing")
_CONFLICT: Final[Outcome] = (False, "conflict")
_DENIED: Final[Outcome] = (False, "denied")
_INTERNAL: Final[Outcome] = (False, "internal")
_BAD_PLACE: Final = "the namespace or the key is not valid"
_QUOTA: Final = "the storage quota of the install is used up, or the extension was uninstalled"
_NO_SUCH_INSTALL: Final = "23503"  # foreign_key_violation: the extension was uninstalled during the call

_HERE = "tenant_id = :tenant and install_id = cast(:install as uuid) and namespace = :namespace"
_LIVE = "(expires_at is null or expires_at > now())"

_LOCK: Final = "select app.lock_storage(cast(:install as uuid))"
"""Taken before any entry is written. Without it, two calls that lock entries in different orders would deadlock."""
_GET: Final = f"""
select value, revision from app.extension_storage_entry where {_HERE} and key = :key and {_LIVE}
"""  # noqa: S608 - constants only
_PAGE: Final = f"""
select key, value, revision from app.extension_storage_entry
where {_HERE} and key > :after and starts_with(key, :prefix) and {_LIVE}
order by key limit :count
"""  # noqa: S608 - constants only
_DELETE: Final = f"""
delete from app.extension_storage_entry
where {_HERE} and key = :key and (cast(:revision as bigint) is null or revision = cast(:revision as bigint))
returning {_LIVE} as live
"""  # noqa: S608 - constants only
_EXPIRY = (
    "case when cast(:ttl as bigint) is null then null else now() + make_interval(secs => cast(:ttl as bigint)) end"
)
_PUT: Final = f"""
insert into app.extension_storage_entry as entry (tenant_id, install_id, namespace, key, value, revision, expires_at)
values (:tenant, cast(:install as uuid), :namespace, :key, cast(:value as bytea), 1, {_EXPIRY})
on conflict (tenant_id, install_id, namespace, key) do update set
  value = excluded.value,
  revision = case when entry.expires_at is not null and entry.expires_at <= now() then 1 else entry.revision + 1 end,
  expires_at = excluded.expires_at,
  updated_at = now()
where :unconditional or (entry.expires_at is not null and entry.expires_at <= now())
returning revision
"""  # noqa: S608 - constants only
_REPLACE: Final = f"""
update app.extension_storage_entry
set value = cast(:value as bytea), revision = revision + 1, expires_at = {_EXPIRY}, updated_at = now()
where {_HERE} and key = :key and revision = cast(:revision as bigint) and {_LIVE}
returning revision
"""  # noqa: S608 - constants only
_USAGE: Final = """
select count(*) filter (where key_count > 0) as namespaces,
  coalesce(max(key_count) filter (where namespace = :namespace), 0) as keys,
  coalesce(sum(byte_count), 0) as bytes
from app.extension_storage_usage where tenant_id = :tenant and install_id = cast(:install as uuid)
"""


class _Refused(Exception):
    """Rolls a transaction back, and ends the import with a result for the guest."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome[1])
        self.outcome = outcome


class Page(NamedTuple):
    """Entries in key order, and the cursor of the next page, or None when this is the last page."""

    entries: list[Entry]
    next_cursor: str | None


def provider(database: Database) -> Provider:
    """Return the provider of both storage interfaces, which use the given database."""

    def open_for(call: CallContext) -> Opened:
        return Opened(Storage(database, call).handlers(), lambda: None)

    return open_for


class Storage:
    """The storage imports for one call."""

    def __init__(self, database: Database, call: CallContext) -> None:
        self._database = database
        self._call = call

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        return {
            "storage.get": Handler(tuple[str, str], self.get, _INTERNAL),
            "storage.put": Handler(tuple[Entry], self.put, _INTERNAL),
            "storage.delete": Handler(tuple[str, str], self.delete, _INTERNAL),
            "storage.list-entries": Handler(tuple[str, str | None], self.list_entries, _INTERNAL),
            "storage-v2.list-page": Handler(tuple[str, str | None, str | None, int], self.list_page, _INTERNAL),
            "storage-v2.put-with": Handler(tuple[PutRequest], self.put_with, _INTERNAL),
            "storage-v2.put-many": Handler(tuple[list[PutRequest]], self.put_many, _INTERNAL),
            "storage-v2.delete-if": Handler(tuple[str, str, int], self.delete_if, _INTERNAL),
        }

    def get(self, namespace: str, key: str) -> Outcome:
        """Answer ``storage.get``."""
        if not rules.place_fits(namespace, key):
            return self._denied(_BAD_PLACE)
        with self._database.tenant(self._call.tenant_id, self._call.left_ms()) as tx:
            row = tx.row(_GET, key=key, **self._here(namespace))
        return _MISSING if row is None else (True, (namespace, key, bytes(row["value"]), row["revision"]))

    def put(self, entry: Entry) -> Outcome:
        """Answer ``storage.put``. With a revision, it replaces the entry only if the entry has that revision."""
        namespace, key, value, revision = entry
        condition: Condition = ("always", None) if revision is None else ("revision", revision)
        return self.put_with((namespace, key, value, None, condition))

    def delete(self, namespace: str, key: str) -> Outcome:
        """Answer ``storage.delete``."""
        return self._delete(namespace, key, None)

    def delete_if(self, namespace: str, key: str, revision: int) -> Outcome:
        """Answer ``storage-v2.delete-if``."""
        return self._delete(namespace, key, revision)

    def list_entries(self, namespace: str, cursor: str | None) -> Outcome:
        """Answer ``storage.list-entries``: a page of the default size. Its last key is the cursor of the next page."""
        if not rules.namespace_fits(namespace) or _has_nul(cursor):
            return self._denied("the namespace or the cursor is not valid")
        return (True, self._page(namespace, "", cursor, rules.PAGE_DEFAULT).entries)

    def list_page(self, namespace: str, prefix: str | None, cursor: str | None, limit: int) -> Outcome:
        """Answer ``storage-v2.list-page``."""
        if not rules.namespace_fits(namespace) or not 1 <= limit <= rules.PAGE_LIMIT:
            return self._denied(f"the namespace is not valid, or the limit is not from 1 to {rules.PAGE_LIMIT}")
        if _has_nul(prefix) or _has_nul(cursor):
            return self._denied("the prefix or the cursor contains a NUL")
        return (True, _cut(self._page(namespace, prefix or "", cursor, limit), rules.PAGE_BYTES))

    def put_with(self, request: PutRequest) -> Outcome:
        """Answer ``storage-v2.put-with``."""
        is_ok, result = self.put_many([request])
        return (True, result[0]) if is_ok else (False, result)

    def put_many(self, requests: list[PutRequest]) -> Outcome:
        """Answer ``storage-v2.put-many``: write all entries in the given order, or none."""
        size = sum(len(value) for _, _, value, _, _ in requests)
        if not 1 <= len(requests) <= rules.BATCH_ITEMS or size > rules.BATCH_BYTES:
            return self._denied(
                f"{len(requests)} entries have {size} bytes; 1 to {rules.BATCH_ITEMS} entries of together "
                f"{rules.BATCH_BYTES} bytes are allowed"
            )
        if not all(_fits(request) for request in requests):
            return self._denied(
                "the namespace, the key, the value's size or the time to live of an entry is not allowed"
            )
        try:
            with self._database.tenant(self._call.tenant_id, self._call.left_ms()) as tx:
                tx.execute(_LOCK, install=self._call.install_id)
                entries = [self._write(tx, request) for request in requests]
                for namespace in {request[0] for request in requests}:
                    self._check_quota(tx, namespace)
        except _Refused as refused:
            return refused.outcome
        except PlatformError as error:
            self._call.why = _QUOTA
            return _refusal_of(error)
        return (True, entries)

    def _write(self, tx: Tx, request: PutRequest) -> Entry:
        namespace, key, value, ttl, (case, revision) = request
        values: dict[str, Any] = {"key": key, "value": value, "ttl": ttl, **self._here(namespace)}
        if case == "revision":
            row = tx.row(_REPLACE, revision=_number(revision), **values)
        else:
            row = tx.row(_PUT, unconditional=case == "always", **values)
        if row is None:
            raise _Refused(_CONFLICT)
        return (namespace, key, value, row["revision"])

    def _delete(self, namespace: str, key: str, revision: int | None) -> Outcome:
        if not rules.place_fits(namespace, key):
            return self._denied(_BAD_PLACE)
        with self._database.tenant(self._call.tenant_id, self._call.left_ms()) as tx:
            values = {"key": key, **self._here(namespace)}
            tx.execute(_LOCK, install=self._call.install_id)
            row = tx.row(_DELETE, revision=_number(revision), **values)
            if row is None and revision is not None and tx.row(_GET, **values) is not None:
                return _CONFLICT
        return (True, None) if row is not None and row["live"] else _MISSING

    def _page(self, namespace: str, prefix: str, cursor: str | None, limit: int) -> Page:
        with self._database.tenant(self._call.tenant_id, self._call.left_ms()) as tx:
            rows = tx.rows(_PAGE, after=cursor or "", prefix=prefix, count=limit + 1, **self._here(namespace))
        entries = [_entry(namespace, row) for row in rows[:limit]]
        return Page(entries, entries[-1][1] if len(rows) > limit else None)

    def _check_quota(self, tx: Tx, namespace: str) -> None:
        usage = tx.one(_USAGE, **self._here(namespace))
        if not rules.within_quota(usage["namespaces"], usage["keys"], int(usage["bytes"])):
            raise _Refused(self._denied(_QUOTA))

    def _denied(self, why: str) -> Outcome:
        self._call.why = why
        return _DENIED

    def _here(self, namespace: str) -> dict[str, str]:
        return {"tenant": self._call.tenant_id, "install": self._call.install_id, "namespace": namespace}


def _refusal_of(error: PlatformError) -> Outcome:
    """Return the guest's result when the database refuses a write.

    The database checks the quota too (``app.count_storage``), and counts what other running calls have written.

    Raises:
        PlatformError: ``error`` again, when it is not a refusal.
    """
    if error.code == "quota_exceeded" or error.context.get("sqlstate") == _NO_SUCH_INSTALL:
        return _DENIED
    if error.code == "conflict":
        return _CONFLICT
    raise error


def _cut(page: Page, size_bytes: int) -> Page:
    """Return the page, shortened so that its values have at most ``size_bytes``, but with at least one entry."""
    total = 0
    for count, entry in enumerate(page.entries):
        total += len(entry[2])
        if total > size_bytes and count:
            return Page(page.entries[:count], page.entries[count - 1][1])
    return page


def _number(revision: int | None) -> int | None:
    """Return a revision that the database can store; -1, which no entry has, for one that is too large."""
    return revision if revision is None or revision < 1 << 63 else -1


def _entry(namespace: str, row: Row) -> Entry:
    return (namespace, row["key"], bytes(row["value"]), row["revision"])


def _fits(request: PutRequest) -> bool:
    namespace, key, value, ttl, (case, _) = request
    return (
        rules.place_fits(namespace, key)
        and rules.value_fits(value)
        and (ttl is None or ttl in rules.TTL_SECONDS)
        and case in ("always", "absent", "revision")
    )


def _has_nul(text: str | None) -> bool:
    """Tell whether a text contains NUL, which PostgreSQL cannot store."""
    return text is not None and "\0" in text
