"""CloudWatch's retention classes."""

from aws_cdk import aws_logs as logs

from infra.stages import StageSettingsError

_DAYS = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def retention_days(days: int) -> logs.RetentionDays:
    """Return CloudWatch's class for a number of days.

    Raises:
        StageSettingsError: CloudWatch has no such class.
    """
    if days not in _DAYS:
        message = f"log_retention_days: {days} is not a period that CloudWatch offers; give one of {list(_DAYS)}"
        raise StageSettingsError(message)
    return _DAYS[days]
