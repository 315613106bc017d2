"""Interface ``scheduler``: schedules of the install's own endpoints. Capability cap:scheduler.manage.

The rules are in ``rules``. Changes are counted in the transaction that makes them, while it holds a lock for the
install, so that concurrent calls cannot exceed the limits together. An update of the install takes the same lock, so it
disables what a call has just made for an endpoint that the new version does not have.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from alga_ext.calls.cron import next_run
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Database, Row, Tx
from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.scheduler import rules
from functions.runner.imports.scheduler.rules import Endpoint, Wanted

CreateInput = tuple[str, str, str | None, bool | None, str | None, str | None]
"""The guest's ``create-schedule-input``: endpoint, cron, timezone, enabled, name, payload."""
UpdateInput = tuple[str | None, str | None, str | None, bool | None, str | None, str | None]
"""The guest's ``update-schedule-input``: the same fields, each optional."""

_INTERNAL: Final = (False, "internal")
_FAILED: Final = "The platform cannot do this at the moment; try again."
_BY_ADMIN: Final = "An admin of the tenant has disabled this schedule, and only an admin can enable it."
_NAME_TAKEN: Final = "another schedule has this name"
_NOT_FOUND: Final = "This install has no schedule with this id."

_HERE = "tenant_id = :tenant and install_id = cast(:install as uuid)"
_COLUMNS: Final = (
    "schedule_id, endpoint_path, endpoint_method, name, cron, timezone, enabled, payload, last_run_at, "
    "last_run_status, last_error, disabled_reason, created_at"
)
_LIST: Final = f"select {_COLUMNS} from app.extension_schedule where {_HERE} order by created_at, schedule_id"  # noqa: S608 - constants only
_GET: Final = f"""
select {_COLUMNS} from app.extension_schedule where {_HERE} and schedule_id = cast(:id as uuid)
"""  # noqa: S608 - constants only
_LOCK_ROW: Final = f"{_GET} for no key update"
"""An admin who disables the schedule at this moment is waited for, and not overwritten."""
_COUNT: Final = f"select count(*) as schedules from app.extension_schedule where {_HERE}"  # noqa: S608 - constants only
_INSERT: Final = """
insert into app.extension_schedule
  (tenant_id, install_id, name, endpoint_method, endpoint_path, cron, timezone, enabled, payload, next_run_at)
values (:tenant, cast(:install as uuid), :name, :method, :path, :cron, :timezone, :enabled, :payload, :next_run)
returning schedule_id
"""
_UPDATE: Final = f"""
update app.extension_schedule set name = :name, endpoint_method = :method, endpoint_path = :path, cron = :cron,
  timezone = :timezone, enabled = :enabled, payload = :payload, next_run_at = :next_run, updated_at = now(),
  disabled_reason = case when :enabled then null else disabled_reason end
where {_HERE} and schedule_id = cast(:id as uuid)
"""  # noqa: S608 - constants only
_DELETE: Final = f"delete from app.extension_schedule where {_HERE} and schedule_id = cast(:id as uuid)"  # noqa: S608 - constants only
_ENDPOINTS: Final = "select method, path, handler, schedulable from app.install_endpoints(cast(:install as uuid))"
_LOCK: Final = "select app.lock_schedules(cast(:install as uuid))"
_FORGET: Final = f"delete from app.extension_schedule_change where {_HERE} and changed_at < now() - interval '1 minute'"  # noqa: S608 - constants only
_CHANGES: Final = f"select count(*) as changes from app.extension_schedule_change where {_HERE}"  # noqa: S608 - constants only
_CHANGE: Final = """
insert into app.extension_schedule_change (tenant_id, install_id) values (:tenant, cast(:install as uuid))
"""


class _Refused(Exception):
    """Rolls a transaction back. ``text`` is the error for the guest; ``fields`` is its ``field-errors``, if any."""

    def __init__(self, text: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.fields = rules.field_errors(fields) if fields else None


class Scheduler:
    """The imports for one call."""

    def __init__(self, database: Database, call: CallContext, now: Callable[[], datetime]) -> None:
        self._database = database
        self._call = call
        self._now = now

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        return {
            "scheduler.list-schedules": Handler(tuple[()], self.list_schedules, _INTERNAL),
            "scheduler.get-schedule": Handler(tuple[str], self.get_schedule, _INTERNAL),
            "scheduler.create-schedule": Handler(tuple[CreateInput], self.create, (False, None, _FAILED, None)),
            "scheduler.update-schedule": Handler(tuple[str, UpdateInput], self.update, (False, _FAILED, None)),
            "scheduler.delete-schedule": Handler(tuple[str], self.delete, (False, _FAILED)),
            "scheduler.get-endpoints": Handler(tuple[()], self.get_endpoints, _INTERNAL),
        }

    def list_schedules(self) -> tuple[bool, Any]:
        """Answer ``scheduler.list-schedules``: all schedules in order of creation."""
        with self._transaction() as tx:
            return (True, [_info(row) for row in tx.rows(_LIST, **self._here())])

    def get_schedule(self, schedule_id: str) -> tuple[bool, Any]:
        """Answer ``scheduler.get-schedule``: None when there is no such schedule."""
        if not is_uuid(schedule_id):
            return (True, None)
        with self._transaction() as tx:
            row = tx.row(_GET, id=schedule_id, **self._here())
        return (True, None if row is None else _info(row))

    def get_endpoints(self) -> tuple[bool, Any]:
        """Answer ``scheduler.get-endpoints``: all declared endpoints, each with whether it can be scheduled."""
        with self._transaction() as tx:
            found = self._endpoints(tx)
        return (True, [(e.id, e.method, e.path, e.handler, rules.endpoint_fault(e) is None) for e in found])

    def create(self, given: CreateInput) -> tuple[bool, str | None, str | None, str | None]:
        """Answer ``scheduler.create-schedule``."""
        endpoint, cron, timezone, enabled, name, payload = given
        try:
            with self._transaction() as tx:
                self._count_change(tx)
                if tx.one(_COUNT, **self._here())["schedules"] >= rules.SCHEDULES_LIMIT:
                    raise _Refused(f"An install may have at most {rules.SCHEDULES_LIMIT} schedules; delete one first.")
                wanted = Wanted(
                    rules.find_endpoint(endpoint, self._endpoints(tx)),
                    cron,
                    rules.DEFAULT_TIMEZONE if timezone is None else timezone,
                    enabled is not False,
                    name,
                    payload or None,
                )
                made = tx.one(_INSERT, **self._values(wanted))
        except _Refused as refused:
            self._call.why = f"{refused.text} {refused.fields or ''}".strip()
            return (False, None, refused.text, refused.fields)
        except PlatformError as error:
            self._call.why = _NAME_TAKEN
            return (False, None, *_conflict(error))
        return (True, str(made["schedule_id"]), None, None)

    def update(self, schedule_id: str, given: UpdateInput) -> tuple[bool, str | None, str | None]:
        """Answer ``scheduler.update-schedule``. Fields that are not given stay; an empty payload removes it."""
        if not is_uuid(schedule_id):
            self._call.why = _NOT_FOUND
            return (False, _NOT_FOUND, None)
        endpoint, cron, timezone, enabled, name, payload = given
        try:
            with self._transaction() as tx:
                self._count_change(tx)
                before = tx.row(_LOCK_ROW, id=schedule_id, **self._here())
                if before is None:
                    raise _Refused(_NOT_FOUND)
                if enabled and not before["enabled"] and before["disabled_reason"] == "admin":
                    raise _Refused(_BY_ADMIN)
                stored = f"{before['endpoint_method']} {before['endpoint_path']}"
                wanted = Wanted(
                    rules.find_endpoint(stored if endpoint is None else endpoint, self._endpoints(tx)),
                    before["cron"] if cron is None else cron,
                    before["timezone"] if timezone is None else timezone,
                    before["enabled"] if enabled is None else enabled,
                    before["name"] if name is None else name,
                    before["payload"] if payload is None else payload or None,
                )
                tx.execute(_UPDATE, id=schedule_id, **self._values(wanted))
        except _Refused as refused:
            self._call.why = f"{refused.text} {refused.fields or ''}".strip()
            return (False, refused.text, refused.fields)
        except PlatformError as error:
            self._call.why = _NAME_TAKEN
            return (False, *_conflict(error))
        return (True, None, None)

    def delete(self, schedule_id: str) -> tuple[bool, str | None]:
        """Answer ``scheduler.delete-schedule``."""
        if not is_uuid(schedule_id):
            self._call.why = _NOT_FOUND
            return (False, _NOT_FOUND)
        try:
            with self._transaction() as tx:
                self._count_change(tx)
                if not tx.execute(_DELETE, id=schedule_id, **self._here()):
                    raise _Refused(_NOT_FOUND)
        except _Refused as refused:
            self._call.why = f"{refused.text} {refused.fields or ''}".strip()
            return (False, refused.text)
        return (True, None)

    def _count_change(self, tx: Tx) -> None:
        here = self._here()
        tx.execute(_LOCK, install=self._call.install_id)
        tx.execute(_FORGET, **here)
        if tx.one(_CHANGES, **here)["changes"] >= rules.CHANGES_PER_MINUTE:
            raise _Refused(
                f"An install may change its schedules {rules.CHANGES_PER_MINUTE} times a minute; try again later."
            )
        tx.execute(_CHANGE, **here)

    def _values(self, wanted: Wanted) -> dict[str, Any]:
        found = rules.faults(wanted)
        if found or isinstance(wanted.endpoint, str):
            raise _Refused("The schedule is not valid.", found)
        return {
            "name": wanted.name,
            "method": wanted.endpoint.method,
            "path": wanted.endpoint.path,
            "cron": wanted.cron,
            "timezone": wanted.timezone,
            "enabled": wanted.enabled,
            "payload": wanted.payload,
            "next_run": next_run(wanted.cron, wanted.timezone, self._now()) if wanted.enabled else None,
            **self._here(),
        }

    def _endpoints(self, tx: Tx) -> list[Endpoint]:
        rows = tx.rows(_ENDPOINTS, install=self._call.install_id)
        return [Endpoint(r["method"], r["path"], r["handler"] or "", bool(r["schedulable"])) for r in rows]

    def _transaction(self) -> Any:
        return self._database.tenant(self._call.tenant_id, self._call.left_ms())

    def _here(self) -> dict[str, str]:
        return {"tenant": self._call.tenant_id, "install": self._call.install_id}


def provider(database: Database, now: Callable[[], datetime]) -> Provider:
    """Return the provider over a database."""

    def open_for(call: CallContext) -> Opened:
        return Opened(Scheduler(database, call, now).handlers(), lambda: None)

    return open_for


def _info(row: Row) -> tuple[Any, ...]:
    return (
        str(row["schedule_id"]),
        row["endpoint_path"],
        row["endpoint_method"],
        row["name"],
        row["cron"],
        row["timezone"],
        row["enabled"],
        row["payload"],
        _instant(row["last_run_at"]),
        row["last_run_status"],
        row["last_error"],
        _instant(row["created_at"]),
    )


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _conflict(error: PlatformError) -> tuple[str, str]:
    """Return the error and field errors for the guest when the schedule's name is taken.

    Raises:
        PlatformError: ``error`` again, when it is not a conflict.
    """
    if error.code != "conflict":
        raise error
    return ("The schedule is not valid.", rules.field_errors({"name": _NAME_TAKEN}))
