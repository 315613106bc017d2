"""List a tenant's executions, newest first, and read one."""

from typing import Final, NamedTuple

from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Row, Tx
from functions.registry.records import days
from functions.registry.records.execution_scan import DAYS_READ, ROWS_READ, Filters, Position, scan_of, start_of

_IN_LIST: Final = """
day, execution_id, install_id, extension_id, version_id, request_id, trace_id, method, path, path_template, principal,
state, outcome, accepted_at, finished_at, status, error_code, duration_ms, log_bytes
"""
# An execution id of version 7 begins with its time, so the primary key is the order of the list, and every index used
# here ends with it. The inner limit bounds the rows that are read. The row that reaches it is returned whatever the
# filters say, as the place where the next page goes on. The days are named for the sake of the partitions: a comparison
# of rows excludes none. Both comparisons include their end, because the planner estimates them by their days alone.
_LIST: Final = """
select * from (
  select scanned.*, row_number() over (order by day desc, execution_id desc) as place, ({applied}) as is_wanted
  from (
    select {columns} from app.extension_execution_log
    where tenant_id = :tenant_id
      and day between cast(:oldest_day as date) and cast(:newest_day as date)
      and (day, execution_id) >= (cast(:oldest_day as date), cast(:oldest_id as uuid))
      and (day, execution_id) <= (cast(:newest_day as date), cast(:newest_id as uuid)) {served}
    order by day desc, execution_id desc limit :rows_read) as scanned) as numbered
where is_wanted or place = :rows_read
order by day desc, execution_id desc limit :page_size
"""
_PREFER_NARROW_INDEXES: Final = "select set_config('random_page_cost', '1', true)"
"""Otherwise a read out of order counts four times as much, and the planner rather filters a day's rows."""
# Of an id of version 7, one partition is read. The lines' days go with the record's.
_LOAD: Final = """
select e.*, coalesce(l.line_count, 0) as log_lines, coalesce(l.dropped, 0) as log_lines_dropped
from app.extension_execution_log e
left join app.extension_execution_lines l
  on l.tenant_id = e.tenant_id and l.day = e.day and l.execution_id = e.execution_id
where e.tenant_id = :tenant_id and e.execution_id = cast(:execution_id as uuid)
  and e.day = coalesce(app.execution_day(cast(:execution_id as uuid)), e.day)
"""


class Listed(NamedTuple):
    """One page of the list. ``next_position`` is where the next one goes on; None when nothing follows."""

    rows: list[Row]
    next_position: Position | None


def list_executions(tx: Tx, tenant_id: str, filters: Filters, cursor: Position | None, page_size: int) -> Listed:
    """Return one page of executions. It may have fewer rows than ``page_size`` and not be the last one.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        filters: which executions.
        cursor: only those after this place in the list.
        page_size: how many at most.

    Raises:
        PlatformError: see ``start_of``.
    """
    before = start_of(filters, cursor)
    scan = scan_of(filters, before, days.newest(tx, before[0], DAYS_READ + 1))
    if scan is None:
        return Listed([], None)
    sql = _LIST.format(
        columns=_IN_LIST,
        served="".join(f" and {condition}" for condition in scan.served),
        applied=" and ".join(scan.applied) or "true",
    )
    tx.execute(_PREFER_NARROW_INDEXES)
    found = tx.rows(
        sql,
        tenant_id=tenant_id,
        oldest_day=scan.oldest[0],
        oldest_id=scan.oldest[1],
        newest_day=scan.newest[0],
        newest_id=scan.newest[1],
        rows_read=ROWS_READ,
        page_size=page_size,
        **scan.params,
    )
    wanted = [row for row in found if row["is_wanted"]]
    if found and (len(wanted) == page_size or found[-1]["place"] == ROWS_READ):
        return Listed(wanted, (found[-1]["day"], str(found[-1]["execution_id"])))
    return Listed(wanted, scan.following)


def load(tx: Tx, tenant_id: str, execution_id: str) -> Row:
    """Return the whole record of an execution, with the numbers of its kept and dropped log lines.

    Raises:
        PlatformError: ``execution_not_found`` when the tenant made no such call, or its record is removed.
    """
    row = tx.row(_LOAD, tenant_id=tenant_id, execution_id=execution_id) if is_uuid(execution_id) else None
    if row is None:
        raise PlatformError(
            "execution_not_found",
            "There is no record of such a call: the tenant made none with this id, its record is deleted by now, or "
            "the call was a moment ago and its record is still on its way.",
        )
    return row
