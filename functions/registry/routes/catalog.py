"""Routes for reading extensions, versions and what they ask for."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext import capabilities
from alga_ext.manifest import Manifest
from functions.registry import compose, grants, versions
from functions.registry.api import (
    ExtensionOut,
    Page,
    PermissionOut,
    PermissionsOut,
    SecretRequestOut,
    VersionOut,
    texts,
    version_out,
)
from functions.registry.paging import decode_cursor, encode_cursor
from functions.registry.routes.caller import principal

router = APIGatewayHttpRouter()

PageSize = Annotated[int, Query(ge=1, le=100)]
_NEWEST = ("infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff")


@router.get("/extensions")
def list_extensions(cursor: str | None = None, page_size: PageSize = 25) -> Page[ExtensionOut]:
    """List extensions by name."""
    principal(router)
    (after,) = decode_cursor(cursor, ("",))
    with compose.database().system() as tx:
        rows = versions.list_extensions(tx, after, page_size)
    items = [ExtensionOut.model_validate(texts(row)) for row in rows]
    return Page(items=items, next_cursor=encode_cursor(rows[-1]["name"]) if len(rows) == page_size else None)


@router.get("/extensions/<reference>")
def get_extension(reference: str) -> ExtensionOut:
    """Get an extension by id or name."""
    principal(router)
    with compose.database().system() as tx:
        return ExtensionOut.model_validate(texts(versions.load_extension(tx, reference)))


@router.get("/extensions/<reference>/versions")
def list_versions(reference: str, cursor: str | None = None, page_size: PageSize = 25) -> Page[VersionOut]:
    """List an extension's versions, newest first."""
    principal(router)
    before_at, before_id = decode_cursor(cursor, _NEWEST)
    with compose.database().system() as tx:
        extension = versions.load_extension(tx, reference)
        rows = versions.list_versions(tx, str(extension["extension_id"]), (before_at, before_id), page_size)
    last = rows[-1] if len(rows) == page_size else None
    next_cursor = encode_cursor(last["published_at"].isoformat(), last["version_id"]) if last else None
    return Page(items=[version_out(row) for row in rows], next_cursor=next_cursor)


@router.get("/extensions/<reference>/permissions")
def get_permissions(reference: str, version: str | None = None) -> PermissionsOut:
    """Show what a version asks for, each capability with its purpose, before it is installed."""
    principal(router)
    with compose.database().system() as tx:
        extension = versions.load_extension(tx, reference)
        row = versions.load_installable(tx, str(extension["extension_id"]), version)
    manifest = Manifest.model_validate(row["manifest"])
    asked = grants.requested(manifest)
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
        limits=dict(asked.limits),
        undeclared_capabilities=row["undeclared_capabilities"],
    )


@router.get("/versions/<version_id>")
def get_version(version_id: str) -> VersionOut:
    """Get a version: its state and progress tell how far its publication is, and why it was rejected."""
    principal(router)
    with compose.database().system() as tx:
        return version_out(versions.load_version(tx, version_id))
