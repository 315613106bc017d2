"""Routes of tenants: what they have installed."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.database import Row, Tx
from alga_ext.manifest import Manifest
from functions.registry import callers, compose, installs, versions
from functions.registry.api import InstallIn, InstallOut, install_out
from functions.registry.bundle_contents import UI_PREFIX
from functions.registry.routes.caller import actor, principal

router = APIGatewayHttpRouter()

_FIRST = "00000000-0000-0000-0000-000000000000"


@router.post("/installs")
def create_install(body: Annotated[InstallIn, Body()]) -> Response[InstallOut]:
    """Install an extension with exactly the grants that are named."""
    caller = principal(router)
    tenant_id = callers.require_tenant_admin(caller)
    with compose.database().tenant(tenant_id) as tx:
        extension = versions.load_extension(tx, body.extension)
        version = versions.load_installable(tx, str(extension["extension_id"]), body.version)
        install_id = installs.install(
            tx, tenant_id, version, body.grants.model_dump(), body.config, actor(router, caller)
        )
        out = _out(tx, installs.load_install(tx, tenant_id, install_id))
    return Response(201, "application/json", out)


@router.get("/installs")
def list_installs(after: str = _FIRST, page_size: Annotated[int, Query(ge=1, le=100)] = 25) -> list[InstallOut]:
    """List the tenant's installs by id; ``after`` is the last id of the page before."""
    tenant_id = callers.require_tenant_viewer(principal(router))
    with compose.database().tenant(tenant_id) as tx:
        return [_out(tx, row) for row in installs.list_installs(tx, tenant_id, after, page_size)]


@router.get("/installs/<install_id>")
def get_install(install_id: str) -> InstallOut:
    """Get an install."""
    tenant_id = callers.require_tenant_viewer(principal(router))
    with compose.database().tenant(tenant_id) as tx:
        return _out(tx, installs.load_install(tx, tenant_id, install_id))


@router.post("/installs/<install_id>/enable")
def enable_install(install_id: str) -> InstallOut:
    """Let a disabled install answer again."""
    return _set_state(install_id, "enabled")


@router.post("/installs/<install_id>/disable")
def disable_install(install_id: str) -> InstallOut:
    """Stop an install from answering; everything it has stays."""
    return _set_state(install_id, "disabled")


@router.delete("/installs/<install_id>")
def delete_install(install_id: str) -> Response[None]:
    """Uninstall; storage is kept for the grace time."""
    caller = principal(router)
    tenant_id = callers.require_tenant_admin(caller)
    with compose.database().tenant(tenant_id) as tx:
        installs.uninstall(tx, tenant_id, install_id, actor(router, caller))
    return Response(204)


def _set_state(install_id: str, state: str) -> InstallOut:
    caller = principal(router)
    tenant_id = callers.require_tenant_admin(caller)
    with compose.database().tenant(tenant_id) as tx:
        return _out(tx, installs.set_state(tx, tenant_id, install_id, state, actor(router, caller)))


def _out(tx: Tx, row: Row) -> InstallOut:
    manifest = Manifest.model_validate(versions.load_version(tx, str(row["version_id"]))["manifest"])
    entry = None if manifest.ui is None else manifest.ui.entry.removeprefix(UI_PREFIX)
    return install_out(row, compose.settings().runner_public_base, entry)
