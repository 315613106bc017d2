"""The migrations that a deployment asks for, by the names in its template."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from alga_ext.telemetry import logger

Migrate = Callable[[Collection[str]], list[str]]
"""Applies those migrations of the given names that the database does not have, and returns the names of these."""


def migrate_as_requested(
    event: Mapping[str, Any], applied: Callable[[], Collection[str]], migrate: Migrate
) -> dict[str, Any]:
    """Apply the migrations, unless the database has more of them than the template.

    A stack that is rolled back repeats the request of the older template, with fewer migrations than the database has.
    That request succeeds and changes nothing. When the first new migration failed, the database has exactly the
    migrations of the older template. The newer code may still be there and must not try its own again, so only what the
    request names is applied.

    Args:
        event: CloudFormation's request. ``ResourceProperties.Migrations`` has the names of the template's migrations.
        applied: returns the names of the migrations that the database has.
        migrate: see ``Migrate``.

    Returns:
        ``{"applied": [names]}``.
    """
    asked = event["ResourceProperties"]["Migrations"]
    if set(asked) < set(applied()):
        logger("migrate").info("the database has more migrations than this template, so nothing is changed")
        return {"applied": []}
    return {"applied": migrate(asked)}
