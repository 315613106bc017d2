"""Interface ``ui-proxy``: routes of the host application. Capability cap:ui.proxy.

The target is the base URL that the operator configured; the guest chooses only the path and query below it. A route
under ``/api/`` is sent as it is. Any other route is sent below the extension's id. A token signed for this one request
(``x-runner-auth``) proves to the application that the runner sent it. Other headers name the request, tenant,
extension, install, version and user; they have the names that the application already reads.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import jwt
import urllib3

from alga_ext.trust.signing import LocalSigner
from functions.runner.imports.broker import Handler, Opened, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.deadline import REQUESTS
from functions.runner.imports.http.connections import Connections
from functions.runner.imports.http.egress import DEFAULT_PORTS

BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024
TOKEN_LIFETIME_S: Final = 60
AUDIENCE: Final = "alga-host"
ISSUER: Final = "alga-runner"
CONNECT_TIMEOUT_S: Final = 2.0
_CHUNK_BYTES: Final = 64 * 1024
_ROUTE_CHARACTERS: Final = 2_048
_SEGMENT_SAFE: Final = "%:@!$&'()*+,;=~-._"
_QUERY_SAFE: Final = "%:@!$&'()*+,;=~-._/?"
_PERCENT: Final = re.compile("%([0-9A-Fa-f]{2})?")

Outcome = tuple[bool, Any]

_NO_ROUTE: Final[Outcome] = (False, "route-not-found")
_BAD_REQUEST: Final[Outcome] = (False, "bad-request")
_INTERNAL: Final[Outcome] = (False, "internal")


class Application(NamedTuple):
    """The host application: scheme, host (IPv6 without brackets), port, and the path before its routes."""

    scheme: str
    host: str
    port: int
    path: str


def application_at(base_url: str) -> Application:
    """Return the host application at a base URL.

    Raises:
        ValueError: it is not an http or https URL.
    """
    parts = urlsplit(base_url.rstrip("/"))
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        message = "UI_PROXY_BASE_URL must be a URL that starts with http:// or https:// and has a host"
        raise ValueError(message)
    return Application(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], parts.path)


class UiProxy:
    """The import of one call.

    Args:
        call: the call that this serves.
        application: the host application.
        signer: signs the request's token.
        now_s: returns the time in epoch seconds.
    """

    def __init__(
        self, call: CallContext, application: Application, signer: LocalSigner, now_s: Callable[[], float]
    ) -> None:
        self._call = call
        self._application = application
        self._signer = signer
        self._now_s = now_s
        self._connections = Connections()
        self._pool = self._connected()

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by ``interface.function``."""
        return {"ui-proxy.call-route": Handler(tuple[str, bytes | None], self.call_route, _INTERNAL)}

    def call_route(self, route: str, payload: bytes | None) -> Outcome:
        """Answer ``ui-proxy.call-route``: GET without a payload, POST with one."""
        target = route_below(route, self._call.request.context.extension_id)
        if target is None or len(payload or b"") > BODY_LIMIT_BYTES:
            return _BAD_REQUEST
        method = "GET" if payload is None else "POST"
        try:
            left_s = self._call.left_s()
            return REQUESTS.within(self._call.install_id, left_s, lambda: self._send(method, target, payload))
        except (urllib3.exceptions.HTTPError, TimeoutError, OSError):
            return _INTERNAL

    def close(self) -> None:
        """Close the connection, even while it is in use."""
        self._connections.cut()
        self._pool.close()

    def _connected(self) -> urllib3.HTTPConnectionPool:
        application = self._application
        made = self._connections.secure if application.scheme == "https" else self._connections.plain
        return made(application.host, application.port, lambda _size_bytes: None)

    def _send(self, method: str, target: str, payload: bytes | None) -> Outcome:
        left_s = self._call.left_s()
        response = self._pool.urlopen(
            method,
            self._application.path + target,
            body=payload,
            headers=self._headers(method, target, payload),
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, left_s), read=left_s),
            preload_content=False,
        )
        with response:
            if not 200 <= response.status < 300:
                return (False, refusal_of(response.status))
            data = bytearray()
            while chunk := response.read1(_CHUNK_BYTES):
                data += chunk
                if len(data) > BODY_LIMIT_BYTES or self._call.is_over():
                    return _INTERNAL
            return (True, bytes(data))

    def _headers(self, method: str, target: str, payload: bytes | None) -> dict[str, str]:
        context, user = self._call.request.context, self._call.request.user
        headers = {
            "x-request-id": context.request_id,
            "x-alga-tenant": context.tenant_id,
            "x-alga-extension": context.extension_id,
            "x-ext-install-id": context.install_id,
            "x-ext-version-id": context.version_id,
            "x-runner-auth": self._token(method, target, payload),
        }
        if payload is not None:
            headers["content-type"] = "application/json"
        if user is not None:
            given = {"x-user-id": user.user_id, "x-user-email": user.user_email, "x-user-type": user.user_type}
            given["x-user-name"] = quote(user.user_name, safe=" ")
            headers.update({name: value for name, value in given.items() if value and _is_plain(value)})
        return headers

    def _token(self, method: str, target: str, payload: bytes | None) -> str:
        """Sign a token for exactly this request, so that a stolen token cannot be used for another one."""
        now_s, context = int(self._now_s()), self._call.request.context
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now_s,
            "exp": now_s + TOKEN_LIFETIME_S,
            "tenant": context.tenant_id,
            "extension": context.extension_id,
            "install": context.install_id,
            "user": self._call.request.user.user_id if self._call.request.user else None,
            "method": method,
            "route": target,
            "body": hashlib.sha256(payload or b"").hexdigest(),
        }
        return jwt.encode(claims, self._signer.raw, algorithm="EdDSA")


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


def _is_plain(value: str) -> bool:
    return all(0x20 <= ord(c) < 0x7F for c in value)


class _Unconfigured:
    """Serves ``ui-proxy`` when the operator has configured no host application."""

    def handlers(self) -> dict[str, Handler]:
        return {"ui-proxy.call-route": Handler(tuple[str, bytes | None], lambda *_: _NO_ROUTE, _INTERNAL)}


def provider(base_url: str, signer: LocalSigner | None, now_s: Callable[[], float]) -> Provider:
    """Return the provider. Without a base URL or a key, every route is answered with ``route-not-found``.

    Raises:
        ValueError: the base URL is not an http or https URL.
    """
    if not base_url or signer is None:
        return lambda _call: Opened(_Unconfigured().handlers(), lambda: None)
    application = application_at(base_url)

    def open_for(call: CallContext) -> Opened:
        proxy = UiProxy(call, application, signer, now_s)
        return Opened(proxy.handlers(), proxy.close)

    return open_for
