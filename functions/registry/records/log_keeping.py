"""Keep the log lines of finished calls: at most so much text of an install in a UTC day (ADR 0041)."""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from alga_ext.calls.limits import Limits, effective, stored_limits
from alga_ext.calls.log_lines import LINES_LIMIT_BYTES, CallLog, compress, decompress, unpack
from alga_ext.calls.messages import ExecutionFinished
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Row, Tx
from alga_ext.telemetry import log_failure, logger
from functions.registry.records.execution_rows import ExecutionMessage, day_of

_LOCK_DAYS: Final = """
with locked as (
  insert into app.extension_log_day as kept (tenant_id, install_id, day)
  select :tenant_id, cast(item ->> 0 as uuid), cast(item ->> 1 as date)
  from jsonb_array_elements(cast(:days as jsonb)) as item order by 2, 3
  on conflict (tenant_id, day, install_id) do update set dropped = kept.dropped
  returning install_id, day, text_bytes)
select locked.*,
       (select jsonb_build_array(l.by_platform, l.by_tenant) from app.extension_limit l
        where l.tenant_id = :tenant_id and l.install_id = locked.install_id) as limits
from locked
"""
_COUNT: Final = """
update app.extension_log_day as kept
set text_bytes = kept.text_bytes + (item ->> 2)::bigint, dropped = kept.dropped + (item ->> 3)::bigint
from jsonb_array_elements(cast(:days as jsonb)) as item
where kept.tenant_id = :tenant_id and kept.install_id = cast(item ->> 0 as uuid)
  and kept.day = cast(item ->> 1 as date)
"""
_KNOWN: Final = """
select execution_id from app.extension_execution_lines
where tenant_id = :tenant_id and (day, execution_id) in
  (select cast(item ->> 0 as date), cast(item ->> 1 as uuid)
   from jsonb_array_elements(cast(:calls as jsonb)) as item)
"""
_KEEP: Final = """
insert into app.extension_execution_lines (tenant_id, day, execution_id, lines, line_count, dropped, text_bytes)
select :tenant_id, cast(item ->> 0 as date), cast(item ->> 1 as uuid), decode(item ->> 2, 'base64'),
       (item ->> 3)::integer, (item ->> 4)::integer, (item ->> 5)::integer
from jsonb_array_elements(cast(:calls as jsonb)) as item
"""
_LOAD: Final = """
select e.execution_id, e.install_id, e.request_id, e.trace_id, e.accepted_at, e.guest_error, e.guest_stack,
       e.last_refusal, l.lines
from app.extension_execution_log e
left join app.extension_execution_lines l
  on l.tenant_id = e.tenant_id and l.day = e.day and l.execution_id = e.execution_id
where e.tenant_id = :tenant_id and e.execution_id = cast(:execution_id as uuid)
  and e.day = coalesce(app.execution_day(cast(:execution_id as uuid)), e.day)
"""

_LOST_HEADER: Final = "header {} of the answer was dropped: the caller gets it only with another value"


class ExecutionLog(NamedTuple):
    """The lines of one execution, and where they belong. ``day`` is the UTC day of its record."""

    install_id: str
    day: str
    execution_id: str
    log: CallLog


def logs_of(messages: Iterable[ExecutionMessage]) -> list[ExecutionLog]:
    """Return the lines of executions that have some. Of several messages about one, the first counts.

    Raises:
        PlatformError: see ``day_of``.
    """
    found: dict[str, ExecutionLog] = {}
    for message in messages:
        if not isinstance(message, ExecutionFinished) or message.execution_id in found:
            continue
        log = _log_of(message)
        if log is not None:
            day = day_of(message).isoformat()
            found[message.execution_id] = ExecutionLog(message.install_id, day, message.execution_id, log)
    return list(found.values())


def keep(tx: Tx, tenant_id: str, logs: Sequence[ExecutionLog], defaults: Limits) -> None:
    """Store the lines of executions, each once. Without lines it costs nothing.

    The rows of the days are locked until the transaction ends. Of an execution that goes beyond ``kept_log_bytes`` of
    its install, only the number of its lines is stored. Where the stored limits cannot be read, no lines are.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant of all these executions.
        logs: their lines.
        defaults: the stage's limits.
    """
    if not logs:
        return
    days = sorted({(log.install_id, log.day) for log in logs})
    locked = tx.rows(_LOCK_DAYS, tenant_id=tenant_id, days=json.dumps(days))
    kept_bytes = {(str(row["install_id"]), row["day"].isoformat()): int(row["text_bytes"]) for row in locked}
    limits_bytes = {str(row["install_id"]): _limit_bytes(row["limits"], defaults) for row in locked}
    places = json.dumps([(log.day, log.execution_id) for log in logs])
    known = {str(row["execution_id"]) for row in tx.rows(_KNOWN, tenant_id=tenant_id, calls=places)}
    added = {day: [0, 0] for day in days}
    calls = []
    for install_id, day, execution_id, whole in logs:
        if execution_id in known:
            continue
        place = (install_id, day)
        fits = kept_bytes[place] + whole.text_bytes <= limits_bytes[install_id]
        log = whole if fits else CallLog(dropped=whole.dropped + whole.count, over_day_limit=True)
        kept_bytes[place] += log.text_bytes
        added[place][0] += log.text_bytes
        added[place][1] += log.dropped
        lines = base64.b64encode(compress(log)).decode()
        calls.append((day, execution_id, lines, log.count, log.dropped, log.text_bytes))
    tx.execute(_KEEP, tenant_id=tenant_id, calls=json.dumps(calls))
    tx.execute(_COUNT, tenant_id=tenant_id, days=json.dumps([(*day, *amounts) for day, amounts in added.items()]))


def _limit_bytes(documents: Any, defaults: Limits) -> int:
    try:
        return effective(defaults, *stored_limits(None, documents)).kept_log_bytes
    except PlatformError as error:
        log_failure("registry-recorder", error, "limits of an install")
        return 0


def load(tx: Tx, tenant_id: str, execution_id: str) -> tuple[Row, CallLog]:
    """Return what a call left for the developer: its row, and its lines, which may be none.

    Raises:
        PlatformError: ``logs_not_found`` when the tenant made no such call, or nothing of it is kept (any more).
    """
    row = tx.row(_LOAD, tenant_id=tenant_id, execution_id=execution_id) if is_uuid(execution_id) else None
    if row is None or not (row["lines"] or row["guest_error"] or row["guest_stack"] or row["last_refusal"]):
        raise PlatformError(
            "logs_not_found",
            "Nothing is kept of such a call: the tenant made none with this id, the extension wrote nothing, its "
            "lines are deleted by now, or the call was a moment ago and they are still on their way.",
        )
    return row, decompress(row["lines"]) if row["lines"] else CallLog()


def _log_of(message: ExecutionFinished) -> CallLog | None:
    """Return the lines of a call, with those that only the gateway knows, or None for a call without lines."""
    log = CallLog()
    if message.logs_b64z:
        try:
            log = unpack(message.logs_b64z)
        except ValueError as error:  # the record counts, not its lines
            extra = {"request_id": message.request_id, "cause": str(error)}
            logger("registry-recorder").error("the log lines of a call cannot be read", extra=extra)
    for name in message.lost_headers:
        log = log.with_line("warn", _LOST_HEADER.format(name))
    return log.within(LINES_LIMIT_BYTES) if log.count or log.dropped else None
