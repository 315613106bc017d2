"""Decide who may do what at the registry: pure rules over a verified principal.

Roles: ``platform_admin`` runs the platform. ``publisher`` acts for the publishers that the token lists.
``tenant_admin`` changes what its own tenant has installed, and ``tenant_viewer`` reads it.
"""

from collections.abc import Mapping
from typing import Any, Final

from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError

_ROLES: Final = frozenset({"platform_admin", "publisher", "tenant_admin", "tenant_viewer"})


def require_reader(principal: Principal) -> Principal:
    """Return the caller when it has any of the four roles, or raise ``forbidden``.

    Such a caller may read the catalogue and the transparency log.
    """
    if not principal.roles & _ROLES:
        raise PlatformError("forbidden", f"This request needs one of the roles {', '.join(sorted(_ROLES))}.")
    return principal


def may_see(principal: Principal, version: Mapping[str, Any]) -> bool:
    """Tell whether a caller may see a version.

    A pending or rejected version is visible only to callers who act for its publisher or for the extension's owner.
    """
    return version["state"] not in ("pending", "rejected") or any(
        acts_for(principal, publisher) for publisher in (version["publisher"], version["owner"])
    )


def acts_for(principal: Principal, publisher: str) -> bool:
    """Tell whether a caller is a platform admin, or has the role ``publisher`` and a token that lists ``publisher``."""
    return "platform_admin" in principal.roles or ("publisher" in principal.roles and publisher in principal.publishers)


def require_platform_admin(principal: Principal) -> None:
    """Raise ``forbidden`` unless the caller is a platform admin."""
    if "platform_admin" not in principal.roles:
        raise PlatformError("forbidden", "This request needs the role platform_admin.")


def require_publisher(principal: Principal, publisher: str) -> None:
    """Raise ``forbidden`` unless the caller acts for ``publisher``, see ``acts_for``."""
    if not acts_for(principal, publisher):
        raise PlatformError(
            "forbidden", f"This request needs the role publisher, and a token that lists the publisher {publisher!r}."
        )


def require_tenant_admin(principal: Principal) -> str:
    """Return the caller's tenant when the caller may change its installs; raise ``forbidden`` otherwise."""
    return _tenant(principal, {"tenant_admin"})


def require_tenant_viewer(principal: Principal) -> str:
    """Return the caller's tenant when the caller may see its installs; raise ``forbidden`` otherwise."""
    return _tenant(principal, {"tenant_admin", "tenant_viewer"})


def _tenant(principal: Principal, roles: set[str]) -> str:
    if principal.tenant_id is None:
        raise PlatformError(
            "forbidden", "Installs belong to tenants, but the token names no tenant. Use a tenant's token."
        )
    if not roles & principal.roles:
        raise PlatformError("forbidden", f"This request needs the role {' or '.join(sorted(roles))}.")
    return principal.tenant_id
