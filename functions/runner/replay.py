"""Remember used execution tokens: each is valid for one call in one execution environment."""

from collections import OrderedDict
from typing import Final

from alga_ext.calls.execution_token import LIFETIME_S
from alga_ext.errors import PlatformError

_KEPT_FOR_S: Final = LIFETIME_S + 10
"""A token is valid for 60 seconds, and the clocks may differ by 5 seconds in either direction. After this time a token
is refused because it has expired, so its id need not be remembered."""


class UsedTokens:
    """The ids of the tokens that were used recently."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def use(self, token_id: str, now_s: int) -> None:
        """Record a token's use.

        Raises:
            PlatformError: ``unauthorized`` when it was used before.
        """
        while self._seen:
            oldest, at_s = next(iter(self._seen.items()))
            if now_s - at_s <= _KEPT_FOR_S:
                break
            del self._seen[oldest]
        if token_id in self._seen:
            raise PlatformError("unauthorized", "The execution token was used already; each is valid for one call.")
        self._seen[token_id] = now_s
