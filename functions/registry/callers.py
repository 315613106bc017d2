"""Who may do what at the registry: pure decisions over a verified principal.

Roles: ``platform_admin`` runs the platform; ``publisher`` acts for the publishers its token lists;
``tenant_admin`` changes and ``tenant_viewer`` reads what its own tenant has installed.
"""

from alga_ext.errors import PlatformError
from alga_ext.principal import Principal


def require_platform_admin(principal: Principal) -> None:
    """Pass for platform admins; raise ``forbidden`` for all others."""
    if "platform_admin" not in principal.roles:
        raise PlatformError("forbidden", "This needs the role platform_admin.")


def require_publisher(principal: Principal, publisher: str) -> None:
    """Pass for platform admins and for tokens that list ``publisher``; raise ``forbidden`` for all others."""
    if "platform_admin" in principal.roles:
        return
    if "publisher" not in principal.roles or publisher not in principal.publishers:
        raise PlatformError("forbidden", f"This needs the role publisher for {publisher!r}.")


def require_tenant_admin(principal: Principal) -> str:
    """Return the caller's tenant when they may change its installs; raise ``forbidden`` otherwise."""
    return _tenant(principal, {"tenant_admin"})


def require_tenant_viewer(principal: Principal) -> str:
    """Return the caller's tenant when they may see its installs; raise ``forbidden`` otherwise."""
    return _tenant(principal, {"tenant_admin", "tenant_viewer"})


def _tenant(principal: Principal, roles: set[str]) -> str:
    if principal.tenant_id is None:
        raise PlatformError("forbidden", "The token names no tenant, and installs belong to one.")
    if not roles & principal.roles:
        raise PlatformError("forbidden", f"This needs the role {' or '.join(sorted(roles))}.")
    return principal.tenant_id
