"""Decide whether a call may run: the gateway's checks. The first check that fails ends the request."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from alga_ext.bundles.endpoint_audience import audience_of
from alga_ext.calls.envelope import ExecuteTrigger
from alga_ext.edge.http import Request
from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
from functions.gateway.headers import HEADERS_LIMIT_BYTES
from functions.gateway.install import Install
from functions.gateway.routing import METHODS, READ_METHODS, ExtensionPath, find_endpoint, parse_path

BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024


class AdmittedCall(NamedTuple):
    """One call that may run. It holds no HTTP request, so any source of calls can build one.

    Attributes:
        request_id: the id of the call, in the caller's system and in the platform.
        tenant_id: the tenant that the call belongs to.
        install: the active install that answers the call.
        principal: the caller.
        extension: the extension as the caller wrote it; redirects within the extension are built from it.
        method: the HTTP method.
        path: the path within the extension, percent-decoded.
        path_template: the path of the declared endpoint that answers it, such as ``/notes/:id``.
        raw_query: the query string as in the URL, without ``?``.
        headers: the caller's headers with lower-case names; ``headers.to_guest`` decides later which of them pass.
        body: the caller's body.
        trigger: of a delivery, which no user makes; None for the call of a user.
    """

    request_id: str
    tenant_id: str
    install: Install
    principal: Principal
    extension: str
    method: str
    path: str
    path_template: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes
    trigger: ExecuteTrigger | None = None


class RoleMap:
    """Which token roles give ``extension:read``, and which give ``extension:write``."""

    def __init__(self, read: frozenset[str], write: frozenset[str]) -> None:
        self._read = read
        self._write = write

    def allows(self, principal: Principal, method: str) -> bool:
        """Tell whether the caller's roles allow ``method``."""
        return bool(principal.roles & (self._read if method in READ_METHODS else self._write))


def check_request(request: Request) -> ExtensionPath:
    """Check everything that does not depend on the caller, and return the parts of the path.

    Raises:
        PlatformError: ``not_found``, ``method_not_allowed``, ``payload_too_large``.
    """
    target = parse_path(request.path)
    if target is None:
        raise PlatformError(
            "not_found",
            "This path names no extension. Call /api/ext/{extension}/{path}, without '.' and '..' segments.",
        )
    if request.method not in METHODS:
        allowed = sorted(METHODS)
        raise PlatformError("method_not_allowed", f"Call extensions with one of {', '.join(allowed)}.", allow=allowed)
    if len(request.body) > BODY_LIMIT_BYTES:
        raise PlatformError(
            "payload_too_large", f"The body is {len(request.body)} bytes; at most {BODY_LIMIT_BYTES} are allowed."
        )
    size = sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    if size > HEADERS_LIMIT_BYTES:
        raise PlatformError(
            "payload_too_large", f"The headers together are {size} bytes; at most {HEADERS_LIMIT_BYTES} are allowed."
        )
    return target


def check_tenant(principal: Principal, request: Request) -> str:
    """Return the tenant of the call. It comes from the token and from nothing else.

    A request that also names a tenant (``x-alga-tenant`` or ``x-tenant-id``) must name the same one.

    Raises:
        PlatformError: ``forbidden`` for a token without a tenant; ``tenant_mismatch``.
    """
    if principal.tenant_id is None:
        raise PlatformError(
            "forbidden", "Extensions are installed for tenants, but the token names no tenant. Use a tenant's token."
        )
    for name in ("x-alga-tenant", "x-tenant-id"):
        if request.headers.get(name, principal.tenant_id) != principal.tenant_id:
            raise PlatformError(
                "tenant_mismatch", f"The header {name} does not name the token's tenant; correct it or leave it out."
            )
    return principal.tenant_id


def check_endpoint(
    install: Install | None, target: ExtensionPath, method: str, principal: Principal
) -> tuple[Install, str]:
    """Return the install, when it declares an endpoint for this method and path that the caller may use.

    With it, return the declared path of this endpoint.

    Raises:
        PlatformError: ``not_installed``; ``endpoint_not_found``; ``forbidden`` for a user of the client portal when the
            extension does not appear there, and for a caller who is not in the endpoint's audience.
    """
    if install is None:
        raise PlatformError("not_installed", f"{target.extension!r} is not installed and enabled for this tenant.")
    if principal.is_client_user and not install.client_portal:
        raise PlatformError("forbidden", "This extension is not for users of the client portal.")
    endpoint = find_endpoint(install.endpoints, method, target.path)
    if endpoint is None:
        raise PlatformError("endpoint_not_found", f"The extension declares no endpoint for {method} {target.path}.")
    if not in_audience(principal, audience_of(endpoint, install.endpoints, client_portal=install.client_portal)):
        users = "users of the client portal" if principal.is_client_user else "users outside the client portal"
        raise PlatformError("forbidden", f"The extension's endpoint {method} {target.path} is not for {users}.")
    return install, endpoint["path"]


def in_audience(principal: Principal, audience: str) -> bool:
    """Tell whether a caller belongs to an audience. An unknown audience includes no caller."""
    return audience in ("any", "client" if principal.is_client_user else "internal")


def check_role(roles: RoleMap, principal: Principal, method: str) -> None:
    """Raise ``forbidden`` unless the caller's roles allow the method. Users of the client portal need no role."""
    if principal.is_client_user:
        return
    if not roles.allows(principal, method):
        needed = "extension:read" if method in READ_METHODS else "extension:write"
        raise PlatformError("forbidden", f"{method} on an extension needs a role that gives {needed}.")
