"""Record executions: one row for each call, and totals for each install and tenant (``limiting.counting``).

A call's accepted and finished messages may arrive in either order, more than once, or one of them never. The row has
what is known so far. Totals are added in the transaction that moves a row to ``finished``, so each call counts once.
"""

import json
from typing import Final

from alga_ext.calls.limits import Limits
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, Message
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.limiting.counting import count

_ACCEPT: Final = """
insert into app.extension_execution_log
  (tenant_id, execution_id, install_id, extension_id, version_id, content_hash, request_id, trace_id, method, path,
   principal, state, accepted_at)
values
  (:tenant_id, :execution_id, :install_id, :extension_id, :version_id, :content_hash, :request_id, :trace_id, :method,
   :path, :principal, 'accepted', :at)
on conflict (tenant_id, execution_id) do nothing
"""
_FINISH: Final = """
update app.extension_execution_log
set state = 'finished', finished_at = :at, status = :status, error_code = :error_code, duration_ms = :duration_ms,
    cpu_ms = :cpu_ms, memory_peak_bytes = :memory_peak_bytes, fuel = :fuel, egress_bytes = :egress_bytes,
    host_calls = cast(:host_calls as jsonb), response_bytes = :response_bytes,
    log_bytes = :log_bytes, attempts = :attempts, breaker = :breaker
where tenant_id = :tenant_id and execution_id = :execution_id and state = 'accepted'
"""


def record(message: Message, database: Database, defaults: Limits) -> None:
    """Record a message of the queue ``executions``.

    ``defaults`` are the stage's limits; see ``alga_ext.calls.limits.parse_defaults``.

    Raises:
        PlatformError: ``invalid_request`` for another kind of message; ``database_unavailable``.
    """
    if isinstance(message, ExecutionAccepted):
        record_accepted(message, database)
    elif isinstance(message, ExecutionFinished):
        record_finished(message, database, defaults)
    else:
        raise PlatformError("invalid_request", "The queue 'executions' carries execution messages only.")


def record_accepted(message: ExecutionAccepted, database: Database) -> None:
    """Write the row of an accepted call, unless it exists already."""
    with database.tenant(message.tenant_id) as tx:
        tx.execute(_ACCEPT, at=message.at, **_identity(message))


def record_finished(message: ExecutionFinished, database: Database, defaults: Limits) -> None:
    """Move a call's row to ``finished``, and add the call once to the totals."""
    usage = message.usage
    with database.tenant(message.tenant_id) as tx:
        tx.execute(_ACCEPT, at=message.accepted_at, **_identity(message))
        moved = tx.execute(
            _FINISH,
            tenant_id=message.tenant_id,
            execution_id=message.execution_id,
            at=message.at,
            status=message.status,
            error_code=message.error_code,
            duration_ms=usage.duration_ms,
            cpu_ms=usage.cpu_ms,
            memory_peak_bytes=usage.memory_peak_bytes,
            fuel=usage.fuel,
            egress_bytes=usage.egress_bytes,
            host_calls=json.dumps(usage.host_calls),
            response_bytes=message.response_bytes,
            log_bytes=usage.log_bytes,
            attempts=message.attempts,
            breaker=message.breaker.value,
        )
        if moved:
            count(tx, message, defaults)


def _identity(message: ExecutionAccepted | ExecutionFinished) -> dict[str, str]:
    names = (
        "tenant_id",
        "execution_id",
        "install_id",
        "extension_id",
        "version_id",
        "content_hash",
        "request_id",
        "trace_id",
        "method",
        "path",
        "principal",
    )
    return {name: getattr(message, name) for name in names}
