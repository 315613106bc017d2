"""Routes with which a platform admin erases or exports everything that is kept of a tenant."""

from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.database import Row
from functions.registry.api import permissions
from functions.registry.api.exchange import actor, created, header, insist, principal, reply, services, shown
from functions.registry.api.paging import encode_cursor, number
from functions.registry.api.preconditions import check_match, etag_of
from functions.registry.api.shapes import PageSize, texts
from functions.registry.api.tenant_data_shapes import ErasureOut, ExportManifestOut, ExportOut, ExportPartOut
from functions.registry.tenant_data import erasure, export

router = APIGatewayHttpRouter()

_URL_LIFETIME_S: Final = 300
_NO_ERASURE: Final = '""'
"""The entity tag of a receipt that is absent: If-Match never names it."""


@router.delete("/tenants/<tenant_id>/data")
def erase_tenant(tenant_id: str) -> Response[ErasureOut]:
    """Begin to erase everything that is kept of a tenant (platform admins). The answer is the receipt so far.

    All its extensions are uninstalled at once. While an erasure is running, and when it is done and nothing has come
    since, a repeated request gets the same receipt.
    """
    caller = principal(router)
    permissions.require_platform_admin(caller)
    registry, who = services(router), actor(router, caller)

    def begin() -> Response[ErasureOut]:
        with registry.database.tenant(tenant_id) as tx:
            before = erasure.newest(tx, tenant_id)
            check_match(header(router, "if-match"), etag_of(_erasure(before)) if before is not None else _NO_ERASURE)
            out = _erasure(erasure.start(tx, tenant_id, who, registry.now()))
        path = router.current_event.path
        return reply(created(out, 202), {"etag": etag_of(out), "location": path})

    return insist(begin)


@router.get("/tenants/<tenant_id>/data")
def get_erasure(tenant_id: str) -> Response[ErasureOut]:
    """Get the receipt of a tenant's last erasure (platform admins)."""
    permissions.require_platform_admin(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        receipt = erasure.newest(tx, tenant_id)
    if receipt is None:
        raise PlatformError("erasure_not_found", "No erasure of this tenant was requested; DELETE starts one.")
    return shown(_erasure(receipt))


@router.get("/tenants/<tenant_id>/export")
def export_tenant(
    tenant_id: str, *, again: bool = False, cursor: str | None = None, page_size: PageSize = 100
) -> ExportOut:
    """Get a tenant's export, which the first request begins (platform admins).

    It is written in the background: ask again until it is done. Then the answer has URLs of its parts. With ``again``,
    another export takes the place of one that is done.
    """
    caller = principal(router)
    permissions.require_platform_admin(caller)
    after = number(cursor, ("0",))
    registry, who = services(router), actor(router, caller)
    with registry.database.tenant(tenant_id) as tx:
        found = export.start(tx, tenant_id, who, registry.now(), again=again)
        parts = export.list_parts(tx, tenant_id, after, page_size) if found["state"] == "done" else []
    return ExportOut.model_validate(
        {
            **texts(found),
            "manifest": _manifest(found) if found["state"] == "done" else None,
            "parts": [_part(found, part) for part in parts],
            "next_cursor": encode_cursor(parts[-1]["number"]) if len(parts) == page_size else None,
        }
    )


def _erasure(row: Row) -> ErasureOut:
    return ErasureOut.model_validate(texts(row))


def _part(found: Row, part: Row) -> ExportPartOut:
    key = object_keys.export_part(str(found["export_id"]), part["number"], part["table_name"], part["sha256"])
    return ExportPartOut.model_validate({**part, "url": _url(key)})


def _manifest(found: Row) -> ExportManifestOut:
    key = object_keys.export_manifest(str(found["export_id"]), found["manifest_sha256"])
    return ExportManifestOut(sha256=found["manifest_sha256"], url=_url(key))


def _url(key: str) -> Any:
    return services(router).objects.presign_get(key, expires_in_s=_URL_LIFETIME_S)
