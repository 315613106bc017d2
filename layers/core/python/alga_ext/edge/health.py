"""``GET /healthz``: report whether a function can serve requests. Only the platform role sees which part fails."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from alga_ext.edge.http import json_response
from alga_ext.errors import PlatformError

RESULT_LIFETIME_S: Final = 10.0
"""How long a result is kept, so that callers without a token cannot make the checks run on every request."""

Check = Callable[[], Mapping[str, Any]]
"""Returns what the platform role may read about one part, or raises ``PlatformError`` when the part does not work."""


class Health:
    """Runs a function's checks at most once in ``RESULT_LIFETIME_S`` seconds, however many callers ask.

    Args:
        checks: the checks, each under the name of the part that it checks.
        monotonic_s: a clock that only goes forward.
    """

    def __init__(self, checks: Mapping[str, Check], monotonic_s: Callable[[], float]) -> None:
        self._checks = checks
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._until_s = float("-inf")
        self._results: dict[str, dict[str, Any]] = {}

    def answer(self, *, detailed: bool) -> dict[str, Any]:
        """Return 200 when every check passes, and 503 otherwise; add the result of each check when ``detailed``."""
        with self._lock:
            now_s = self._monotonic_s()
            if now_s >= self._until_s:
                self._results = {name: _result(check) for name, check in self._checks.items()}
                self._until_s = now_s + RESULT_LIFETIME_S
            results = self._results
        healthy = all(result["ok"] for result in results.values())
        document: dict[str, Any] = {"status": "ok" if healthy else "unavailable"}
        if detailed:
            document["checks"] = results
        return json_response(200 if healthy else 503, document)


def _result(check: Check) -> dict[str, Any]:
    try:
        return {"ok": True, **check()}
    except PlatformError as error:
        return {"ok": False, "code": error.code, "detail": error.detail}
