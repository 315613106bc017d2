"""Routes that read metrics: those of an install, and the platform's totals."""

from datetime import date
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.errors import PlatformError
from functions.registry.api import permissions
from functions.registry.api.day_range import day_range
from functions.registry.api.exchange import principal, services
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import MetricTotalOut, Page, PageSize, texts
from functions.registry.installing import installs
from functions.registry.metering import openmetrics, reading

router = APIGatewayHttpRouter()

_FIRST: Final = ("0001-01-01", "")
_TEXT: Final[dict[str, Any]] = {"application/openmetrics-text": {"schema": {"type": "string"}}}


@router.get("/installs/<install_id>/metrics")
def list_install_metrics(
    install_id: str,
    first_day: date | None = None,
    last_day: date | None = None,
    cursor: str | None = None,
    page_size: PageSize = 25,
) -> Page[MetricTotalOut]:
    """List the metrics that an install emitted: the sum of each UTC day and name, oldest first.

    Without first_day and last_day they are those of the last 31 days.
    """
    tenant_id = permissions.require_tenant_viewer(principal(router))
    days = day_range(first_day, last_day, services(router).now().date())
    after = _position(cursor)
    with services(router).database.tenant(tenant_id) as tx:
        installs.load_install(tx, tenant_id, install_id)
        rows = reading.list_metrics(tx, tenant_id, install_id, days, after, page_size)
    next_cursor = encode_cursor(rows[-1]["day"], rows[-1]["name"]) if len(rows) == page_size else None
    return Page(items=[MetricTotalOut.model_validate(texts(row)) for row in rows], next_cursor=next_cursor)


@router.get("/metrics", responses={200: {"description": "The totals.", "content": _TEXT}})
def get_metrics() -> Response[Any]:
    """Get the totals of all calls in the OpenMetrics format, for Prometheus (role metrics:read, or platform admins)."""
    permissions.require_metrics_reader(principal(router))
    registry = services(router)
    with registry.database.system() as tx:
        calls, extensions = reading.load_calls(tx), reading.load_extensions(tx)
        unknown, deliveries = reading.load_unknown(tx), reading.load_deliveries(tx)
        tenants = reading.count_active_tenants(tx, registry.now())
    text = openmetrics.exposition(calls, extensions, unknown, deliveries, tenants)
    return Response(200, openmetrics.CONTENT_TYPE, text)


def _position(cursor: str | None) -> tuple[date, str]:
    day, name = decode_cursor(cursor, _FIRST)
    try:
        return date.fromisoformat(day), name
    except ValueError:
        raise PlatformError(
            "invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged."
        ) from None
