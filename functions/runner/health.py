"""``GET /healthz``: what works, what does not, and what could not be confined."""

from collections.abc import Callable
from typing import Any

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from alga_ext.stores.objects import ObjectReader
from functions.runner.artifacts import ArtifactCache
from functions.runner.sandboxes.pool import Pool

_PROBE_KEY = "healthz"


def report(pool: Pool, artifacts: ArtifactCache, store: ObjectReader, database: Database) -> tuple[int, dict[str, Any]]:
    """Return the status (200 or 503) and a document with each check.

    A confinement step that the kernel does not offer is shown and does not fail the check: the others still hold.
    """
    checks: dict[str, Any] = {}
    healthy = True
    try:
        ready = pool.health()
        checks["sandbox"] = {"ok": True, "confined_by": ready.applied, "not_applied": ready.missing}
    except PlatformError as error:
        healthy = False
        checks["sandbox"] = {"ok": False, "detail": error.detail}
    probes: dict[str, Callable[[], object]] = {
        "artifact_cache": artifacts.check_writable,
        "object_store": lambda: store.size(_PROBE_KEY),
        "database": lambda: _ping(database),
    }
    for name, probe in probes.items():
        try:
            probe()
            checks[name] = {"ok": True}
        except PlatformError as error:
            healthy = False
            checks[name] = {"ok": False, "detail": error.detail}
    checks["artifact_cache"] |= {"size_bytes": artifacts.size_bytes(), "budget_bytes": artifacts.budget_bytes}
    return (200 if healthy else 503), {"status": "ok" if healthy else "unavailable", "checks": checks}


def _ping(database: Database) -> None:
    with database.system() as tx:
        tx.row("select 1 as one")
