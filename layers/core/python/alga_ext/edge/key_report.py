"""Report overdue keys of the platform as a metric, see ``alga_ext.trust.key_ages``."""

from collections.abc import Iterable
from datetime import datetime

from alga_ext.platform_metrics import KEY_OVERDUE
from alga_ext.telemetry import alarm
from alga_ext.trust.key_ages import PlatformKey


def report_overdue(service: str, keys: Iterable[PlatformKey], now: datetime) -> int:
    """Log one error line, which is also the metric ``KeyOverdue``, for each overdue key; return how many there are."""
    overdue = [key for key in keys if key.is_overdue(now)]
    for key in overdue:
        alarm(
            service,
            KEY_OVERDUE,
            "a key of the platform is older than it should be",
            now,
            use=key.use,
            key_id=key.key_id,
            age_days=key.age_days(now) or 0,
            max_age_days=key.max_age_days,
        )
    return len(overdue)
