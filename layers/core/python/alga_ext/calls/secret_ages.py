"""When a tenant's secret expires (pure): at the tenant's own instant, or when it is older than the extension allows."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any


def expires_at(created_at: datetime, own: datetime | None, max_age_days: int | None) -> datetime | None:
    """Return the instant from which a secret is not used, or None when it does not expire.

    Args:
        created_at: when the value was set.
        own: the instant that the tenant chose for the value.
        max_age_days: what the manifest of the installed version says now, for every value of this secret.
    """
    by_age = None if max_age_days is None else created_at + timedelta(days=max_age_days)
    return min((instant for instant in (own, by_age) if instant is not None), default=None)


def max_ages(declared: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the maximum ages in days of a manifest's ``secrets``, by name, for those that have one."""
    return {secret["name"]: secret["max_age_days"] for secret in declared if secret.get("max_age_days") is not None}
