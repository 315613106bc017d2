"""The response bodies about usage, as pydantic models."""

from functions.registry.api.limit_shapes import AmountDocument
from functions.registry.api.shapes import Out


class QuotasOut(Out):
    """The quotas that apply to one owner and period at the moment. Null: there is no such limit."""

    calls: AmountDocument | None = None
    cpu_ms: AmountDocument | None = None
    egress_bytes: AmountDocument | None = None
    log_bytes: AmountDocument | None = None
    storage_bytes: AmountDocument | None = None


class OwnerUsageOut(Out):
    """What an install, or the tenant itself (``install_id`` is null), used in a UTC day or month.

    Calls are finished ones, failed calls those with another outcome than ``ok``, and ``memory_peak_bytes`` is the
    largest memory of a call. ``unknown_calls`` are those whose end was not reported; they are not among ``calls``.
    ``storage_bytes`` is stored at the moment; it and ``quotas`` are null in periods that are over.
    """

    period: str
    install_id: str | None
    calls: int
    failed_calls: int
    unknown_calls: int
    duration_ms: float
    cpu_ms: float
    memory_peak_bytes: int
    egress_bytes: int
    log_bytes: int
    storage_bytes: int | None
    quotas: QuotasOut | None


class EndpointUsageOut(Out):
    """What the calls of one endpoint of an install used in a UTC day or month.

    ``path_template`` is the declared path; null for calls of older gateways. ``unknown_calls`` are those whose end was
    not reported; they are not among ``calls``.
    """

    period: str
    install_id: str
    method: str
    path_template: str | None
    calls: int
    failed_calls: int
    unknown_calls: int
    duration_ms: float
    cpu_ms: float
    memory_peak_bytes: int
    egress_bytes: int
    log_bytes: int
