"""The route that tells the host application where it shows which extensions."""

from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.registry.api import permissions
from functions.registry.api.exchange import created, header, principal, reply, services
from functions.registry.api.install_shapes import MenuOut, menu_entry_out
from functions.registry.api.preconditions import etag_of, is_current
from functions.registry.installing import menu

router = APIGatewayHttpRouter()

_MENU: Final[dict[str, Any]] = {"application/json": {"model": MenuOut}}


@router.get("/menu", responses={200: {"description": "The menu.", "content": _MENU}})
def get_menu() -> Response[Any]:  # a 304 has no body
    """List where the tenant's active extensions are shown to the caller, by hook, order and label.

    Users of the client portal see the hook clientPortalMenu only. If-None-Match with the answer's ETag gives a 304.
    """
    caller = principal(router)
    tenant_id = permissions.require_tenant_user(caller)
    registry = services(router)
    rows: list[Any] = []
    if registry.settings.extensions_enabled:
        with registry.database.tenant(tenant_id) as tx:
            rows = menu.load_menu(tx, tenant_id)
    base = registry.settings.runner_public_base
    entries = menu.entries(rows, client_user=caller.is_client_user)
    out = MenuOut(items=[menu_entry_out(entry, base) for entry in entries])
    headers = {"etag": etag_of(out), "cache-control": "private, no-cache"}
    if is_current(header(router, "if-none-match"), headers["etag"]):
        return Response(304, headers=headers)
    return reply(created(out, 200), headers)
