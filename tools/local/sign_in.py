"""Sign-in codes of the host page: each is exchanged once for a token, so that no token stands in a URL."""

import secrets
import time
from collections.abc import Callable

CODE_LIFETIME_S = 600
PATH = "/sign-in"


class SignInCodes:
    """The codes that are not used yet, in memory.

    Args:
        monotonic_s: the time in seconds; for tests.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._tokens: dict[str, tuple[str, float]] = {}

    def issue(self, token: str) -> str:
        """Return a code that gives `token` once within `CODE_LIFETIME_S`."""
        code = secrets.token_urlsafe(24)
        self._tokens[code] = (token, self._monotonic_s() + CODE_LIFETIME_S)
        return code

    def redeem(self, code: str) -> str | None:
        """Return the token of a code and forget the code; None when it is unknown, used or expired."""
        token, ends_at = self._tokens.pop(code, (None, 0.0))
        return token if self._monotonic_s() < ends_at else None
