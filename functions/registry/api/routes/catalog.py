"""Routes that read extensions, versions and what a version asks for."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls import capabilities
from alga_ext.errors import PlatformError
from functions.registry.api import permissions
from functions.registry.api.exchange import principal, services, shown
from functions.registry.api.install_shapes import MetricOut, PermissionOut, PermissionsOut, SecretRequestOut
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import ExtensionOut, Page, PageSize, VersionOut, texts, version_out
from functions.registry.installing.grant_set import requested
from functions.registry.publishing import versions

router = APIGatewayHttpRouter()

_NEWEST = ("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff")


@router.get("/extensions")
def list_extensions(cursor: str | None = None, page_size: PageSize = 25) -> Page[ExtensionOut]:
    """List extensions by name."""
    permissions.require_reader(principal(router))
    (after,) = decode_cursor(cursor, ("",))
    with services(router).database.system() as tx:
        rows = versions.list_extensions(tx, after, page_size)
    items = [ExtensionOut.model_validate(texts(row)) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(rows[-1]["name"]) if len(rows) == page_size else None)


@router.get("/extensions/<reference>")
def get_extension(reference: str) -> Response[ExtensionOut]:
    """Get an extension by id or name. Send its ETag as If-Match with a change."""
    permissions.require_reader(principal(router))
    with services(router).database.system() as tx:
        return shown(ExtensionOut.model_validate(texts(versions.load_extension(tx, reference))))


@router.get("/extensions/<reference>/versions")
def list_versions(reference: str, cursor: str | None = None, page_size: PageSize = 25) -> Page[VersionOut]:
    """List an extension's versions, newest first. Pending and rejected versions are shown to its owner only."""
    caller = permissions.require_reader(principal(router))
    before_at, before_id = decode_cursor(cursor, _NEWEST)
    with services(router).database.system() as tx:
        extension = versions.load_extension(tx, reference)
        owns = permissions.acts_for(caller, extension["publisher"])
        before = (before_at, before_id)
        rows = versions.list_versions(tx, str(extension["extension_id"]), before, page_size, unpublished=owns)
    last = rows[-1] if len(rows) == page_size else None
    next_cursor = encode_cursor(last["published_at"].isoformat(), last["version_id"]) if last else None
    return Page(items=[version_out(row, services(router).not_offered) for row in rows], next_cursor=next_cursor)


@router.get("/extensions/<reference>/permissions")
def get_permissions(reference: str, version: str | None = None) -> PermissionsOut:
    """Show what a version asks for, each capability with its purpose, before it is installed."""
    permissions.require_reader(principal(router))
    with services(router).database.system() as tx:
        extension = versions.load_extension(tx, reference)
        row = versions.load_installable(tx, str(extension["extension_id"]), version)
    manifest = Manifest.model_validate(row["manifest"])
    asked = requested(manifest)
    purposes = {capability.name: capability.purpose for capability in manifest.capabilities}
    return PermissionsOut(
        version_id=str(row["version_id"]),
        version=row["version"],
        capabilities=[
            PermissionOut(name=name, purpose=purposes.get(name, ""), always_granted=name in capabilities.ALWAYS_GRANTED)
            for name in asked.capabilities
        ],
        egress=list(asked.egress),
        secrets=[SecretRequestOut.model_validate(secret.model_dump()) for secret in manifest.secrets],
        metrics=[MetricOut.model_validate(metric.model_dump()) for metric in manifest.metrics],
        limits=dict(asked.limits),
        undeclared_capabilities=row["undeclared_capabilities"],
    )


@router.get("/versions/<version_id>")
def get_version(version_id: str) -> Response[VersionOut]:
    """Get a version, with the state and progress of its publication and the reasons of a rejection.

    Pending and rejected versions are shown to the publisher and the owner only. Send the ETag as If-Match with a
    change.
    """
    caller = permissions.require_reader(principal(router))
    with services(router).database.system() as tx:
        version = versions.load_version(tx, version_id)
    if not permissions.may_see(caller, version):
        raise PlatformError("version_not_found", f"There is no version {version_id}.")
    return shown(version_out(version, services(router).not_offered))
