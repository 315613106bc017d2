"""Decide who may do what at the registry: pure rules over a verified principal.

Roles: ``platform_admin`` runs the platform. ``publisher`` acts for the publishers that the token lists.
``tenant_admin`` changes what its own tenant has installed, and ``tenant_viewer`` reads it.

``event:publish`` publishes events, and ``metrics:read`` reads the platform's totals; they grant nothing else.

The tenant comes from the token alone, with two exceptions: a platform admin names the tenant whose limits it reads or
sets (ADR 0037), and a publisher of events whose token names no tenant names it in each event (ADR 0048).
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

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


def require_metrics_reader(principal: Principal) -> None:
    """Raise ``forbidden`` unless the caller may read the totals of all calls: a platform admin, or a scraper."""
    if not principal.roles & {"platform_admin", "metrics:read"}:
        raise PlatformError("forbidden", "This request needs the role metrics:read or platform_admin.")


def require_publisher(principal: Principal, publisher: str) -> None:
    """Raise ``forbidden`` unless the caller acts for ``publisher``, see ``acts_for``."""
    if not acts_for(principal, publisher):
        raise PlatformError(
            "forbidden", f"This request needs the role publisher, and a token that lists the publisher {publisher!r}."
        )


def require_event_publisher(principal: Principal) -> None:
    """Raise ``forbidden`` unless the caller may publish events. Its tenant, if it has one, limits whose they are."""
    if "event:publish" not in principal.roles:
        raise PlatformError("forbidden", "This request needs the role event:publish.")


def require_tenant_admin(principal: Principal) -> str:
    """Return the caller's tenant when the caller may change its installs; raise ``forbidden`` otherwise."""
    return _tenant(principal, {"tenant_admin"})


def require_tenant_viewer(principal: Principal) -> str:
    """Return the caller's tenant when the caller may see its installs; raise ``forbidden`` otherwise."""
    return _tenant(principal, {"tenant_admin", "tenant_viewer"})


def is_tenant_admin(principal: Principal) -> bool:
    """Tell whether a caller may read what guests wrote about the calls of its tenant."""
    return principal.tenant_id is not None and "tenant_admin" in principal.roles


def require_tenant_user(principal: Principal) -> str:
    """Return the caller's tenant. Each of its users may ask for what the host application shows them."""
    return _tenant(principal, None)


class LimitsSetter(NamedTuple):
    """For whom a caller sets limits: the platform, or the tenant itself. ``tenant_id`` is the tenant they are about."""

    party: Literal["platform", "tenant"]
    tenant_id: str


def require_limits_reader(principal: Principal, named: str | None) -> str:
    """Return the tenant whose limits the caller may read.

    A platform admin reads those of any tenant. ``named`` is the tenant in the request, or None when it names none.

    Raises:
        PlatformError: ``invalid_request`` for a platform admin when neither request nor token names a tenant;
            ``tenant_mismatch`` when another caller names another tenant; ``forbidden``.
    """
    return _limited(principal, named, {"tenant_admin", "tenant_viewer"})


def require_limits_setter(principal: Principal, named: str | None) -> LimitsSetter:
    """Return for whom the caller sets limits. A platform admin always acts for the platform.

    Raises:
        PlatformError: as ``require_limits_reader``.
    """
    tenant_id = _limited(principal, named, {"tenant_admin"})
    return LimitsSetter("platform" if "platform_admin" in principal.roles else "tenant", tenant_id)


def _limited(principal: Principal, named: str | None, roles: set[str]) -> str:
    if "platform_admin" in principal.roles:
        tenant_id = named or principal.tenant_id
        if tenant_id is None:
            raise PlatformError("invalid_request", "Name the tenant that the install belongs to with ?tenant_id=.")
        return tenant_id
    tenant_id = _tenant(principal, roles)
    if named is not None and named != tenant_id:
        raise PlatformError("tenant_mismatch", "The request names another tenant than the token. Use its own token.")
    return tenant_id


def _tenant(principal: Principal, roles: set[str] | None) -> str:
    """Return the caller's tenant. ``roles`` are those of which the caller needs one; None: a user needs none."""
    if principal.tenant_id is None:
        raise PlatformError(
            "forbidden", "Installs belong to tenants, but the token names no tenant. Use a tenant's token."
        )
    if roles is not None and not roles & principal.roles:
        raise PlatformError("forbidden", f"This request needs the role {' or '.join(sorted(roles))}.")
    return principal.tenant_id
