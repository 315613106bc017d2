"""The request and response bodies about limits, usage and quota events, as pydantic models.

A document of limits has the same form in requests and in answers. ``alga_ext.calls.limits`` has its rules, and a test
compares the ranges.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from alga_ext.calls.limits import AMOUNT_LIMIT, KEPT_LOG_LIMIT_BYTES, METRICS, USERS_LIMIT
from alga_ext.stores.database import Row
from functions.registry.api.shapes import In, Out

_Quantity = Annotated[int, Field(ge=0, le=AMOUNT_LIMIT, strict=True)]
_Subject = Annotated[str, Field(min_length=1, max_length=255)]


class RateDocument(In):
    """How often: ``burst`` calls at once, and ``per_second`` calls a second in the long run."""

    burst: Annotated[int, Field(ge=1, le=100_000, strict=True)]
    per_second: Annotated[float, Field(ge=0.001, le=10_000, strict=True)]


class AmountDocument(In):
    """How much: from ``warning`` on an event is recorded, from ``hard`` on calls are refused. Null: no such limit."""

    warning: _Quantity | None = None
    hard: _Quantity | None = None


class AmountsDocument(In):
    """How much in one period. Null: this document does not set it."""

    calls: AmountDocument | None = None
    cpu_ms: AmountDocument | None = None
    egress_bytes: AmountDocument | None = None
    log_bytes: AmountDocument | None = None


class QuotasDocument(In):
    """How much in a UTC day, in a UTC month, and how many bytes may be stored."""

    day: AmountsDocument = AmountsDocument()
    month: AmountsDocument = AmountsDocument()
    storage_bytes: AmountDocument | None = None


class TenantLimitsDocument(In):
    """Limits of a tenant: each user's rate, those of single users by subject, the tenant's, and its quotas."""

    user: RateDocument | None = None
    users: Annotated[dict[_Subject, RateDocument], Field(max_length=USERS_LIMIT)] = Field(default={})
    tenant: RateDocument | None = None
    quotas: QuotasDocument = QuotasDocument()


class InstallLimitsDocument(In):
    """Limits of an install: the rate of all calls to it, its quotas, and how much text of logs is kept a day."""

    rate: RateDocument | None = None
    quotas: QuotasDocument = QuotasDocument()
    kept_log_bytes: Annotated[int, Field(ge=0, le=KEPT_LOG_LIMIT_BYTES, strict=True)] | None = None


class TotalsOut(Out):
    """What was used in one period: a UTC day (``2026-03-01``) or month (``2026-03``)."""

    period: str
    calls: int
    cpu_ms: float
    egress_bytes: int
    log_bytes: int


class UsageOut(Out):
    """What was used in the present day and month, and the bytes stored at the moment."""

    day: TotalsOut
    month: TotalsOut
    storage_bytes: int


class _LimitsOut(Out):
    usage: UsageOut
    revision: int
    changed_at: datetime | None
    changed_by: str | None


class TenantLimitsOut(_LimitsOut):
    """The limits of a tenant: what the platform set, what the tenant set, and what results from both."""

    tenant_id: str
    set_by_platform: TenantLimitsDocument
    set_by_tenant: TenantLimitsDocument
    effective: TenantLimitsDocument


class InstallLimitsOut(_LimitsOut):
    """The limits of an install: what the platform set, what its tenant set, and what results from both."""

    tenant_id: str
    install_id: str
    set_by_platform: InstallLimitsDocument
    set_by_tenant: InstallLimitsDocument
    effective: InstallLimitsDocument


class QuotaEventOut(Out):
    """A tenant, or the install that is named, has used ``used`` of ``limited_to`` in a period.

    ``threshold`` is ``50``, ``75``, ``90`` or ``100``, in per cent of the hard limit, or ``warning``.
    """

    event_id: int
    install_id: str | None
    period: str
    metric: str
    threshold: str
    used: int
    limited_to: int
    at: datetime


def usage_out(totals: dict[str, Row], day: str, month: str, storage_bytes: int) -> UsageOut:
    """Build the usage from the totals' rows, by period. A period without a row has none."""
    nothing: dict[str, Any] = dict.fromkeys(METRICS, 0)
    day_out, month_out = (
        TotalsOut.model_validate({"period": period, **totals.get(period, nothing)}) for period in (day, month)
    )
    return UsageOut(day=day_out, month=month_out, storage_bytes=storage_bytes)
