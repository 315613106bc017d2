"""Limit the failing requests of one address or one token: pure decisions, with the time as an argument.

Authentication and refusals cost processor time, so a caller that only fails must not be able to repeat it without end.
Each address and each token has a budget of failures that refills with time (GCRA). The budgets are in the memory of one
process. So the limit holds for each process of the function, and costs no trip to the database.
"""

import hashlib
import ipaddress
import math
from collections import OrderedDict
from typing import Final

from alga_ext.errors import Kind, PlatformError

BURST: Final = 100
REFILL_PER_S: Final = 1.0
_CAPACITY: Final = 4_096
_FAILURES: Final = frozenset({Kind.INVALID, Kind.UNAUTHENTICATED, Kind.DENIED, Kind.TOO_LARGE})
"""Refusals that a correct caller does not repeat. Conflicts and missing resources are part of normal use."""


class FailureBudget:
    """The failures of recent callers. Not for several threads at once.

    An address shares its budget among everyone behind it. So a token that was verified in this process is not refused
    because of its address, only because of its own failures.

    Tokens are given as ``bearer_token`` returns them, so that a token has one budget however its header is written. A
    request without a token has an empty one.
    """

    def __init__(self) -> None:
        self._full_at_s: OrderedDict[str, float] = OrderedDict()
        """When each budget will be full again, in seconds of the caller's clock."""
        self._verified: OrderedDict[str, float] = OrderedDict()

    def check(self, address: str, token: str, now_s: float) -> None:
        """Check that neither the token nor the address has used its budget.

        Raises:
            PlatformError: ``rate_limited``, with the seconds to wait as ``retry_after_s``.
        """
        full_at_s = max(self._full_at_s.get(key, now_s) for key in self._keys(address, token))
        wait_s = full_at_s - now_s - (BURST - 1) / REFILL_PER_S
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise PlatformError(
                "rate_limited",
                f"This caller has sent more than {BURST} failing requests; try again in {seconds} s.",
                retry_after_s=seconds,
            )

    def verified(self, token: str, now_s: float) -> None:
        """Note that a token is valid."""
        _put(self._verified, _token_key(token), now_s)

    def failed(self, address: str, token: str, now_s: float, error: PlatformError) -> None:
        """Charge a failed request: to its token, and to its address unless its token was verified."""
        if error.kind not in _FAILURES:
            return
        for key in self._keys(address, token):
            _put(self._full_at_s, key, max(self._full_at_s.get(key, now_s), now_s) + 1 / REFILL_PER_S)

    def _keys(self, address: str, token: str) -> list[str]:
        """Return the keys of the budgets that a request uses."""
        if not token:
            return [_address_key(address)]
        key = _token_key(token)
        return [key] if key in self._verified else [key, _address_key(address)]


def _put(entries: OrderedDict[str, float], key: str, value: float) -> None:
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > _CAPACITY:
        entries.popitem(last=False)


def _token_key(token: str) -> str:
    """Return a key for a token that does not contain it."""
    return "token " + hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _address_key(address: str) -> str:
    """Return the budget that an address belongs to: an IPv6 subscriber usually has a /64 network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address unknown"
    return f"address {ipaddress.ip_network((parsed, 64 if parsed.version == 6 else 32), strict=False)}"
