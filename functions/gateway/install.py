"""The value that describes an active install."""

from typing import Any, NamedTuple

from alga_ext.calls.limits import EffectiveLimits
from functions.gateway.quotas import Usage


class Install(NamedTuple):
    """The parts of an active install that the gateway needs to admit and run a call."""

    install_id: str
    extension_id: str
    version_id: str
    content_hash: str
    version_state: str
    """``ready`` or ``yanked``, as PostgreSQL had it when the install was resolved."""
    capabilities: list[str]
    egress: list[str]
    secrets: dict[str, list[str]]
    secret_headers: dict[str, str]
    sealed_secrets: list[dict[str, Any]]
    """The newest version of each granted secret that has a value: name, sealed_b64, version, expires_at_s."""
    grant_hash: str
    config: dict[str, Any]
    """What the admin set, and the defaults of the version's schema for what is not set."""
    endpoints: list[dict[str, Any]]
    api_headers: list[str]
    """Further request headers that reach the guest, from the manifest's ``api.headers``."""
    client_portal: bool
    """Whether the extension appears in the client portal: its manifest has the hook ``clientPortalMenu``."""
    metrics: list[dict[str, Any]]
    timeout_ms: int | None
    memory_mb: int | None
    limits: EffectiveLimits
    """How often and how much its callers, it and its tenant may call."""
    usage: Usage
    """What it and its tenant have used, as PostgreSQL had it when the install was resolved."""
