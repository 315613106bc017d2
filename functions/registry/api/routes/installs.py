"""Routes that read and change what a tenant has installed."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.bundles.manifest import Manifest
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Row, Tx
from alga_ext.stores.delivery_slots import Queued
from functions.registry.api import permissions
from functions.registry.api.exchange import (
    actor,
    attempt,
    created,
    header,
    insist,
    principal,
    replay,
    reply,
    require_enabled,
    services,
)
from functions.registry.api.idempotency import Answer
from functions.registry.api.install_openapi import install_openapi
from functions.registry.api.install_shapes import (
    ApprovalIn,
    ConfigIn,
    GrantsIn,
    InstallIn,
    InstallOut,
    RollbackIn,
    UpdateIn,
    install_out,
)
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.preconditions import check_match, revision_tag, tag_of_document
from functions.registry.api.shapes import Page, PageSize, ProblemOut
from functions.registry.deliveries import pausing
from functions.registry.events import outbox
from functions.registry.installing import install_requests, installs, updates
from functions.registry.installing.installs import CheckedConfig
from functions.registry.publishing import publishers, verification, versions
from functions.registry.publishing.publishers import PublisherKeys
from functions.registry.records.audit import Actor
from functions.registry.tenant_data import erasure

router = APIGatewayHttpRouter()

_FIRST = ("00000000-0000-0000-0000-000000000000",)


class Target(NamedTuple):
    """A version that an install is to have, and the keys of its publisher."""

    version: Row
    keys: PublisherKeys


class Found(NamedTuple):
    """What was verified and checked before the install was locked."""

    target: Target
    checked: CheckedConfig


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
        extension = versions.load_extension(tx, body.extension)
        target = _installable(tx, str(extension["extension_id"]), body.version)
    checked = _checked(target, body.config)
    with registry.database.tenant(tenant_id) as tx:
        # Another attempt may have finished while this one was checked.
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        erasure.require_none(tx, tenant_id)
        install_id = installs.install(
            tx, tenant_id, _still(tx, target), body.grants.model_dump(), checked, actor(router, caller), since
        )
        answer = created(_out(tx, tenant_id, installs.load_install(tx, tenant_id, install_id)))
        trial.keep(tx, answer)
        told = outbox.waiting(tx, tenant_id)
    outbox.wake(registry.events_queue, tenant_id, told)
    return reply(answer, {"etag": revision_tag(answer.document["revision"])})


@router.get("/installs")
def list_installs(cursor: str | None = None, page_size: PageSize = 25) -> Page[InstallOut]:
    """List the tenant's installs, ordered by id."""
    registry = services(router)
    tenant_id = permissions.require_tenant_viewer(principal(router))
    (after,) = decode_cursor(cursor, _FIRST)
    with registry.database.tenant(tenant_id) as tx:
        rows = installs.list_installs(tx, tenant_id, after, page_size)
        requests = install_requests.waiting_by_install(tx, tenant_id, [str(row["install_id"]) for row in rows])
    base = registry.settings.runner_public_base
    items = [install_out(row, requests.get(str(row["install_id"])), base, registry.not_offered) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(rows[-1]["install_id"]) if len(rows) == page_size else None)


@router.get("/installs/<install_id>")
def get_install(install_id: str) -> Response[InstallOut]:
    """Get an install. Send its ETag as If-Match with a change."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        out = _out(tx, tenant_id, installs.load_install(tx, tenant_id, install_id))
    return reply(created(out, 200), {"etag": revision_tag(out.revision)})


@router.get("/installs/<install_id>/openapi.json")
def get_install_openapi(install_id: str) -> Response[dict[str, Any]]:
    """Describe the endpoints of an install as OpenAPI 3.1, from the manifest of its version."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        install = installs.load_install(tx, tenant_id, install_id)
        version = versions.load_version(tx, str(install["version_id"]))
    manifest = Manifest.model_validate(version["manifest"])
    document = install_openapi(manifest, str(install["install_id"]), ProblemOut.model_json_schema())
    return reply(Answer(200, document), {"etag": tag_of_document(document)})


@router.delete("/installs/<install_id>")
def delete_install(install_id: str) -> Response[None]:
    """Uninstall an extension: new calls to it are refused. Its storage is kept for the grace time.

    The gateway may use a cached copy of the install for a short time (``INSTALL_CACHE_MS``, two seconds by default).
    """
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)

    def uninstall() -> Response[None]:
        with services(router).database.tenant(tenant_id) as tx:
            _check_revision(tx, tenant_id, install_id)
            installs.uninstall(tx, tenant_id, install_id, actor(router, caller))
            told = outbox.waiting(tx, tenant_id)
        outbox.wake(services(router).events_queue, tenant_id, told)
        return Response(204)

    return insist(uninstall)


@router.post("/installs/<install_id>/enable")
def enable_install(install_id: str) -> Response[InstallOut]:
    """Enable a disabled install, so that it answers calls again."""
    return change_install(install_id, lambda tx, tenant, who: installs.enable(tx, tenant, install_id, who), starts=True)


@router.post("/installs/<install_id>/disable")
def disable_install(install_id: str) -> Response[InstallOut]:
    """Disable an install, so that it answers no calls. It keeps its data, grants and configuration.

    This waits for no other request, so If-Match is compared with the install without a lock: a change that commits in
    the same instant may not be noticed.
    """
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    with services(router).database.tenant(tenant_id) as tx:
        install = installs.load_install(tx, tenant_id, install_id)
        check_match(header(router, "if-match"), revision_tag(install["revision"]))
        installs.disable(tx, tenant_id, install_id, actor(router, caller))
        out = _out(tx, tenant_id, installs.load_install(tx, tenant_id, install_id))
    return reply(created(out, 200), {"etag": revision_tag(out.revision)})


@router.post("/installs/<install_id>/update")
def update_install(install_id: str, body: Annotated[UpdateIn, Body()]) -> Response[InstallOut]:
    """Update an install to a later version. What it asks for beyond the earlier version waits as a request."""

    def prepare(tx: Tx, _tenant_id: str, install: Row) -> Target:
        return _installable(tx, str(install["extension_id"]), body.version)

    def change(tx: Tx, tenant_id: str, who: Actor, found: Found) -> None:
        version = _still(tx, found.target)
        updates.update(tx, tenant_id, install_id, version, found.checked, who)

    return _move(install_id, prepare, change, starts=True)


@router.post("/installs/<install_id>/rollback")
def roll_back_install(install_id: str, body: Annotated[RollbackIn, Body()]) -> Response[InstallOut]:
    """Roll an install back to an earlier version, with a reason."""

    def prepare(tx: Tx, _tenant_id: str, install: Row) -> Target:
        version = versions.load_runnable(tx, str(install["extension_id"]), body.version)
        return Target(version, publishers.trusted_keys(tx, version["publisher"]))

    def change(tx: Tx, tenant_id: str, who: Actor, found: Found) -> None:
        target = versions.load_runnable(tx, found.target.version["extension_id"], body.version)
        updates.roll_back(tx, tenant_id, install_id, target, found.checked, body.reason, who)

    return _move(install_id, prepare, change)


@router.post("/installs/<install_id>/pin")
def pin_install(install_id: str) -> Response[InstallOut]:
    """Pin an install to its current version."""
    return change_install(install_id, lambda tx, tenant, who: updates.set_pinned(tx, tenant, install_id, True, who))


@router.post("/installs/<install_id>/unpin")
def unpin_install(install_id: str) -> Response[InstallOut]:
    """Unpin an install, so that it can be updated again."""
    return change_install(install_id, lambda tx, tenant, who: updates.set_pinned(tx, tenant, install_id, False, who))


@router.post("/installs/<install_id>/deliveries/pause")
def pause_deliveries(install_id: str) -> Response[InstallOut]:
    """Let the deliveries of an install wait. What is running is not stopped."""
    return _set_paused(install_id, paused=True)


@router.post("/installs/<install_id>/deliveries/resume")
def resume_deliveries(install_id: str) -> Response[InstallOut]:
    """End the pause of an install's deliveries."""
    return _set_paused(install_id, paused=False)


@router.post("/installs/<install_id>/request/approve")
def approve_request(install_id: str, body: Annotated[ApprovalIn, Body()]) -> Response[InstallOut]:
    """Approve the waiting request of an install: what a newer version asks for."""
    named = None if body.grants is None else body.grants.model_dump()

    def prepare(tx: Tx, tenant_id: str, _install: Row) -> Target:
        request = install_requests.load_waiting(tx, tenant_id, install_id)
        version = versions.load_version(tx, str(request["to_version_id"]))
        return Target(version, publishers.trusted_keys(tx, version["publisher"]))

    def change(tx: Tx, tenant_id: str, who: Actor, found: Found) -> None:
        updates.approve(tx, tenant_id, install_id, named, found.checked, who)

    return _move(install_id, prepare, change, starts=True)


@router.post("/installs/<install_id>/request/decline")
def decline_request(install_id: str) -> Response[InstallOut]:
    """Decline the waiting request of an install. Its grants stay as they are."""
    return change_install(install_id, lambda tx, tenant, who: updates.decline(tx, tenant, install_id, who))


@router.put("/installs/<install_id>/grants")
def replace_grants(install_id: str, body: Annotated[GrantsIn, Body()]) -> Response[InstallOut]:
    """Replace the grants of an install with exactly the named ones."""
    named = body.model_dump()
    return change_install(install_id, lambda tx, tenant, who: updates.regrant(tx, tenant, install_id, named, who))


@router.put("/installs/<install_id>/config")
def replace_config(install_id: str, body: Annotated[ConfigIn, Body()]) -> Response[InstallOut]:
    """Replace the configuration of an install. It is checked against the version's schema."""
    registry = services(router)
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    with registry.database.tenant(tenant_id) as tx:
        install = installs.load_install(tx, tenant_id, install_id)
        version = versions.load_version(tx, str(install["version_id"]))
    check_match(header(router, "if-match"), revision_tag(install["revision"]))
    checked = installs.check_config(version, body.config, registry.evaluator)
    return change_install(install_id, lambda tx, tenant, who: updates.set_config(tx, tenant, install_id, checked, who))


def change_install(
    install_id: str, change: Callable[[Tx, str, Actor], Any], *, starts: bool = False
) -> Response[InstallOut]:
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
        told = outbox.waiting(tx, tenant_id)
    outbox.wake(services(router).events_queue, tenant_id, told)
    return reply(created(out, 200), {"etag": revision_tag(out.revision)})


def _set_paused(install_id: str, *, paused: bool) -> Response[InstallOut]:
    queued: list[Queued] = []

    def change(tx: Tx, tenant_id: str, who: Actor) -> None:
        queued.extend(pausing.set_paused(tx, tenant_id, install_id, paused=paused, actor=who))

    answer = change_install(install_id, change, starts=not paused)
    tenant_id = permissions.require_tenant_admin(principal(router))
    delivery_slots.send(services(router).deliveries_queue, tenant_id, queued, "registry")
    return answer


def _check_revision(tx: Tx, tenant_id: str, install_id: str) -> None:
    install = installs.load_install(tx, tenant_id, install_id, lock=True)
    check_match(header(router, "if-match"), revision_tag(install["revision"]))


def _move(
    install_id: str,
    prepare: Callable[[Tx, str, Row], Target],
    change: Callable[[Tx, str, Actor, Found], None],
    *,
    starts: bool = False,
) -> Response[InstallOut]:
    """Move an install to another version, as ``change_install`` does.

    1. ``prepare`` reads the version and its publisher's keys. Nothing is locked.
    2. The version's signatures are verified and the install's configuration is checked, outside of any transaction.
       This reads the object store and evaluates what the publisher wrote, so no lock may be held meanwhile.
    3. ``change`` locks the install, checks that what was read is still so, and moves it.
    """
    registry = services(router)
    tenant_id = permissions.require_tenant_admin(principal(router))
    if starts:
        require_enabled(router)
    with registry.database.tenant(tenant_id) as tx:  # (1)
        install = installs.load_install(tx, tenant_id, install_id)
        check_match(header(router, "if-match"), revision_tag(install["revision"]))
        target = prepare(tx, tenant_id, install)
    found = Found(target, _checked(target, install["config"]))  # (2)
    return change_install(install_id, lambda tx, tenant, who: change(tx, tenant, who, found), starts=starts)  # (3)


def _installable(tx: Tx, extension_id: str, version: str | None) -> Target:
    """Return the version to install or to update to, with its publisher's keys."""
    row = versions.load_installable(tx, extension_id, version)
    return Target(row, publishers.trusted_keys(tx, row["publisher"]))


def _checked(target: Target, config: dict[str, Any]) -> CheckedConfig:
    """Verify a version's signatures again and check a configuration against its schema."""
    registry = services(router)
    verification.verify_version(target.version, target.keys, registry.objects, registry.trust.current(), registry.now())
    return installs.check_config(target.version, config, registry.evaluator)


def _still(tx: Tx, target: Target) -> Row:
    """Return the version as it is now, or raise ``version_not_ready`` when it is no longer ready."""
    return versions.load_installable(tx, str(target.version["extension_id"]), target.version["version"])


def _out(tx: Tx, tenant_id: str, row: Row) -> InstallOut:
    request = install_requests.waiting(tx, tenant_id, str(row["install_id"]))
    registry = services(router)
    return install_out(row, request, registry.settings.runner_public_base, registry.not_offered)
