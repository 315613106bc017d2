"""The migrate function's Lambda entry point. Trigger: a custom resource of each deployment, or Invoke by hand."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from alga_ext.settings import environment
from alga_ext.stores.database import Database
from alga_ext.stores.refreshed import Refreshed
from functions.registry import stack_resource
from functions.registry.migrations.migrate import ROLES, applied, migrate
from functions.registry.migrations.requested import migrate_as_requested
from functions.registry.settings import MigrateSettings
from functions.registry.waking import wait_until_reachable

_ATTEMPTS: Final = 10
"""To reach a paused database."""
_STATEMENT_TIMEOUT_MS: Final = 60_000


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Migrate the database to the newest schema and return ``{"applied": [names]}``.

    A request of CloudFormation is answered whatever happens, also when the settings cannot be read.
    """
    if stack_resource.is_request(event):
        return stack_resource.serve(event, "schema", lambda: migrate_as_requested(event, _reach_and_list, _apply))
    return {"applied": _apply(None)}


@cache
def _settings() -> Refreshed[MigrateSettings]:
    """Read at the first use: a failure while the module is loaded could not be told to CloudFormation."""
    return Refreshed("registry-migrate", environment(), lambda environ, _: MigrateSettings.read(environ))


@contextmanager
def _database() -> Iterator[Database]:
    settings = _settings().current()
    database = Database(
        settings.database_url.get_secret_value(),
        statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
        password=settings.database_password.get_secret_value(),
    )
    try:
        yield database
    finally:
        database.close()


def _apply(names: Collection[str] | None) -> list[str]:
    settings = _settings().current()
    passwords = {role: secret.get_secret_value() for role in ROLES if (secret := getattr(settings, f"{role}_password"))}
    with _database() as database:
        return migrate(database, Path(settings.migrations_dir), passwords, names)


def _reach_and_list() -> list[str]:
    with _database() as database:
        wait_until_reachable(database, time.sleep, _ATTEMPTS)
        return applied(database)
