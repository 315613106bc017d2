"""Interface ``ui-proxy``: routes of the host application. Capability cap:ui.proxy.

The target is the base URL that the operator configured; the guest chooses only the path and query below it. A route
under ``/api/`` is sent as it is. Any other route is sent below the extension's id. Headers name the tenant, extension,
install, version and user; they have the names that the application already reads.
"""

import re
from typing import Any, Final
from urllib.parse import quote

from functions.runner.imports.application.api_key import API_KEY_HEADER, is_plain
from functions.runner.imports.application.client import Application, ApplicationClient, NoAnswer
from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext

BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024
_ROUTE_CHARACTERS: Final = 2_048
_SEGMENT_SAFE: Final = "%:@!$&'()*+,;=~-._"
_QUERY_SAFE: Final = "%:@!$&'()*+,;=~-._/?"
_PERCENT: Final = re.compile("%([0-9A-Fa-f]{2})?")

Outcome = tuple[bool, Any]

_NO_ROUTE: Final[Outcome] = (False, "route-not-found")
_BAD_REQUEST: Final[Outcome] = (False, "bad-request")
_INTERNAL: Final[Outcome] = (False, "internal")


class UiProxy:
    """The import of one call."""

    def __init__(self, call: CallContext, application: Application) -> None:
        self._call = call
        self._application = application
        self._client = ApplicationClient(call, application)

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        return {"ui-proxy.call-route": Handler(tuple[str, bytes | None], self.call_route, _INTERNAL)}

    def call_route(self, route: str, payload: bytes | None) -> Outcome:
        """Answer ``ui-proxy.call-route``: GET without a payload, POST with one.

        Raises:
            PlatformError: ``secret_unavailable`` when the secret ``api_key`` cannot be opened.
        """
        target = route_below(route, self._call.request.context.extension_id)
        if target is None or len(payload or b"") > BODY_LIMIT_BYTES:
            return self._refused(_BAD_REQUEST, "the route is not allowed, or the payload is too large")
        method = "GET" if payload is None else "POST"
        headers = self._headers(payload)
        try:
            answer = self._client.send(method, target, payload, headers, BODY_LIMIT_BYTES)
        except NoAnswer as none:
            return self._refused(_INTERNAL, str(none), "failed")
        if not 200 <= answer.status < 300:
            reason = f"the host application answered with the status {answer.status}"
            return self._refused((False, refusal_of(answer.status)), reason)
        if answer.body is None:
            reason = f"the answer has more than {BODY_LIMIT_BYTES} bytes, or the time was up"
            return self._refused(_INTERNAL, reason, "failed")
        return (True, answer.body)

    def close(self) -> None:
        """Close the connection, even while it is in use."""
        self._client.close()

    def _refused(self, outcome: Outcome, reason: str, ended: str = "refused") -> Outcome:
        self._call.note_refused("ui-proxy.call-route", reason, ended)
        return outcome

    def _headers(self, payload: bytes | None) -> dict[str, str]:
        context, user = self._call.request.context, self._call.request.user
        headers = {
            "x-alga-tenant": context.tenant_id,
            "x-alga-extension": context.extension_id,
            "x-ext-install-id": context.install_id,
            "x-ext-version-id": context.version_id,
        }
        if payload is not None:
            headers["content-type"] = "application/json"
        if user is not None:
            given = {"x-user-id": user.user_id, "x-user-email": user.user_email, "x-user-type": user.user_type}
            given["x-user-name"] = quote(user.user_name, safe=" ")
            headers.update({name: value for name, value in given.items() if value and is_plain(value)})
        api_key = self._client.api_key
        return headers if api_key is None else {**headers, API_KEY_HEADER: api_key}


def route_below(route: str, extension_id: str) -> str | None:
    """Return the path and query to call, or None for a route that is not allowed.

    Not allowed are routes that are empty, too long, or contain control characters, backslashes, ``#`` or dot segments.
    Dot segments are refused in every encoding, because the application's router may decode them, or ignore what follows
    a semicolon. The result is escaped exactly as it will be sent, so that the signed route is the route that arrives.
    """
    if not route.strip() or len(route) > _ROUTE_CHARACTERS or any(ord(c) < 0x20 or c in "\\#" for c in route):
        return None
    path, mark, query = route.strip().partition("?")
    segments = [segment for segment in path.split("/") if segment]
    if any(_is_dots(segment) for segment in segments):
        return None
    if segments[:1] != ["api"]:
        segments = [extension_id, *segments]
    target = "/" + "/".join(_escaped(segment, _SEGMENT_SAFE) for segment in segments)
    return f"{target}?{_escaped(query, _QUERY_SAFE)}" if mark and query else target


def refusal_of(status: int) -> str:
    """Return the error that a guest gets for a status outside 200–299, mapped as in the existing runner."""
    if status in (401, 403, 429):
        return "denied"
    if status == 404:
        return "route-not-found"
    return "bad-request" if 400 <= status < 500 else "internal"


def _escaped(text: str, safe: str) -> str:
    """Escape the characters that are not safe.

    Existing escapes are kept, in upper case. A ``%`` that does not begin an escape is escaped itself.
    """
    return _PERCENT.sub(lambda found: found[0].upper() if found[1] else "%25", quote(text, safe=safe))


def _is_dots(segment: str) -> bool:
    plain = segment.lower().replace("%2e", ".").replace("%3b", ";")
    return plain.partition(";")[0] in (".", "..") or "%2f" in plain or "%5c" in plain or "%00" in plain


def provider(application: Application | None) -> Provider:
    """Return the provider. Without a host application, every route is answered with ``route-not-found``."""
    if application is None:
        return _open_without_application

    def open_for(call: CallContext) -> Opened:
        proxy = UiProxy(call, application)
        return Opened(proxy.handlers(), proxy.close)

    return open_for


def _open_without_application(call: CallContext) -> Opened:
    def call_route(_route: str, _payload: bytes | None) -> Outcome:
        call.note_missing("ui-proxy.call-route", "routes of a host application")
        return _NO_ROUTE

    handler = Handler(tuple[str, bytes | None], call_route, _INTERNAL)
    return Opened({"ui-proxy.call-route": handler}, lambda: None)
