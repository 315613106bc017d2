"""Limits of tenants and of their installs: how often, and how much (pure; ADR 0037).

Three parties set limits, each with a document of the same form (``Limits``), in which every member may be absent:

1. the stage: the setting ``DEFAULT_LIMITS``, above the defaults of the product (``PRODUCT``);
2. the platform, for one tenant or one install: its value replaces the default, and may be higher or lower;
3. the tenant, for itself or for one of its installs: only lower than what the platform allows.

``effective`` combines them. docs/reference/limits.md describes the members.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec

from alga_ext import json_shape, strict_json
from alga_ext.errors import PlatformError
from alga_ext.json_shape import ShapeError

METRICS: Final = ("calls", "cpu_ms", "egress_bytes", "log_bytes")
"""What is counted for each period."""
PERIODS: Final = ("day", "month")
"""The periods that a quota counts, in UTC."""
STORAGE: Final = "storage_bytes"
"""What is not counted for a period, but stored at the moment."""
AMOUNT_LIMIT: Final = 2**53 - 1
"""The largest amount: every JSON parser reads an integer up to it exactly."""
USERS_LIMIT: Final = 50
INSTALL_STORAGE_LIMIT_BYTES: Final = 256 * 1024 * 1024
"""What an install may store at most, whatever the limits say. ``app.count_storage`` in the database enforces it."""

KEPT_LOG_LIMIT_BYTES: Final = 2**40
"""The largest ``kept_log_bytes``."""

_Burst = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
_PerSecond = Annotated[float, msgspec.Meta(ge=0.001, le=10_000)]
_Quantity = Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_LIMIT)]
_Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Rate(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How often: ``burst`` calls at once, and ``per_second`` calls a second in the long run."""

    burst: _Burst
    per_second: _PerSecond


class Amount(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much of one metric: from ``warning`` on an event is recorded, from ``hard`` on calls are refused.

    None means no such limit.
    """

    warning: _Quantity | None = None
    hard: _Quantity | None = None

    def __post_init__(self) -> None:
        """Refuse a warning that comes after the refusal."""
        if self.warning is not None and self.hard is not None and self.warning > self.hard:
            message = f"the warning ({self.warning}) must not be above hard ({self.hard})"
            raise ValueError(message)


class Amounts(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much in one period: number of calls, milliseconds of CPU, bytes to other hosts, bytes of log lines.

    None means that this document does not set the amount.
    """

    calls: Amount | None = None
    cpu_ms: Amount | None = None
    egress_bytes: Amount | None = None
    log_bytes: Amount | None = None


class Quota(NamedTuple):
    """One amount: its period (None for what is stored at the moment), its metric and its limits."""

    period: str | None
    metric: str
    amount: Amount


class Quotas(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much in a UTC day and in a UTC month, and how many bytes may be stored at the same time."""

    day: Amounts = Amounts()
    month: Amounts = Amounts()
    storage_bytes: Amount | None = None

    def each(self) -> Iterator[Quota]:
        """Yield the amounts that are set, the day's first."""
        for period, amounts in zip(PERIODS, (self.day, self.month), strict=True):
            for metric in METRICS:
                amount: Amount | None = getattr(amounts, metric)
                if amount is not None:
                    yield Quota(period, metric, amount)
        if self.storage_bytes is not None:
            yield Quota(None, STORAGE, self.storage_bytes)

    @classmethod
    def of(cls, quotas: Iterator[Quota]) -> "Quotas":
        """Return the document that contains these amounts; the last one of a metric wins."""
        periods: dict[str | None, dict[str, Amount]] = {"day": {}, "month": {}, None: {}}
        for quota in quotas:
            periods[quota.period][quota.metric] = quota.amount
        return cls(day=Amounts(**periods["day"]), month=Amounts(**periods["month"]), **periods[None])


class TenantLimits(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits of a tenant.

    Attributes:
        user: the rate of each user.
        users: rates of single users, such as service accounts, by the subject of their tokens. They replace ``user``.
        tenant: the rate of all calls of the tenant together.
        quotas: of all its installs together.
    """

    user: Rate | None = None
    users: Annotated[dict[_Subject, Rate], msgspec.Meta(max_length=USERS_LIMIT)] = {}
    tenant: Rate | None = None
    quotas: Quotas = Quotas()


class InstallLimits(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits of one install.

    Attributes:
        rate: of all calls to it.
        quotas: its quotas.
        kept_log_bytes: how much text of log lines is kept for a UTC day. Further calls of that day are recorded without
            lines; no call is refused.
    """

    rate: Rate | None = None
    quotas: Quotas = Quotas()
    kept_log_bytes: Annotated[int, msgspec.Meta(ge=0, le=KEPT_LOG_LIMIT_BYTES)] | None = None

    def __post_init__(self) -> None:
        """Refuse more storage than an install can have."""
        storage = self.quotas.storage_bytes
        if storage is not None and (storage.hard or 0) > INSTALL_STORAGE_LIMIT_BYTES:
            message = (
                f"quotas.storage_bytes.hard is {storage.hard}; an install has at most {INSTALL_STORAGE_LIMIT_BYTES}"
            )
            raise ValueError(message)


class Limits(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one party sets for a tenant and for one of its installs."""

    tenant: TenantLimits = TenantLimits()
    install: InstallLimits = InstallLimits()


class Rates(msgspec.Struct, kw_only=True, frozen=True):
    """The rates of the calls of one install: of each user, of single users, of the tenant and of the install."""

    user: Rate
    users: dict[str, Rate]
    tenant: Rate
    install: Rate

    def user_rate(self, subject: str) -> Rate:
        """Return the rate of one user."""
        return self.users.get(subject, self.user)


class EffectiveLimits(Rates, kw_only=True, frozen=True):
    """The limits that apply to the calls of one install: what remains of the three parties' documents.

    ``allowed`` are the rates that the platform allows, before the tenant lowers them.
    """

    allowed: Rates
    tenant_quotas: Quotas
    install_quotas: Quotas
    kept_log_bytes: int


PRODUCT: Final = Limits(
    tenant=TenantLimits(user=Rate(burst=60, per_second=1), tenant=Rate(burst=1_200, per_second=100)),
    install=InstallLimits(rate=Rate(burst=300, per_second=20), kept_log_bytes=10 * 1024 * 1024),
)
"""The defaults of the product. It has no quotas."""

TENANT_AS_INSTALL: Final = "00000000-0000-0000-0000-000000000000"
"""The install id under which the database keeps the limits and totals of a tenant itself."""

_NOTHING: Final = Limits()

Document = TypeVar("Document", TenantLimits, InstallLimits, Limits)


def convert(document: Any, kind: type[Document]) -> Document:
    """Return the struct that a parsed JSON document stands for.

    Raises:
        ShapeError: it does not fit; the error names the member and the limit.
    """
    return json_shape.convert(document, kind)


def parse_defaults(text: str) -> Limits:
    """Return a stage's defaults from the setting ``DEFAULT_LIMITS``, completed by the product's.

    Raises:
        ValueError: it is not valid JSON, a member is unknown, or a value is outside its range.
    """
    try:
        stage = convert(strict_json.parse(text.encode()), Limits)
    except ShapeError as error:
        message = f"it does not fit {error}"
        raise ValueError(message) from None
    if stage.tenant.users:
        message = "tenant.users names users, who belong to one tenant; a stage cannot set their rates"
        raise ValueError(message)
    for owner, quotas in (("tenant", stage.tenant.quotas), ("install", stage.install.quotas)):
        if quotas.storage_bytes is not None and quotas.storage_bytes.hard is not None:
            # The database refuses writes, and does not know a stage's defaults.
            message = f"{owner}.quotas.storage_bytes.hard can be set for single tenants and installs only"
            raise ValueError(message)
    return _above(PRODUCT, stage)


def stored_limits(of_tenant: Any, of_install: Any) -> tuple[Limits, Limits]:
    """Return what the platform set, and what the tenant set, from rows of the database.

    Args:
        of_tenant: the JSON array of the platform's and the tenant's document for the tenant itself, or None.
        of_install: the same for one of its installs.

    Raises:
        PlatformError: ``policy_unavailable`` when a document does not fit: a limit that cannot be read is not ignored.
    """
    tenants: Any = of_tenant or ({}, {})
    installs: Any = of_install or ({}, {})
    try:
        by_platform, by_tenant = (
            Limits(tenant=convert(tenant, TenantLimits), install=convert(install, InstallLimits))
            for tenant, install in zip(tenants, installs, strict=True)
        )
    except ShapeError as error:
        detail = "The limits of this extension cannot be read at the moment; try again later."
        raise PlatformError("policy_unavailable", detail, cause=error) from error
    return by_platform, by_tenant


def effective(defaults: Limits, by_platform: Limits = _NOTHING, by_tenant: Limits = _NOTHING) -> EffectiveLimits:
    """Return the limits that apply.

    A value of the platform replaces the default. The tenant's value lowers what results from that. A rate is lowered
    in both of its members, an amount in its warning and in its hard limit.

    Args:
        defaults: of the stage, completed (``parse_defaults``, ``PRODUCT``).
        by_platform: what the platform set for this tenant and this install.
        by_tenant: what the tenant set for itself and for this install.
    """
    allowed = _allowed(defaults, by_platform)
    rates = Rates(
        user=_rate(allowed.tenant.user),
        users=allowed.tenant.users,
        tenant=_rate(allowed.tenant.tenant),
        install=_rate(allowed.install.rate),
    )
    users = {
        subject: _lower_rate(rates.user_rate(subject), by_tenant.tenant.users.get(subject))
        for subject in rates.users | by_tenant.tenant.users
    }
    return EffectiveLimits(
        user=_lower_rate(rates.user, by_tenant.tenant.user),
        users=users,
        tenant=_lower_rate(rates.tenant, by_tenant.tenant.tenant),
        install=_lower_rate(rates.install, by_tenant.install.rate),
        allowed=rates,
        tenant_quotas=_lower_quotas(allowed.tenant.quotas, by_tenant.tenant.quotas),
        install_quotas=_lower_quotas(allowed.install.quotas, by_tenant.install.quotas),
        kept_log_bytes=_least(allowed.install.kept_log_bytes, by_tenant.install.kept_log_bytes) or 0,
    )


def raised(defaults: Limits, by_platform: Limits, by_tenant: Limits) -> list[str]:
    """Say which of a tenant's values are above what the platform allows, each with both values. Empty: none is."""
    allowed = _allowed(defaults, by_platform)
    user = _rate(allowed.tenant.user)
    rates = [
        ("tenant.user", user, by_tenant.tenant.user),
        *(
            (f"tenant.users.{subject}", allowed.tenant.users.get(subject, user), rate)
            for subject, rate in by_tenant.tenant.users.items()
        ),
        ("tenant.tenant", _rate(allowed.tenant.tenant), by_tenant.tenant.tenant),
        ("install.rate", _rate(allowed.install.rate), by_tenant.install.rate),
    ]
    found = [
        f"{where}.{member} is {getattr(wanted, member):g}, the platform allows {getattr(limit, member):g}"
        for where, limit, wanted in rates
        if wanted is not None
        for member in ("burst", "per_second")
        if getattr(wanted, member) > getattr(limit, member)
    ]
    for owner, quotas, wanted_quotas in (
        ("tenant", allowed.tenant.quotas, by_tenant.tenant.quotas),
        ("install", allowed.install.quotas, by_tenant.install.quotas),
    ):
        limits = {(quota.period, quota.metric): quota.amount for quota in quotas.each()}
        for quota in wanted_quotas.each():
            limit = limits.get((quota.period, quota.metric), Amount())
            where = ".".join(part for part in (owner, "quotas", quota.period, quota.metric) if part)
            for member, most in (("warning", _least(limit.warning, limit.hard)), ("hard", limit.hard)):
                value = getattr(quota.amount, member)
                if value is not None and most is not None and value > most:
                    found.append(f"{where}.{member} is {value}, the platform allows {most}")
    kept, most_kept = by_tenant.install.kept_log_bytes, allowed.install.kept_log_bytes
    if kept is not None and most_kept is not None and kept > most_kept:
        found.append(f"install.kept_log_bytes is {kept}, the platform allows {most_kept}")
    return found


def _allowed(defaults: Limits, by_platform: Limits) -> Limits:
    """Return what a tenant may use at most."""
    allowed = _above(defaults, by_platform)
    most = Quotas(storage_bytes=Amount(hard=INSTALL_STORAGE_LIMIT_BYTES))
    install = msgspec.structs.replace(allowed.install, quotas=_lower_quotas(allowed.install.quotas, most))
    return Limits(tenant=allowed.tenant, install=install)


def _above(lower: Limits, upper: Limits) -> Limits:
    """Return ``lower`` with the values that ``upper`` sets."""
    return Limits(
        tenant=TenantLimits(
            user=upper.tenant.user or lower.tenant.user,
            users=lower.tenant.users | upper.tenant.users,
            tenant=upper.tenant.tenant or lower.tenant.tenant,
            quotas=_quotas_above(lower.tenant.quotas, upper.tenant.quotas),
        ),
        install=InstallLimits(
            rate=upper.install.rate or lower.install.rate,
            quotas=_quotas_above(lower.install.quotas, upper.install.quotas),
            kept_log_bytes=lower.install.kept_log_bytes
            if upper.install.kept_log_bytes is None
            else upper.install.kept_log_bytes,
        ),
    )


def _quotas_above(lower: Quotas, upper: Quotas) -> Quotas:
    return Quotas.of(quota for quotas in (lower, upper) for quota in quotas.each())


def _lower_quotas(allowed: Quotas, own: Quotas) -> Quotas:
    limits = {(quota.period, quota.metric): quota.amount for quota in allowed.each()}
    lowered = (
        quota._replace(amount=_lower_amount(limits.get((quota.period, quota.metric), Amount()), quota.amount))
        for quota in own.each()
    )
    return Quotas.of(quota for quotas in (allowed.each(), lowered) for quota in quotas)


def _lower_amount(allowed: Amount, own: Amount) -> Amount:
    hard = _least(allowed.hard, own.hard)
    warning = _least(allowed.warning, own.warning)
    # A hard limit may be below the other party's warning. The warning then comes with the hard limit.
    return Amount(warning=None if warning is None else _least(warning, hard), hard=hard)


def _lower_rate(allowed: Rate, own: Rate | None) -> Rate:
    if own is None:
        return allowed
    return Rate(burst=min(allowed.burst, own.burst), per_second=min(allowed.per_second, own.per_second))


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _rate(rate: Rate | None) -> Rate:
    """Return a rate of completed defaults, which have every rate."""
    if rate is None:
        message = "the defaults lack a rate; complete them with those of the product"
        raise ValueError(message)
    return rate
