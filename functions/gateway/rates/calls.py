"""Count calls, and refusals that cost as much as calls, toward the rates of their user, install and tenant."""

import math
from typing import Final

from alga_ext.calls.limits import EffectiveLimits, Limits, Rate, effective
from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
from functions.gateway.install import Install
from functions.gateway.rates.fields import rate_fields
from functions.gateway.rates.limiter import Clocks, RateKey, RateLimiter, Verdict

_COUNTED_STATUSES: Final = frozenset({403, 404, 409})
"""Refusals of valid tokens that count. Looking for what may be called must not be free."""
_TENANTS: Final = 500
_NOTED_FOR_S: Final = 60
"""How long the limits of a tenant are used for refusals. They may change, and are read with an install only."""
_LOWERED: Final = "-lowered"
_WHO: Final = {
    "user": "You have made too many calls",
    "install": "This extension has too many calls from your organisation",
    "tenant": "Your organisation has made too many calls",
}


class CallRates:
    """The rates of calls.

    A rate that the tenant has lowered is counted in a bucket of its own, besides the one that the platform allows.
    With one bucket for both, a tenant that lowers its rate and raises it again would get a full bucket each time.

    Args:
        limiter: counts them.
        defaults: the limits of a tenant of which no install was resolved lately.
    """

    def __init__(self, limiter: RateLimiter, defaults: Limits) -> None:
        self._limiter = limiter
        self._defaults = effective(defaults)
        self._limits: dict[str, tuple[float, EffectiveLimits]] = {}

    def note(self, tenant_id: str, limits: EffectiveLimits, clocks: Clocks) -> None:
        """Note the limits of a tenant, which were read with one of its installs."""
        self._limits.pop(tenant_id, None)
        self._limits[tenant_id] = (clocks.monotonic_s, limits)
        while len(self._limits) > _TENANTS:
            del self._limits[next(iter(self._limits))]

    def check_known(self, principal: Principal, tenant_id: str, clocks: Clocks) -> None:
        """Refuse a call if this process knows that its user or its tenant has none left. It asks no database.

        Raises:
            PlatformError: ``rate_limited``.
        """
        for key in self._keys_of_refusals(principal, tenant_id, clocks):
            verdict = self._limiter.known_refusal(key, clocks)
            if verdict is not None:
                raise _refusal(verdict, key.rate)

    def take(self, install: Install, principal: Principal, tenant_id: str, clocks: Clocks) -> Verdict:
        """Count one call, and return what is left.

        Raises:
            PlatformError: ``rate_limited``, when nothing was counted; ``database_unavailable``.
        """
        rates, allowed = install.limits, install.limits.allowed
        of_install = _keys("install", tenant_id, f"install:{install.install_id}", rates.install, allowed.install)
        return self._taken([*_user(rates, principal, tenant_id), *of_install, *_tenant(rates, tenant_id)], clocks)

    def count_refusal(self, principal: Principal, error: PlatformError, clocks: Clocks) -> None:
        """Count a refusal toward the rates of the user and the tenant, if it is of those that count.

        Raises:
            PlatformError: ``rate_limited`` in place of the refusal; ``database_unavailable``.
        """
        if principal.tenant_id is None or error.status not in _COUNTED_STATUSES:
            return
        self._taken(self._keys_of_refusals(principal, principal.tenant_id, clocks), clocks)

    def _taken(self, keys: list[RateKey], clocks: Clocks) -> Verdict:
        verdict = self._limiter.take(keys, clocks)
        if verdict.violated:
            raise _refusal(verdict, next(key.rate for key in keys if key.name == verdict.violated[0]))
        return verdict

    def _keys_of_refusals(self, principal: Principal, tenant_id: str, clocks: Clocks) -> list[RateKey]:
        """Return the keys of a call whose install is not known.

        As long as the tenant's limits are not known, its refusals have buckets of their own. A bucket that is counted
        at another rate than its own would fill up too early.
        """
        noted_s, limits = self._limits.get(tenant_id, (-math.inf, self._defaults))
        if 0 <= clocks.monotonic_s - noted_s <= _NOTED_FOR_S:
            return [*_user(limits, principal, tenant_id), *_tenant(limits, tenant_id)]
        known = [*_user(self._defaults, principal, tenant_id), *_tenant(self._defaults, tenant_id)]
        return [key._replace(key=f"unresolved:{key.key}") for key in known]


def _refusal(verdict: Verdict, rate: Rate) -> PlatformError:
    owner = verdict.violated[0].removesuffix(_LOWERED)
    error = PlatformError(
        "rate_limited",
        f"{_WHO[owner]}: {rate.burst} at once and {rate.per_second:g} a second are allowed. "
        f"Try again in {verdict.retry_after_s} s.",
        retry_after_s=verdict.retry_after_s,
    )
    error.members = {"violated-policies": list(verdict.violated)}
    # Only those that were hit: Retry-After must not be earlier than the t of any policy in the field.
    error.headers = rate_fields(level for level in verdict.levels if level.name in verdict.violated)
    return error


def _user(limits: EffectiveLimits, principal: Principal, tenant_id: str) -> list[RateKey]:
    subject = principal.subject
    return _keys("user", tenant_id, f"user:{subject}", limits.user_rate(subject), limits.allowed.user_rate(subject))


def _tenant(limits: EffectiveLimits, tenant_id: str) -> list[RateKey]:
    return _keys("tenant", tenant_id, "tenant", limits.tenant, limits.allowed.tenant)


def _keys(name: str, tenant_id: str, key: str, rate: Rate, allowed: Rate) -> list[RateKey]:
    found = [RateKey(name, tenant_id, key, allowed)]
    if rate != allowed:
        found.append(RateKey(name + _LOWERED, tenant_id, f"lowered:{key}", rate))
    return found
