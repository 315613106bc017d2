"""Decide what browsers let pages of other origins do: cross-origin resource sharing as in the Fetch standard (pure).

A page is told that it may call extensions only if its origin is in ``CORS_ORIGINS``. Credentials that a browser adds by
itself (cookies, client certificates) are never allowed: a page sends its bearer token, and the token decides.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from alga_ext.bundles.declared_headers import request_header_fault
from alga_ext.calls.answer_headers import TO_CALLER
from alga_ext.edge.http import Request, response
from functions.gateway.headers import TO_GUEST
from functions.gateway.routing import METHODS

MAX_AGE_S: Final = 7_200
"""For how long a browser may remember a preflight: the most that Chromium does."""
OWN_REQUEST_HEADERS: Final = frozenset({"authorization", "x-alga-tenant", "x-idempotency-key", "x-tenant-id"})
"""Request headers that the gateway itself reads, besides some of those that reach the guest."""
OWN_RESPONSE_HEADERS: Final = frozenset({
    "idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after", "www-authenticate", "x-request-id",
})  # fmt: skip
"""Response headers that the gateway itself sets and a page may want to read."""

_SET_BY_BROWSERS: Final = frozenset({
    "accept-encoding", "access-control-request-headers", "access-control-request-method", "origin",
})  # fmt: skip
"""Request headers that no script can set, so that no preflight asks for them."""
_ALLOWED_HEADERS: Final = (TO_GUEST | OWN_REQUEST_HEADERS) - _SET_BY_BROWSERS
_EXPOSED_HEADERS: Final = TO_CALLER | OWN_RESPONSE_HEADERS

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]"
_AUTHORITY: Final = re.compile(rf"(?P<host>{_HOST})(?::(?P<port>[1-9][0-9]{{0,4}}))?\Z")
_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}
_PORT_LIMIT: Final = 65_535


def parse_origins(text: str) -> frozenset[str]:
    """Return the origins of a list that is separated by commas.

    Raises:
        ValueError: one of them could be no browser's ``Origin``, or is one that more than one website has. The message
            tells which one by its number, and not its text.
    """
    origins = [origin.strip() for origin in text.split(",")] if text else []
    for number, origin in enumerate(origins, start=1):
        if fault := _origin_fault(origin):
            message = f"its origin {number} {fault}"
            raise ValueError(message)
    return frozenset(origins)


def _origin_fault(origin: str) -> str | None:
    """Return why an origin cannot be allowed, or None when it can (RFC 6454, section 6.2)."""
    if not origin:
        return "is empty"
    if origin == "*":
        return "is '*', which is every website; name each origin"
    if origin == "null":
        return "is 'null', which every sandboxed frame and local file has; name an origin that is one website's own"
    scheme, separator, rest = origin.partition("://")
    if not separator or scheme not in _DEFAULT_PORTS:
        return "does not begin with https:// or http://"
    if any(mark in rest for mark in "/?#@"):
        return "has more than scheme, host and port; leave out user, path and the slash at the end"
    if origin != origin.lower():
        return "has upper-case letters, which no browser sends; write it in lower case"
    match = _AUTHORITY.match(rest)
    if match is None or int(match["port"] or 0) > _PORT_LIMIT:
        return "has no valid host and port; write a name with other letters in its form with xn--"
    if match["port"] == _DEFAULT_PORTS[scheme]:
        return f"names the port {match['port']}, which browsers leave out with {scheme}"
    if scheme == "http" and match["host"] not in _LOOPBACK:
        return "is not encrypted; http:// is only for localhost, 127.0.0.1 and [::1]"
    return None


def is_preflight(request: Request, origins: frozenset[str]) -> bool:
    """Tell whether a browser asks on behalf of a listed origin if a page may send a request.

    Any other OPTIONS request is a call of the extension.
    """
    return (
        request.method == "OPTIONS"
        and "access-control-request-method" in request.headers
        and request.headers.get("origin") in origins
    )


def preflight_response(request: Request) -> dict[str, Any]:
    """Answer a preflight request.

    A preflight has no token, so the install and its ``api.headers`` are not known. Each requested name that a manifest
    could declare is therefore allowed, besides those that are always read. This gives nobody access to anything: the
    operator listed the origin, programs other than browsers send any header without asking, and ``headers.to_guest``
    decides which of them reach a guest.
    """
    asked = request.headers.get("access-control-request-headers", "").split(",")
    names = {name.strip().lower() for name in asked}
    allowed = _ALLOWED_HEADERS.union(name for name in names if request_header_fault(name) is None)
    headers = {
        "access-control-allow-methods": ", ".join(sorted(METHODS)),
        "access-control-allow-headers": ", ".join(sorted(allowed)),
        "access-control-max-age": str(MAX_AGE_S),
        "cache-control": "no-store",
    }
    return response(204, headers)


def sharing_headers(request: Request, sent: Mapping[str, str], origins: frozenset[str]) -> dict[str, str]:
    """Return the headers to add to an answer.

    Args:
        request: the request that is answered.
        sent: the headers of the answer so far.
        origins: the listed origins.

    Without origins, nothing is added. With some, every answer varies by the caller's origin, so that a browser does not
    reuse one that another origin got. Only a listed origin is told that it may read the answer: all of its headers.
    The names do not depend on the answer, because a 304 replaces the stored ones (RFC 9111, section 4.3.4); those of
    the extension's own headers do.
    """
    if not origins:
        return {}
    added = {"vary": _varying_by_origin(sent.get("vary", ""))}
    origin = request.headers.get("origin")
    if origin in origins:
        own = (name for name in sent if name.startswith("x-ext-"))
        added["access-control-allow-origin"] = origin
        added["access-control-expose-headers"] = ", ".join(sorted(_EXPOSED_HEADERS.union(own)))
    return added


def _varying_by_origin(vary: str) -> str:
    names = [name.strip() for name in vary.split(",") if name.strip()]
    if "*" in names or "origin" in (name.lower() for name in names):
        return vary
    return ", ".join([*names, "origin"])
