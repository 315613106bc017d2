"""The days of records: one partition a UTC day, made ahead, and removed when its time has passed.

A day is emptied by TRUNCATE, which locks this partition alone, and dropped in a later run. The database waits for a
lock for 50 ms at most (``app.remove_day``), so that no recorder and no reader waits longer.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database, Tx

EXECUTIONS: Final = "extension_execution_log"
EGRESS: Final = "extension_egress_day"
PARENTS: Final = (EXECUTIONS, EGRESS, "extension_execution_lines", "extension_log_day")
"""The tables that have one partition a day."""

_ATTEMPTS: Final = 5
_PAUSE_S: Final = 0.2
_LOCK_NOT_AVAILABLE: Final = "55P03"

_TODAY: Final = "select (now() at time zone 'UTC')::date as day"
"""By the database's clock, as its functions take it."""
_LIST: Final = """
select to_date(right(c.relname, 8), 'YYYYMMDD') as day
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = cast(:parent as regclass) order by 1
"""
# As text, so that it does not matter on which relations the planner evaluates the condition.
_NEWEST: Final = """
select right(c.relname, 8) as day from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = cast(:parent as regclass) and right(c.relname, 8) <= :until order by 1 desc limit :most
"""
_MAKE: Final = "select app.make_day(:day)"
_REMOVE: Final = "select app.remove_day(:parent, :day) as did"


def sweep(
    database: Database,
    retention: timedelta,
    log_retention: timedelta,
    egress_retention: timedelta,
    pause: Callable[[float], None],
) -> dict[str, int]:
    """Make tomorrow's partitions if they are not there, and remove those whose time has passed.

    Args:
        database: PostgreSQL as ``fn_registry``.
        retention: for how long records are kept; a day counts from its end.
        log_retention: the same for their log lines.
        egress_retention: the same for the egress ledger.
        pause: waits for so many seconds.

    Returns:
        How many days were made, emptied and dropped. A day that is in use is left to the next run.
    """
    with database.system() as tx:
        today: date = tx.one(_TODAY)["day"]
        there = [(parent, row["day"]) for parent in PARENTS for row in tx.rows(_LIST, parent=f"app.{parent}")]
    tomorrow = today + timedelta(days=1)
    is_made = (EXECUTIONS, tomorrow) in there
    if not is_made:
        with database.system() as tx:
            tx.execute(_MAKE, day=tomorrow)
    done = {"days_made": int(not is_made), "days_emptied": 0, "days_dropped": 0}
    kept = {EXECUTIONS: retention, EGRESS: egress_retention}
    for parent, day in there:
        if day < today - kept.get(parent, log_retention) and (did := _remove(database, parent, day, pause)):
            done[f"days_{did}"] += 1
    return done


def newest(tx: Tx, until: date, most: int) -> list[date]:
    """Return the newest days up to ``until`` that have a partition of executions, newest first, ``most`` at most."""
    rows = tx.rows(_NEWEST, parent=f"app.{EXECUTIONS}", until=f"{until:%Y%m%d}", most=most)
    return [date.fromisoformat(row["day"]) for row in rows]


def _remove(database: Database, parent: str, day: date, pause: Callable[[float], None]) -> str | None:
    """Empty a day, or drop it when it is empty. Return ``emptied``, ``dropped``, or None when it is in use."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with database.system() as tx:
                did: str | None = tx.one(_REMOVE, parent=parent, day=day)["did"]
                return did
        except PlatformError as error:
            if error.context.get("sqlstate") != _LOCK_NOT_AVAILABLE:
                raise
        if attempt < _ATTEMPTS:
            pause(_PAUSE_S)
    return None
