"""The migrate function's Lambda entry point. Trigger: invoked once after each deployment."""

from pathlib import Path
from typing import Any, Final

from alga_ext.settings import environment
from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import ROLES, migrate
from functions.registry.settings import MigrateSettings

_STATEMENT_TIMEOUT_MS: Final = 60_000
_SETTINGS = MigrateSettings.read(environment())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Migrate the database to the newest schema and return ``{"applied": [names]}``."""
    passwords = {
        role: secret.get_secret_value() for role in ROLES if (secret := getattr(_SETTINGS, f"{role}_password"))
    }
    database = Database(_SETTINGS.database_url.get_secret_value(), statement_timeout_ms=_STATEMENT_TIMEOUT_MS)
    try:
        return {"applied": migrate(database, Path(_SETTINGS.migrations_dir), passwords)}
    finally:
        database.close()
