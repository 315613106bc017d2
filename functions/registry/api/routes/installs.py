"""Routes that read and change what a tenant has installed."""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.stores.database import Row, Tx
from functions.registry.api import permissions
from functions.registry.api.exchange import (
    actor,
    attempt,
    created,
    header,
    principal,
    replay,
    reply,
    require_enabled,
    services,
)
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.preconditions import check_match, revision_tag
from functions.registry.api.shapes import (
    ApprovalIn,
    ConfigIn,
    GrantsIn,
    InstallIn,
    InstallOut,
    Page,
    PageSize,
    RollbackIn,
    UpdateIn,
    install_out,
)
from functions.registry.installing import installs, updates
from functions.registry.publishing import verification, versions
from functions.registry.records.audit import Actor

router = APIGatewayHttpRouter()

_FIRST = ("00000000-0000-0000-0000-000000000000",)

Change = Callable[[Tx, str, Actor], None]
"""Changes an install. Arguments: a transaction of its tenant, the tenant's id, and the actor."""


@router.post("/installs")
def create_install(body: Annotated[InstallIn, Body()]) -> Response[InstallOut]:
    """Install an extension with exactly the named grants."""
    registry = services(router)
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    require_enabled(router)
    trial = attempt(router, caller, "installs.create", tenant_id)
    since = registry.now() - registry.uninstall_grace
    with registry.database.tenant(tenant_id) as tx:
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        version = _target(tx, versions.load_extension(tx, body.extension), body.version)
        install_id = installs.install(
            tx, tenant_id, version, body.grants.model_dump(), body.config, actor(router, caller), since
        )
        answer = created(_out(tx, tenant_id, installs.load_install(tx, tenant_id, install_id)))
        trial.keep(tx, answer)
    return reply(answer, {"etag": revision_tag(answer.document["revision"])})


@router.get("/installs")
def list_installs(cursor: str | None = None, page_size: PageSize = 25) -> Page[InstallOut]:
    """List the tenant's installs, ordered by id."""
    registry = services(router)
    tenant_id = permissions.require_tenant_viewer(principal(router))
    (after,) = decode_cursor(cursor, _FIRST)
    with registry.database.tenant(tenant_id) as tx:
        rows = installs.list_installs(tx, tenant_id, after, page_size)
        requests = updates.waiting_requests(tx, tenant_id, [str(row["install_id"]) for row in rows])
    base = registry.settings.runner_public_base
    items = [install_out(row, requests.get(str(row["install_id"])), base) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(rows[-1]["install_id"]) if len(rows) == page_size else None)


@router.get("/installs/<install_id>")
def get_install(install_id: str) -> Response[InstallOut]:
    """Get an install. Send its ETag as If-Match with a change."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        out = _out(tx, tenant_id, installs.load_install(tx, tenant_id, install_id))
    return reply(created(out, 200), {"etag": revision_tag(out.revision)})


@router.delete("/installs/<install_id>")
def delete_install(install_id: str) -> Response[None]:
    """Uninstall an extension: new calls to it are refused. Its storage is kept for the grace time.

    The gateway may use a cached copy of the install for a short time (``INSTALL_CACHE_MS``, two seconds by default).
    """
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    with services(router).database.tenant(tenant_id) as tx:
        _check_revision(tx, tenant_id, install_id)
        installs.uninstall(tx, tenant_id, install_id, actor(router, caller))
    return Response(204)


@router.post("/installs/<install_id>/enable")
def enable_install(install_id: str) -> Response[InstallOut]:
    """Enable a disabled install, so that it answers calls again."""
    return _change(
        install_id, lambda tx, tenant, who: installs.set_state(tx, tenant, install_id, "enabled", who), starts=True
    )


@router.post("/installs/<install_id>/disable")
def disable_install(install_id: str) -> Response[InstallOut]:
    """Disable an install, so that it answers no calls. It keeps its data, grants and configuration."""
    return _change(install_id, lambda tx, tenant, who: installs.set_state(tx, tenant, install_id, "disabled", who))


@router.post("/installs/<install_id>/update")
def update_install(install_id: str, body: Annotated[UpdateIn, Body()]) -> Response[InstallOut]:
    """Update an install to a later version. What it asks for beyond the earlier version waits as a request."""

    def change(tx: Tx, tenant_id: str, who: Actor) -> None:
        install = installs.load_install(tx, tenant_id, install_id)
        target = _target(tx, versions.load_extension(tx, str(install["extension_id"])), body.version)
        updates.update(tx, tenant_id, install_id, target, who)

    return _change(install_id, change, starts=True)


@router.post("/installs/<install_id>/rollback")
def roll_back_install(install_id: str, body: Annotated[RollbackIn, Body()]) -> Response[InstallOut]:
    """Roll an install back to an earlier version, with a reason."""
    registry = services(router)

    def change(tx: Tx, tenant_id: str, who: Actor) -> None:
        install = installs.load_install(tx, tenant_id, install_id)
        target = versions.load_runnable(tx, str(install["extension_id"]), body.version)
        verification.verify_version(tx, target, registry.objects, registry.trust.current(), registry.now())
        updates.roll_back(tx, tenant_id, install_id, target, body.reason, who)

    return _change(install_id, change)


@router.post("/installs/<install_id>/pin")
def pin_install(install_id: str) -> Response[InstallOut]:
    """Pin an install to its current version."""
    return _change(install_id, lambda tx, tenant, who: updates.set_pinned(tx, tenant, install_id, True, who))


@router.post("/installs/<install_id>/unpin")
def unpin_install(install_id: str) -> Response[InstallOut]:
    """Unpin an install, so that it can be updated again."""
    return _change(install_id, lambda tx, tenant, who: updates.set_pinned(tx, tenant, install_id, False, who))


@router.post("/installs/<install_id>/request/approve")
def approve_request(install_id: str, body: Annotated[ApprovalIn, Body()]) -> Response[InstallOut]:
    """Approve the waiting request of an install: what a newer version asks for."""
    registry = services(router)
    named = None if body.grants is None else body.grants.model_dump()

    def change(tx: Tx, tenant_id: str, who: Actor) -> None:
        request = updates.waiting_request(tx, tenant_id, install_id)
        if request is not None:
            target = versions.load_version(tx, str(request["to_version_id"]))
            verification.verify_version(tx, target, registry.objects, registry.trust.current(), registry.now())
        updates.approve(tx, tenant_id, install_id, named, who)

    return _change(install_id, change, starts=True)


@router.post("/installs/<install_id>/request/decline")
def decline_request(install_id: str) -> Response[InstallOut]:
    """Decline the waiting request of an install. Its grants stay as they are."""
    return _change(install_id, lambda tx, tenant, who: updates.decline(tx, tenant, install_id, who))


@router.put("/installs/<install_id>/grants")
def replace_grants(install_id: str, body: Annotated[GrantsIn, Body()]) -> Response[InstallOut]:
    """Replace the grants of an install with exactly the named ones."""
    named = body.model_dump()
    return _change(install_id, lambda tx, tenant, who: updates.regrant(tx, tenant, install_id, named, who))


@router.put("/installs/<install_id>/config")
def replace_config(install_id: str, body: Annotated[ConfigIn, Body()]) -> Response[InstallOut]:
    """Replace the configuration of an install. It is checked against the version's schema."""
    return _change(install_id, lambda tx, tenant, who: installs.set_config(tx, tenant, install_id, body.config, who))


def _change(install_id: str, change: Callable[[Tx, str, Actor], Any], *, starts: bool = False) -> Response[InstallOut]:
    """Make one change as a tenant's admin, under If-Match, and answer with the changed install.

    A change that ``starts`` something is refused while the operator has switched extensions off.
    """
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    if starts:
        require_enabled(router)
    with services(router).database.tenant(tenant_id) as tx:
        _check_revision(tx, tenant_id, install_id)
        change(tx, tenant_id, actor(router, caller))
        out = _out(tx, tenant_id, installs.load_install(tx, tenant_id, install_id))
    return reply(created(out, 200), {"etag": revision_tag(out.revision)})


def _check_revision(tx: Tx, tenant_id: str, install_id: str) -> None:
    install = installs.load_install(tx, tenant_id, install_id, lock=True)
    check_match(header(router, "if-match"), revision_tag(install["revision"]))


def _target(tx: Tx, extension: Row, version: str | None) -> Row:
    """Return the version to install or to update to, after its signatures have been verified again."""
    registry = services(router)
    row = versions.load_installable(tx, str(extension["extension_id"]), version, lock=True)
    verification.verify_version(tx, row, registry.objects, registry.trust.current(), registry.now())
    return row


def _out(tx: Tx, tenant_id: str, row: Row) -> InstallOut:
    request = updates.waiting_request(tx, tenant_id, str(row["install_id"]))
    return install_out(row, request, services(router).settings.runner_public_base)
