"""The migrations that a deployment asks for, by the names in its template."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from alga_ext.telemetry import logger

Migrate = Callable[[], list[str]]
"""Applies the migrations and returns the names of those that it applied."""


def migrate_as_requested(
    event: Mapping[str, Any], applied: Callable[[], Collection[str]], migrate: Migrate
) -> dict[str, Any]:
    """Apply the migrations, unless the database has more of them than the template.

    A stack that is rolled back repeats the request of the older template, with fewer migrations than the database has.
    That request succeeds and changes nothing.

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
    return {"applied": migrate()}
