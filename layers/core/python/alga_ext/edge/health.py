"""``GET /healthz``: report whether a function can serve requests. Only the platform role sees which part fails."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from alga_ext.edge.http import Request, json_response
from alga_ext.edge.principal import Principal
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
        warnings: returns what needs attention although requests can be served.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        monotonic_s: Callable[[], float],
        warnings: Callable[[], list[str]] = list,
    ) -> None:
        self._checks = checks
        self._warnings = warnings
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._until_s = float("-inf")
        self._results: dict[str, dict[str, Any]] = {}

    def answer_request(self, request: Request, verify: Callable[[str], Principal]) -> dict[str, Any]:
        """Answer ``GET`` and ``HEAD``; a platform admin also gets the result of each check.

        Args:
            request: of anyone; a token is optional.
            verify: returns whom an ``authorization`` header identifies, or raises ``PlatformError``.

        Raises:
            PlatformError: ``method_not_allowed``; what ``verify`` raises for a token that is not valid.
        """
        if request.method not in ("GET", "HEAD"):
            raise PlatformError("method_not_allowed", "The health check answers GET and HEAD.", allow=["GET", "HEAD"])
        authorization = request.headers.get("authorization")
        return self.answer(detailed=authorization is not None and verify(authorization).is_platform_admin)

    def answer(self, *, detailed: bool) -> dict[str, Any]:
        """Return 200 when every check passes, and 503 otherwise.

        With ``detailed``, the answer also has the result of each check, and warnings if there are any.
        """
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
            if warnings := self._warnings():
                document["warnings"] = warnings
        return json_response(200 if healthy else 503, document)


def _result(check: Check) -> dict[str, Any]:
    try:
        return {"ok": True, **check()}
    except PlatformError as error:
        return {"ok": False, "code": error.code, "detail": error.detail}
