"""Who may do what at the registry: pure decisions over a verified principal.

Roles: ``platform_admin`` runs the platform; ``publisher`` acts for the publishers its token lists;
``tenant_admin`` changes and ``tenant_viewer`` reads what its own tenant has installed.
"""

from collections.abc import Mapping
from typing import Any, Final

from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError

_ROLES: Final = frozenset({"platform_admin", "publisher", "tenant_admin", "tenant_viewer"})


def require_reader(principal: Principal) -> Principal:
    """Return a caller with any of the four roles, who may read the catalogue and the log; ``forbidden`` otherwise."""
    if not principal.roles & _ROLES:
        raise PlatformError("forbidden", f"This needs one of the roles {', '.join(sorted(_ROLES))}.")
    return principal


def may_see(principal: Principal, version: Mapping[str, Any]) -> bool:
    """Tell whether a caller may see a version: what is pending or rejected is its publisher's and owner's only."""
    return version["state"] not in ("pending", "rejected") or any(
        acts_for(principal, publisher) for publisher in (version["publisher"], version["owner"])
    )


def acts_for(principal: Principal, publisher: str) -> bool:
    """Tell whether a caller is a platform admin or has a token that lists ``publisher``."""
    return "platform_admin" in principal.roles or ("publisher" in principal.roles and publisher in principal.publishers)


def require_platform_admin(principal: Principal) -> None:
    """Pass for platform admins; raise ``forbidden`` for all others."""
    if "platform_admin" not in principal.roles:
        raise PlatformError("forbidden", "This needs the role platform_admin.")


def require_publisher(principal: Principal, publisher: str) -> None:
    """Pass for platform admins and for tokens that list ``publisher``; raise ``forbidden`` for all others."""
    if not acts_for(principal, publisher):
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
