"""An active install as a value: what the gateway needs of it to admit and dispatch a call."""

from typing import Any, NamedTuple


class Install(NamedTuple):
    """What the gateway needs of an active install to admit and dispatch a call."""

    install_id: str
    extension_id: str
    version_id: str
    content_hash: str
    capabilities: list[str]
    egress: list[str]
    secrets: dict[str, list[str]]
    sealed_secrets: list[dict[str, Any]]
    """The newest version of each granted secret that is set: name, sealed_b64, version, expires_at_s."""
    grant_hash: str
    config: dict[str, Any]
    endpoints: list[dict[str, Any]]
    timeout_ms: int | None
    memory_mb: int | None
