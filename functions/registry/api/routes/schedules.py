"""Routes for a tenant's schedules."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.bundles.manifest import Manifest
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Row, Tx
from functions.registry.api import permissions
from functions.registry.api.exchange import (
    actor,
    attempt,
    check_match,
    created,
    principal,
    replay,
    reply,
    require_enabled,
    services,
    shown,
)
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.schedule_shapes import ScheduleOut, ScheduleRunOut
from functions.registry.api.shapes import Page, PageSize, texts
from functions.registry.installing import installs
from functions.registry.publishing import versions
from functions.registry.records.audit import Actor
from functions.registry.scheduling import schedules

router = APIGatewayHttpRouter()

_FIRST: Final = ("00000000-0000-0000-0000-000000000000",)


@router.get("/schedules")
def list_schedules(
    install: Annotated[str | None, Query()] = None, cursor: str | None = None, page_size: PageSize = 25
) -> Page[ScheduleOut]:
    """List the tenant's schedules, ordered by id."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    (after,) = decode_cursor(cursor, _FIRST)
    if not is_uuid(after):
        raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
    if install is not None and not is_uuid(install):
        raise PlatformError("install_not_found", "install must be the id of an install, as GET /installs lists it.")
    with services(router).database.tenant(tenant_id) as tx:
        rows = schedules.list_schedules(tx, tenant_id, install, after, page_size)
    next_cursor = encode_cursor(rows[-1]["schedule_id"]) if len(rows) == page_size else None
    return Page(items=[ScheduleOut.model_validate(texts(row)) for row in rows], next_cursor=next_cursor)


@router.get("/schedules/<schedule_id>")
def get_schedule(schedule_id: str) -> Response[ScheduleOut]:
    """Get a schedule. Send its ETag as If-Match with a change."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        return shown(_out(tx, tenant_id, schedule_id))


@router.post("/schedules/<schedule_id>/disable")
def disable_schedule(schedule_id: str) -> Response[ScheduleOut]:
    """Disable a schedule. Its extension cannot enable it again."""
    return _change(schedule_id, lambda tx, tenant, who: schedules.disable(tx, tenant, schedule_id, who))


@router.post("/schedules/<schedule_id>/enable")
def enable_schedule(schedule_id: str) -> Response[ScheduleOut]:
    """Enable a schedule, also one that backs off after failures. It runs at its next time."""
    require_enabled(router)
    now = services(router).now()

    def change(tx: Tx, tenant_id: str, who: Actor) -> None:
        manifest = _manifest(tx, _install(tx, tenant_id, schedule_id))
        schedules.enable(tx, tenant_id, schedule_id, manifest, now, who)

    return _change(schedule_id, change)


@router.post("/schedules/<schedule_id>/run")
def run_schedule(schedule_id: str) -> Response[ScheduleRunOut]:
    """Run a schedule now, besides its own times: five times a minute for an install."""
    registry, caller = services(router), principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    require_enabled(router)
    trial = attempt(router, caller, f"schedules.run {schedule_id}", tenant_id)
    with registry.database.tenant(tenant_id) as tx:
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        install = _install(tx, tenant_id, schedule_id)
        if install["state"] != "enabled":
            raise PlatformError(
                "conflict",
                f"The install is {install['state']}, so the run would be discarded. Enable the install first.",
            )
        manifest = _manifest(tx, install)
        delivery_id = schedules.run(tx, tenant_id, schedule_id, manifest, registry.now(), actor(router, caller))
        answer = created(ScheduleRunOut(schedule_id=schedule_id, delivery_id=delivery_id), 202)
        trial.keep(tx, answer)
        queued = delivery_slots.give(tx, tenant_id)
    delivery_slots.send(registry.deliveries_queue, tenant_id, queued, "registry")
    return reply(answer)


def _change(schedule_id: str, change: Callable[[Tx, str, Actor], Any]) -> Response[ScheduleOut]:
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    with services(router).database.tenant(tenant_id) as tx:
        schedules.lock_beside(tx, tenant_id, schedule_id)
        check_match(router, _out(tx, tenant_id, schedule_id, lock=True))
        change(tx, tenant_id, actor(router, caller))
        return shown(_out(tx, tenant_id, schedule_id))


def _out(tx: Tx, tenant_id: str, schedule_id: str, *, lock: bool = False) -> ScheduleOut:
    return ScheduleOut.model_validate(texts(schedules.load(tx, tenant_id, schedule_id, lock=lock)))


def _install(tx: Tx, tenant_id: str, schedule_id: str) -> Row:
    """Return a schedule's install, or raise ``install_not_found``."""
    schedule = schedules.load(tx, tenant_id, schedule_id)
    return installs.load_install(tx, tenant_id, str(schedule["install_id"]))


def _manifest(tx: Tx, install: Row) -> Manifest:
    return Manifest.model_validate(versions.load_version(tx, str(install["version_id"]))["manifest"])
