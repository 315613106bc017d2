"""``GET /healthz``: whether a function can serve. The names of what is missing are shown to the platform role only."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from alga_ext.edge.http import json_response
from alga_ext.errors import PlatformError

KEPT_FOR_S: Final = 10.0
"""How long a result is used: callers without a token must not be able to make the checks run again and again."""

Check = Callable[[], Mapping[str, Any]]
"""Returns what the platform role may read about one part, or raises ``PlatformError`` when the part is missing."""


class Health:
    """Runs a function's checks, at most once in ``KEPT_FOR_S`` seconds whoever asks.

    Args:
        checks: by the name of what they check.
        monotonic_s: a clock that only goes forward.
    """

    def __init__(self, checks: Mapping[str, Check], monotonic_s: Callable[[], float]) -> None:
        self._checks = checks
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._until_s = float("-inf")
        self._results: dict[str, dict[str, Any]] = {}

    def answer(self, *, detailed: bool) -> dict[str, Any]:
        """Return 200 when all is there and 503 otherwise; the parts only if ``detailed``."""
        with self._lock:
            now_s = self._monotonic_s()
            if now_s >= self._until_s:
                self._results = {name: _result(check) for name, check in self._checks.items()}
                self._until_s = now_s + KEPT_FOR_S
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
