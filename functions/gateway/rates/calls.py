"""Count calls, and refusals that cost as much as calls, toward the rates of their user, install and tenant."""

from typing import Final

from alga_ext.calls.limits import EffectiveLimits, Limits, Rate, effective
from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
from functions.gateway.install import Install
from functions.gateway.rates.fields import fields
from functions.gateway.rates.limiter import Clocks, RateKey, RateLimiter, Verdict

_COUNTED_STATUSES: Final = frozenset({403, 404, 409})
"""Refusals of valid tokens that count. Looking for what may be called must not be free."""
_TENANTS: Final = 500
_WHO: Final = {
    "user": "You have made too many calls",
    "install": "This extension has too many calls from your organisation",
    "tenant": "Your organisation has made too many calls",
}


class CallRates:
    """The rates of calls.

    Args:
        limiter: counts them.
        defaults: the limits of a tenant of which no install was resolved yet.
    """

    def __init__(self, limiter: RateLimiter, defaults: Limits) -> None:
        self._limiter = limiter
        self._defaults = effective(defaults)
        self._limits: dict[str, EffectiveLimits] = {}

    def check_user(self, principal: Principal, tenant_id: str, clocks: Clocks) -> None:
        """Refuse a user of whom this process knows that no call is left. It asks no database.

        Raises:
            PlatformError: ``rate_limited``.
        """
        key = self._user_key(principal, tenant_id)
        verdict = self._limiter.known_refusal(key, clocks)
        if verdict is not None:
            raise _refusal(verdict, key.rate)

    def take(self, install: Install, principal: Principal, tenant_id: str, clocks: Clocks) -> Verdict:
        """Count one call, and return what is left.

        Raises:
            PlatformError: ``rate_limited``, when nothing was counted; ``database_unavailable``.
        """
        self._limits.pop(tenant_id, None)
        self._limits[tenant_id] = install.limits
        while len(self._limits) > _TENANTS:
            del self._limits[next(iter(self._limits))]
        keys = [
            self._user_key(principal, tenant_id),
            RateKey("install", tenant_id, f"install:{install.install_id}", install.limits.install),
            RateKey("tenant", tenant_id, "tenant", install.limits.tenant),
        ]
        verdict = self._limiter.take(keys, clocks)
        if verdict.violated:
            raise _refusal(verdict, next(key.rate for key in keys if key.name == verdict.violated[0]))
        return verdict

    def count_refusal(self, principal: Principal, error: PlatformError, clocks: Clocks) -> None:
        """Count a refusal toward the user's rate, if it is of those that count.

        Raises:
            PlatformError: ``rate_limited`` in place of the refusal; ``database_unavailable``.
        """
        if principal.tenant_id is None or error.status not in _COUNTED_STATUSES:
            return
        key = self._user_key(principal, principal.tenant_id)
        verdict = self._limiter.take([key], clocks)
        if verdict.violated:
            raise _refusal(verdict, key.rate)

    def _user_key(self, principal: Principal, tenant_id: str) -> RateKey:
        limits = self._limits.get(tenant_id, self._defaults)
        return RateKey("user", tenant_id, f"user:{principal.subject}", limits.user_rate(principal.subject))


def _refusal(verdict: Verdict, rate: Rate) -> PlatformError:
    error = PlatformError(
        "rate_limited",
        f"{_WHO[verdict.violated[0]]}: {rate.burst} at once and {rate.per_second:g} a second are allowed. "
        f"Try again in {verdict.retry_after_s} seconds.",
        retry_after_s=verdict.retry_after_s,
    )
    error.members = {"violated-policies": list(verdict.violated)}
    error.headers = fields(verdict.levels)
    return error
