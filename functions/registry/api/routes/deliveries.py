"""Routes about a tenant's deliveries of events and of runs of schedules."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Row, Tx
from alga_ext.stores.delivery_slots import Queued
from functions.registry.api import permissions
from functions.registry.api.delivery_shapes import (
    DeliveryDetailOut,
    DeliveryOut,
    RedrivenOut,
    delivery_detail_out,
    delivery_out,
)
from functions.registry.api.exchange import actor, check_match, principal, require_enabled, services, shown
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import Page, PageSize
from functions.registry.deliveries import deliveries
from functions.registry.deliveries.deliveries import REDRIVEN_AT_ONCE, Filter, State, Trigger
from functions.registry.records.audit import Actor

router = APIGatewayHttpRouter()

_NEWEST: Final = ("9999-12-31T00:00:00+00:00", "ffffffff-ffff-ffff-ffff-ffffffffffff")
_SERVICE: Final = "registry"


@router.get("/deliveries")
def list_deliveries(
    state: Annotated[State | None, Query()] = None,
    install: Annotated[str | None, Query()] = None,
    trigger: Annotated[Trigger | None, Query()] = None,
    cursor: str | None = None,
    page_size: PageSize = 25,
) -> Page[DeliveryOut]:
    """List the tenant's deliveries, newest first."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    before = _position(cursor)
    wanted = Filter(install, trigger, state)
    wanted.check()
    with services(router).database.tenant(tenant_id) as tx:
        rows = deliveries.list_deliveries(tx, tenant_id, wanted, before, page_size)
    last = rows[-1] if len(rows) == page_size else None
    next_cursor = encode_cursor(last["created_at"].isoformat(), last["delivery_id"]) if last else None
    return Page(items=[delivery_out(row) for row in rows], next_cursor=next_cursor)


@router.get("/deliveries/<delivery_id>")
def get_delivery(delivery_id: str) -> Response[DeliveryDetailOut]:
    """Get a delivery with the event or payload that it delivers. Send its ETag as If-Match with a change."""
    tenant_id = permissions.require_tenant_admin(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        return shown(delivery_detail_out(deliveries.load(tx, tenant_id, delivery_id)))


@router.post("/deliveries/<delivery_id>/redrive")
def redrive_delivery(delivery_id: str) -> Response[DeliveryDetailOut]:
    """Try a dead delivery again, as often as a new one. It keeps its id."""
    require_enabled(router)
    return _change(delivery_id, deliveries.redrive)


@router.delete("/deliveries/<delivery_id>")
def discard_delivery(delivery_id: str) -> Response[DeliveryDetailOut]:
    """Discard a delivery that waits or is dead."""
    return _change(delivery_id, deliveries.discard)


@router.post("/dead-deliveries/redrive")
def redrive_deliveries(
    install: Annotated[str | None, Query()] = None, trigger: Annotated[Trigger | None, Query()] = None
) -> RedrivenOut:
    """Try the tenant's dead deliveries again, the oldest 500 of those that the query names."""
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    require_enabled(router)
    wanted = Filter(install, trigger)
    wanted.check()
    with services(router).database.tenant(tenant_id) as tx:
        count, queued = deliveries.redrive_all(tx, tenant_id, wanted, actor(router, caller))
    delivery_slots.send(services(router).deliveries_queue, tenant_id, queued, _SERVICE)
    return RedrivenOut(redriven=count, more=count == REDRIVEN_AT_ONCE)


def _change(delivery_id: str, change: Callable[[Tx, str, Row, Actor], list[Queued]]) -> Response[DeliveryDetailOut]:
    """Change a delivery as a tenant's admin, under If-Match; then send the messages of those that got a slot."""
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    with services(router).database.tenant(tenant_id) as tx:
        delivery_slots.lock(tx, tenant_id)
        row = deliveries.load(tx, tenant_id, delivery_id)
        check_match(router, delivery_detail_out(row))
        queued = change(tx, tenant_id, row, actor(router, caller))
        answer = shown(delivery_detail_out(deliveries.load(tx, tenant_id, delivery_id)))
    delivery_slots.send(services(router).deliveries_queue, tenant_id, queued, _SERVICE)
    return answer


def _position(cursor: str | None) -> tuple[datetime, str]:
    at, delivery_id = decode_cursor(cursor, _NEWEST)
    if is_uuid(delivery_id):
        with suppress(ValueError):
            found = datetime.fromisoformat(at)
            if found.tzinfo is not None:
                return found, delivery_id
    raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
