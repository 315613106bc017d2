"""Routes that read the egress ledger."""

from contextlib import suppress
from datetime import date
from typing import Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from functions.registry.api import permissions
from functions.registry.api.day_range import day_range
from functions.registry.api.egress_shapes import EgressOut
from functions.registry.api.exchange import principal, services
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import Page, PageSize, texts
from functions.registry.records import egress_days

router = APIGatewayHttpRouter()

_FIRST: Final = ("00000000-0000-0000-0000-000000000000", "")


@router.get("/egress")
def list_egress(
    install: Annotated[str | None, Query()] = None,
    first_day: date | None = None,
    last_day: date | None = None,
    cursor: str | None = None,
    page_size: PageSize = 25,
) -> Page[EgressOut]:
    """List where the tenant's extensions sent requests: the sums of each install and destination over some UTC days.

    Without first_day and last_day they are those of the last 31 days.
    """
    tenant_id = permissions.require_tenant_viewer(principal(router))
    days = day_range(first_day, last_day, services(router).now().date())
    after = _position(cursor)
    if install is not None and not is_uuid(install):
        raise PlatformError("install_not_found", "install must be the id of an install, as GET /installs lists it.")
    with services(router).database.tenant(tenant_id) as tx:
        rows = egress_days.list_destinations(
            tx, tenant_id, install_id=install, days=days, after=after, page_size=page_size
        )
    full = len(rows) == page_size
    next_cursor = encode_cursor(rows[-1]["install_id"], rows[-1]["destination"]) if full else None
    return Page(items=[EgressOut.model_validate(texts(row)) for row in rows], next_cursor=next_cursor)


def _position(cursor: str | None) -> tuple[str, str]:
    install_id, destination = decode_cursor(cursor, _FIRST)
    with suppress(ValueError):
        if is_uuid(install_id) and "\0" not in destination:
            destination.encode()
            return install_id, destination
    raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
