"""The runner's health checks: the resources that calls need, and the confinement steps of the sandbox."""

from collections.abc import Mapping
from typing import Any, Final

from alga_ext.edge.health import Check
from functions.runner.services import Services

_PROBE_KEY: Final = "releases/healthz"


def checks(services: Services) -> dict[str, Check]:
    """Return the checks by name.

    A confinement step that the kernel does not support is reported in ``not_applied`` and does not fail the check,
    because the other steps still protect.
    """

    def sandbox() -> Mapping[str, Any]:
        ready = services.pool.health()
        return {"confined_by": ready.applied, "not_applied": ready.missing}

    def artifact_cache() -> Mapping[str, Any]:
        services.artifacts.check_writable()
        return {"size_bytes": services.artifacts.size_bytes(), "budget_bytes": services.artifacts.budget_bytes}

    def trust_bundle() -> Mapping[str, Any]:
        services.trust.current()
        return {}

    def object_store() -> Mapping[str, Any]:
        services.store.size(_PROBE_KEY)
        return {}

    def database() -> Mapping[str, Any]:
        return services.database().check()

    return {
        "sandbox": sandbox,
        "artifact_cache": artifact_cache,
        "trust_bundle": trust_bundle,
        "object_store": object_store,
        "database": database,
    }
