"""Routes that read executions and their log lines."""

import re
from contextlib import suppress
from datetime import date
from typing import Annotated, Final

import msgspec
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.calls.log_lines import KeptLine
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from functions.registry.api import permissions
from functions.registry.api.exchange import principal, services
from functions.registry.api.execution_shapes import ExecutionLogsOut, ExecutionOut, LogLineOut
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import Page, PageSize, texts
from functions.registry.records import executions, log_keeping
from functions.registry.records.executions import OutcomeFilter

router = APIGatewayHttpRouter()

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NEWEST: Final = ("9999-12-31", "ffffffff-ffff-ffff-ffff-ffffffffffff")


@router.get("/executions")
def list_executions(
    install: Annotated[str | None, Query()] = None,
    outcome: Annotated[OutcomeFilter | None, Query()] = None,
    cursor: str | None = None,
    page_size: PageSize = 25,
) -> Page[ExecutionOut]:
    """List the tenant's executions, newest first. ``outcome=error`` is every outcome but ``ok``."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    before = _position(cursor)
    if install is not None and not is_uuid(install):
        raise PlatformError("install_not_found", "install must be the id of an install, as GET /installs lists it.")
    with services(router).database.tenant(tenant_id) as tx:
        rows = executions.list_executions(
            tx,
            tenant_id,
            install_id=install,
            outcome=outcome,
            before=before,
            page_size=page_size,
        )
    last = rows[-1] if len(rows) == page_size else None
    next_cursor = encode_cursor(last["day"], last["execution_id"]) if last else None
    return Page(items=[ExecutionOut.model_validate(texts(row)) for row in rows], next_cursor=next_cursor)


@router.get("/executions/<execution_id>/logs")
def get_logs(execution_id: str) -> ExecutionLogsOut:
    """Get what an execution left for the developer: log lines, the guest's error, the last refusal (tenant admins)."""
    tenant_id = permissions.require_tenant_admin(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        row, log = log_keeping.load(tx, tenant_id, execution_id)
    lines = [_line(line) for line in (*log.first, *log.last)]
    shown = {**texts(row), "lines": lines, "dropped": log.dropped, "dropped_after": len(log.first)}
    return ExecutionLogsOut.model_validate(shown)


def _line(line: KeptLine) -> LogLineOut:
    return LogLineOut.model_validate(msgspec.structs.asdict(line))


def _position(cursor: str | None) -> tuple[date, str]:
    day, execution_id = decode_cursor(cursor, _NEWEST)
    if _DAY.fullmatch(day) and is_uuid(execution_id):
        with suppress(ValueError):
            return date.fromisoformat(day), execution_id
    raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
