"""Routes that read executions and their log lines."""

import re
from contextlib import suppress
from datetime import date
from typing import Annotated, Final

import msgspec
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import AwareDatetime

from alga_ext.calls.log_lines import KeptLine
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from functions.registry.api import permissions
from functions.registry.api.exchange import principal, services
from functions.registry.api.execution_shapes import ExecutionLogsOut, ExecutionOut, ExecutionRecordOut, LogLineOut
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import Page, PageSize, texts
from functions.registry.records import executions, log_keeping
from functions.registry.records.execution_scan import Filters, OutcomeFilter, Position

router = APIGatewayHttpRouter()

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FIRST: Final = ("", "")
_OF_ADMINS: Final = ("guest_error", "guest_stack", "last_refusal")
"""What the guest wrote. As log lines, it is read by tenant admins only."""


@router.get("/executions")
def list_executions(
    install: Annotated[str | None, Query()] = None,
    outcome: Annotated[OutcomeFilter | None, Query()] = None,
    status: Annotated[str | None, Query(pattern=r"^[1-5](\d\d|xx)$")] = None,
    caller: Annotated[str | None, Query(alias="principal", min_length=1)] = None,
    from_: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to: Annotated[AwareDatetime | None, Query()] = None,
    cursor: str | None = None,
    page_size: PageSize = 25,
) -> Page[ExecutionOut]:
    """List the tenant's executions, newest first. A page may have fewer items than asked for, and others still follow.

    outcome=error is every outcome but ok; outcome=running is no outcome yet. status is a number or a class such as 5xx.
    from is included and to is not; both are compared with the instant of acceptance in milliseconds.
    """
    tenant_id = permissions.require_tenant_viewer(principal(router))
    position = _position(cursor)
    if install is not None and not is_uuid(install):
        raise PlatformError("install_not_found", "install must be the id of an install, as GET /installs lists it.")
    filters = Filters(install, outcome, status, caller, from_, to)
    with services(router).database.tenant(tenant_id) as tx:
        rows, following = executions.list_executions(tx, tenant_id, filters, position, page_size)
    next_cursor = None if following is None else encode_cursor(*following)
    return Page(items=[ExecutionOut.model_validate(texts(row)) for row in rows], next_cursor=next_cursor)


@router.get("/executions/<execution_id>")
def get_execution(execution_id: str) -> ExecutionRecordOut:
    """Get the whole record of an execution. The guest's error and the last refusal are for tenant admins."""
    caller = principal(router)
    tenant_id = permissions.require_tenant_viewer(caller)
    with services(router).database.tenant(tenant_id) as tx:
        row = executions.load(tx, tenant_id, execution_id)
    if not permissions.is_tenant_admin(caller):
        row |= dict.fromkeys(_OF_ADMINS)
    return ExecutionRecordOut.model_validate(texts(row))


@router.get("/executions/<execution_id>/logs")
def get_logs(execution_id: str) -> ExecutionLogsOut:
    """Get what an execution left for the developer: log lines, the guest's error, the last refusal (tenant admins)."""
    tenant_id = permissions.require_tenant_admin(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        row, log = log_keeping.load(tx, tenant_id, execution_id)
    lines = [_line(line) for line in (*log.first, *log.last)]
    dropped = {"dropped": log.dropped, "dropped_after": len(log.first), "dropped_for": log.dropped_for}
    return ExecutionLogsOut.model_validate({**texts(row), "lines": lines, **dropped})


def _line(line: KeptLine) -> LogLineOut:
    return LogLineOut.model_validate(msgspec.structs.asdict(line))


def _position(cursor: str | None) -> Position | None:
    if not cursor:
        return None
    day, execution_id = decode_cursor(cursor, _FIRST)
    if _DAY.fullmatch(day) and is_uuid(execution_id):
        with suppress(ValueError):
            return date.fromisoformat(day), execution_id
    raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
