"""The migrate function's Lambda entry point. Trigger: a custom resource of each deployment, or Invoke by hand."""

import time
from pathlib import Path
from typing import Any, Final

from alga_ext.settings import environment
from alga_ext.stores.database import Database
from alga_ext.stores.refreshed import Refreshed
from functions.registry import stack_resource
from functions.registry.migrations.migrate import ROLES, applied, migrate, wait_until_reachable
from functions.registry.migrations.requested import migrate_as_requested
from functions.registry.settings import MigrateSettings

_STATEMENT_TIMEOUT_MS: Final = 60_000
_SETTINGS = Refreshed("registry-migrate", environment(), lambda environ, _: MigrateSettings.read(environ))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Migrate the database to the newest schema and return ``{"applied": [names]}``."""
    settings = _SETTINGS.current()
    passwords = {role: secret.get_secret_value() for role in ROLES if (secret := getattr(settings, f"{role}_password"))}
    database = Database(
        settings.database_url.get_secret_value(),
        statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
        password=settings.database_password.get_secret_value(),
    )

    def apply() -> list[str]:
        return migrate(database, Path(settings.migrations_dir), passwords)

    def reach_and_list() -> list[str]:
        wait_until_reachable(database, time.sleep)
        return applied(database)

    try:
        if stack_resource.is_request(event):
            return stack_resource.serve(event, "schema", lambda: migrate_as_requested(event, reach_and_list, apply))
        return {"applied": apply()}
    finally:
        database.close()
