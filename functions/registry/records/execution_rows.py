"""Turn messages about executions into rows of ``app.extension_execution_log`` (pure)."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec

from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished
from alga_ext.calls.outcomes import outcome_of
from alga_ext.errors import PlatformError
from alga_ext.ids import execution_day

ExecutionMessage = ExecutionAccepted | ExecutionFinished

_IDENTITY: Final = {
    "execution_id": "uuid",
    "install_id": "uuid",
    "extension_id": "uuid",
    "version_id": "uuid",
    "content_hash": "text",
    "request_id": "text",
    "trace_id": "text",
    "method": "text",
    "path": "text",
    "path_template": "text",
    "principal": "text",
}
SET_AT_END: Final = {
    "state": "text",
    "outcome": "text",
    "finished_at": "timestamptz",
    "status": "integer",
    "error_code": "text",
    "duration_ms": "double precision",
    "cpu_ms": "double precision",
    "memory_peak_bytes": "bigint",
    "fuel": "bigint",
    "egress_bytes": "bigint",
    "log_bytes": "bigint",
    "host_calls": "jsonb",
    "response_bytes": "bigint",
    "attempts": "integer",
    "breaker": "text",
    "guest_error": "text",
    "guest_stack": "text",
    "last_refusal": "jsonb",
}
"""Columns that the message about a call's end sets, with their types in SQL."""
COLUMNS: Final = {**_IDENTITY, "day": "date", "accepted_at": "timestamptz", **SET_AT_END}
"""Columns of a row, apart from ``tenant_id``."""


def day_of(message: ExecutionMessage) -> date:
    """Return the day whose partition has the record.

    Raises:
        PlatformError: ``invalid_request`` for an id or an instant that is not valid.
    """
    try:
        return execution_day(message.execution_id, _accepted_at(message))
    except ValueError as error:
        raise PlatformError("invalid_request", f"The queue message is not valid: {error}.", cause=error) from None


def merged(messages: Iterable[ExecutionMessage]) -> list[dict[str, Any]]:
    """Return one row for each execution of a tenant, as finished if one of the messages says so.

    Of several messages that say so, the first one counts. The rows are in no order.

    Raises:
        PlatformError: see ``day_of``.
    """
    rows: dict[str, dict[str, Any]] = {}
    for message in messages:
        row = rows.get(message.execution_id)
        if row is None or (row["state"] == "accepted" and isinstance(message, ExecutionFinished)):
            rows[message.execution_id] = _row(message)
    return list(rows.values())


def finished_with(ids: Collection[str], messages: Iterable[ExecutionMessage]) -> list[ExecutionFinished]:
    """Return the messages about the ends of these executions, the first one for each, as ``merged`` chooses."""
    found: dict[str, ExecutionFinished] = {}
    for message in messages:
        execution_id = str(UUID(message.execution_id))
        if isinstance(message, ExecutionFinished) and execution_id in ids:
            found.setdefault(execution_id, message)
    return list(found.values())


def _row(message: ExecutionMessage) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(message, name) for name in _IDENTITY}
    row |= {"day": day_of(message).isoformat(), "accepted_at": _accepted_at(message)}
    row |= {"state": "accepted", "host_calls": {}}
    if isinstance(message, ExecutionAccepted):
        return row
    usage = message.usage
    return row | {
        "state": "finished",
        "outcome": outcome_of(message.status, message.error_code),
        "finished_at": message.at,
        "status": message.status,
        "error_code": message.error_code,
        "duration_ms": usage.duration_ms,
        "cpu_ms": usage.cpu_ms,
        "memory_peak_bytes": usage.memory_peak_bytes,
        "fuel": usage.fuel,
        "egress_bytes": usage.egress_bytes,
        "log_bytes": usage.log_bytes,
        "host_calls": usage.host_calls,
        "response_bytes": message.response_bytes,
        "attempts": message.attempts,
        "breaker": message.breaker,
        "guest_error": message.guest_error,
        "guest_stack": message.guest_stack,
        "last_refusal": None if message.last_refusal is None else msgspec.to_builtins(message.last_refusal),
    }


def _accepted_at(message: ExecutionMessage) -> str:
    return message.at if isinstance(message, ExecutionAccepted) else message.accepted_at
