"""Routes that read what a tenant used: by install, and by endpoint."""

import re
from calendar import monthrange
from contextlib import suppress
from datetime import date, timedelta
from typing import Annotated, Any, Final

import msgspec
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.calls.limits import TENANT_AS_INSTALL
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Row, Tx
from functions.registry.api import permissions
from functions.registry.api.exchange import principal, services
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import Page, PageSize, texts
from functions.registry.api.usage_shapes import EndpointUsageOut, OwnerUsageOut
from functions.registry.limiting import documents, endpoint_totals, usage
from functions.registry.limiting.documents import Owner
from functions.registry.limiting.endpoint_totals import Period, Place

router = APIGatewayHttpRouter()

_TENANT: Final = "tenant"
"""What ``install`` names for the tenant's own totals."""
_PERIODS: Final = 366
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@router.get("/usage")
def list_usage(
    period: Annotated[Period, Query()] = "month",
    from_: Annotated[date | None, Query(alias="from")] = None,
    to: Annotated[date | None, Query()] = None,
    install: Annotated[str | None, Query()] = None,
    cursor: str | None = None,
    page_size: PageSize = 25,
) -> Page[OwnerUsageOut]:
    """List what the tenant and each install used, and the present quotas: the tenant itself first, then by install.

    Without from and to, it is the present UTC day or month. With them, it is every day from one to the other, or every
    month that one of these days is in. install=tenant lists the tenant's own totals only.
    """
    tenant_id = permissions.require_tenant_viewer(principal(router))
    owner = TENANT_AS_INSTALL if install == _TENANT else _install(install)
    periods = _periods(period, *_days(from_, to))
    present = _name(services(router).now().date(), period)
    after = decode_cursor(cursor, usage.FIRST)
    if not is_uuid(after[0]):
        raise _bad_cursor()
    with services(router).database.tenant(tenant_id) as tx:
        rows = usage.list_usage(tx, tenant_id, owner, periods, present, (after[0], after[1]), page_size)
        items = [_owner_usage(tx, tenant_id, row, present, period) for row in rows]
    next_cursor = encode_cursor(rows[-1]["install_id"], rows[-1]["period"]) if len(rows) == page_size else None
    return Page(items=items, next_cursor=next_cursor)


@router.get("/usage/endpoints")
def list_endpoint_usage(
    period: Annotated[Period, Query()] = "month",
    from_: Annotated[date | None, Query(alias="from")] = None,
    to: Annotated[date | None, Query()] = None,
    install: Annotated[str | None, Query()] = None,
    cursor: str | None = None,
    page_size: PageSize = 25,
) -> Page[EndpointUsageOut]:
    """List what the calls of each endpoint used, by install, method and declared path. These totals are not deleted.

    Without from and to, it is the present UTC day or month. With them, it is every day from one to the other, or every
    month that one of these days is in.
    """
    tenant_id = permissions.require_tenant_viewer(principal(router))
    owner = _install(install)
    first, last = _days(from_, to)
    if period == "month":
        first, last = first.replace(day=1), last.replace(day=monthrange(last.year, last.month)[1])
    after = _endpoint_place(cursor)
    with services(router).database.tenant(tenant_id) as tx:
        rows = endpoint_totals.list_endpoints(tx, tenant_id, owner, period, (first, last), after, page_size)
    place = [rows[-1][name] for name in ("install_id", "method", "path_template", "last_day")] if rows else []
    return Page(
        items=[
            EndpointUsageOut.model_validate({**texts(row), "path_template": row["path_template"] or None})
            for row in rows
        ],
        next_cursor=encode_cursor(*place) if len(rows) == page_size else None,
    )


def _owner_usage(tx: Tx, tenant_id: str, row: Row, present: str, period: Period) -> OwnerUsageOut:
    install_id = None if str(row["install_id"]) == TENANT_AS_INSTALL else str(row["install_id"])
    quotas = _quotas(tx, Owner(tenant_id, install_id), period) if row["period"] == present else None
    return OwnerUsageOut.model_validate({**texts(row), "install_id": install_id, "quotas": quotas})


def _quotas(tx: Tx, owner: Owner, period: Period) -> dict[str, Any]:
    found = documents.result(owner, documents.load(tx, owner), services(router).default_limits)
    document = msgspec.to_builtins(found.tenant_quotas if owner.install_id is None else found.install_quotas)
    return {**document.get(period, {}), "storage_bytes": document.get("storage_bytes")}


def _days(first: date | None, last: date | None) -> tuple[date, date]:
    last = last or services(router).now().date()
    first = first or last
    if first > last:
        raise PlatformError("invalid_request", f"from ({first}) is after to ({last}); send an earlier from.")
    return first, last


def _periods(period: Period, first: date, last: date) -> list[str]:
    """Return the names of the days from one to the other, or of the months that they are in, at most ``_PERIODS``."""
    if period == "day":
        count = (last - first).days + 1
        names = [(first + timedelta(days=n)).isoformat() for n in range(min(count, _PERIODS + 1))]
    else:
        months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
        count = len(months)
        names = [f"{month // 12:04}-{month % 12 + 1:02}" for month in months[: _PERIODS + 1]]
    if count > _PERIODS:
        raise PlatformError(
            "invalid_request", f"from and to are {count} {period}s apart; ask for at most {_PERIODS} at once."
        )
    return names


def _name(day: date, period: Period) -> str:
    return day.isoformat() if period == "day" else day.isoformat()[: len("2026-03")]


def _install(install: str | None) -> str | None:
    if install is not None and not is_uuid(install):
        raise PlatformError("install_not_found", "install must be the id of an install, as GET /installs lists it.")
    return install


def _endpoint_place(cursor: str | None) -> Place:
    if not cursor:
        return endpoint_totals.FIRST
    install_id, method, path, day = decode_cursor(cursor, ("", "", "", ""))
    if is_uuid(install_id) and _DAY.fullmatch(day):
        with suppress(ValueError):
            return install_id, method, path, date.fromisoformat(day)
    raise _bad_cursor()


def _bad_cursor() -> PlatformError:
    return PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
