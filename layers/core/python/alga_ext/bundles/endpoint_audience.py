"""Who may call an endpoint of an extension (ADR 0022): a pure rule, for the gateway and for what is shown of it."""

from collections.abc import Iterable, Mapping
from typing import Any


def audience_of(endpoint: Mapping[str, Any], endpoints: Iterable[Mapping[str, Any]], *, client_portal: bool) -> str:
    """Return who may call an endpoint: ``internal``, ``client`` or ``any``.

    An endpoint without an audience is ``internal``. In an extension of the client portal in which no endpoint has an
    audience, it is ``any``: manifests that are older than this field keep working.

    Args:
        endpoint: as the manifest declares it.
        endpoints: all endpoints of the manifest.
        client_portal: whether the manifest has the hook ``clientPortalMenu``.
    """
    declared = endpoint.get("audience")
    if isinstance(declared, str):
        return declared
    return "any" if client_portal and not any(other.get("audience") for other in endpoints) else "internal"
