"""Record executions: one row for each call, and totals for each install and tenant (``limiting.counting``).

A call's accepted and finished messages may arrive in either order, more than once, or one of them never. The row has
what is known so far. Totals are added in the transaction that moves a row to ``finished``, so each call counts once.

A batch is recorded in one transaction for each tenant, with statements for whole sets of messages
(docs/adr/0040-records-in-sets-and-partitions.md).
"""

import json
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from alga_ext.calls.limits import Limits
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, Message
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.limiting.counting import caused_by, count
from functions.registry.limiting.endpoint_totals import ADD_ENDPOINTS
from functions.registry.metering.counting import count_ended_late, count_metrics
from functions.registry.records import egress_days, log_keeping
from functions.registry.records.execution_rows import (
    COLUMNS,
    SET_AT_END,
    ExecutionMessage,
    day_of,
    finished_with,
    merged,
)
from functions.registry.records.log_keeping import logs_of

TIME_LIMIT_S: Final = 15.0
"""After that, what is left of a batch is not begun. With a pause and one transaction more, the function's time of 30 s
is enough."""
PAUSE_S: Final = 10.0
"""How long to wait, once for a batch, when the database cannot be reached. Lambda does not slow its polling when
messages fail, so without it an outage would be met at full rate. A paused database resumes within 15 s, typically."""
_OF_ONE_STATEMENT: Final = frozenset({"57014", "40P01", "40001", "55P03"})
"""The SQLSTATEs of ``database_unavailable`` that concern one statement, not the whole database: a timeout or a lock."""

_MAKE_DAY: Final = "select app.make_day(:day)"
# Rows are written in one order by every recorder, so two of them never wait for each other. An accepted row changes
# once, when its call has finished: then it is returned, as a row that is inserted as finished. What is left of a call
# from before an erasure of its tenant is dropped. The totals of endpoints are locked after all rows, and before those
# of their installs.
_RECORD: Final = f"""
with given as (
  select * from json_to_recordset(cast(:rows as json)) as given
    ({", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())})),
written as (
  insert into app.extension_execution_log as log (tenant_id, {", ".join(COLUMNS)})
  select :tenant_id, {", ".join(COLUMNS)} from given
  where not exists (select from app.tenant_erasure e
                    where e.tenant_id = :tenant_id
                      and (e.finished_at is null or e.finished_at >= given.accepted_at))
  order by day, execution_id
  on conflict (tenant_id, day, execution_id) do update
  set {", ".join(f"{name} = excluded.{name}" for name in SET_AT_END)}
  where log.state = 'accepted' and excluded.state = 'finished'
  returning log.execution_id, log.install_id, log.method, log.path_template, log.state, log.outcome,
            old.outcome as outcome_before, (log.accepted_at at time zone 'UTC')::date as on_day, log.duration_ms,
            log.cpu_ms, log.memory_peak_bytes, log.egress_bytes, log.log_bytes),
counted as ({ADD_ENDPOINTS})
select install_id, to_char(on_day, 'YYYY-MM-DD') as day, count(*) as calls,
       count(*) filter (where outcome <> 'ok') as failed_calls, sum(duration_ms) as duration_ms, sum(cpu_ms) as cpu_ms,
       max(memory_peak_bytes) as memory_peak_bytes, cast(sum(egress_bytes) as bigint) as egress_bytes,
       cast(sum(log_bytes) as bigint) as log_bytes, count(*) filter (where outcome_before = 'unknown') as ended_late,
       array_agg(execution_id) as execution_ids
from written where state = 'finished' group by 1, 2
"""  # noqa: S608 - the names are constants


class Recorder:
    """Records batches of messages of the queue ``executions``.

    Args:
        database: PostgreSQL as ``fn_registry``.
        defaults: the stage's limits; see ``alga_ext.calls.limits.parse_defaults``.
        monotonic_s: the time, in seconds.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        database: Database,
        defaults: Limits,
        monotonic_s: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._defaults = defaults
        self._monotonic_s = monotonic_s
        self._pause = pause

    def record(self, messages: Sequence[Message]) -> dict[int, Exception]:
        """Record a batch, and return the errors by the places of the messages that were not recorded.

        1. The messages of a tenant are recorded in one transaction. If that fails, they are recorded one by one, so a
           message that cannot be recorded fails alone.
        2. If the database cannot be reached, what is left is tried once more after a pause, and then fails.

        An error is ``invalid_request`` for a message of another kind, or one that cannot be stored; otherwise
        ``database_unavailable``. A message that was recorded already may come again; it has no further effect.
        """
        ends_s = self._monotonic_s() + TIME_LIMIT_S
        failed = self._record(dict(enumerate(messages)), ends_s)  # (1)
        unreached = [place for place, error in failed.items() if _is_outage(error)]
        if unreached and self._monotonic_s() < ends_s:
            self._pause(PAUSE_S)  # (2)
            for place in unreached:
                del failed[place]
            failed |= self._record({place: messages[place] for place in unreached}, ends_s)
        return failed

    def _record(self, messages: Mapping[int, Message], ends_s: float) -> dict[int, Exception]:
        sets, failed = _by_tenant(messages)
        waiting, outage = deque(sets), None
        while waiting:
            together = waiting.popleft()
            error = outage or self._error_of(list(together.values()))
            if _is_outage(error):
                outage = error
            elif self._monotonic_s() >= ends_s:
                outage = PlatformError("database_unavailable", "The time for this batch has passed.")
            elif error is not None and len(together) > 1 and not _is_of_one_statement(error):
                waiting.extendleft({place: message} for place, message in together.items())
                error = None
            if error is not None:
                failed |= dict.fromkeys(together, error)
        return failed

    def _error_of(self, messages: Sequence[ExecutionMessage]) -> Exception | None:
        try:
            try:
                self._record_set(messages)
            except PlatformError as error:
                if not _says_that_a_day_is_missing(error):
                    raise
                self._make_days({day_of(message) for message in messages})
                self._record_set(messages)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other messages are recorded
            return error
        return None

    def _make_days(self, days: Collection[date]) -> None:
        for day in days:
            with self._database.system() as tx:
                tx.execute(_MAKE_DAY, day=day)

    def _record_set(self, messages: Sequence[ExecutionMessage]) -> None:
        """Record messages about executions of one tenant in one transaction."""
        tenant_id, rows = messages[0].tenant_id, json.dumps(merged(messages))
        with self._database.tenant(tenant_id) as tx:
            if finished := tx.rows(_RECORD, tenant_id=tenant_id, rows=rows):
                ids = {str(execution_id) for row in finished for execution_id in row["execution_ids"]}
                ended = finished_with(ids, messages)
                log_keeping.keep(tx, tenant_id, logs_of(ended), self._defaults)
                count(tx, tenant_id, finished, self._defaults, caused_by(ended))
                egress_days.add(tx, tenant_id, ended)
                count_metrics(tx, ended, datetime.now(UTC))
                count_ended_late(tx, sum(row["ended_late"] for row in finished), ended[0].execution_id)


def _by_tenant(messages: Mapping[int, Message]) -> tuple[list[dict[int, ExecutionMessage]], dict[int, Exception]]:
    """Return the messages of each tenant by their places, and the errors of those that are no records of executions."""
    found: dict[str, dict[int, ExecutionMessage]] = {}
    refused: dict[int, Exception] = {}
    for place, message in messages.items():
        if isinstance(message, ExecutionAccepted | ExecutionFinished):
            found.setdefault(message.tenant_id, {})[place] = message
        else:
            detail = "The queue 'executions' carries execution messages only."
            refused[place] = PlatformError("invalid_request", detail)
    return list(found.values()), refused


def _says_that_a_day_is_missing(error: PlatformError) -> bool:
    """Tell whether a row found no partition: a check violation (23514) that names no constraint."""
    return error.context.get("sqlstate") == "23514" and error.context.get("constraint") is None


def _is_of_one_statement(error: Exception | None) -> bool:
    return isinstance(error, PlatformError) and error.context.get("sqlstate") in _OF_ONE_STATEMENT


def _is_outage(error: Exception | None) -> bool:
    is_unavailable = isinstance(error, PlatformError) and error.code == "database_unavailable"
    return is_unavailable and not _is_of_one_statement(error)
