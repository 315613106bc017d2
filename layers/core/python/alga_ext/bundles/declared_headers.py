"""Which request headers a manifest may ask for in ``api.headers`` (pure)."""

import re
from typing import Final

HEADERS_LIMIT: Final = 16

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,64}\Z")
_CREDENTIALS: Final = frozenset({"authorization", "cookie"})
_CONNECTION: Final = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_PLATFORM_PREFIX: Final = "x-alga-"


def request_header_fault(name: str) -> str | None:
    """Return why a header, with its name in lower case, must not reach a guest, or None when it may."""
    if not _NAME.match(name):
        return "is not a header name of 1 to 64 characters (RFC 9110, token)"
    if name in _CREDENTIALS:
        return "carries the caller's credentials, which no extension gets"
    if name in _CONNECTION:
        return "belongs to the connection, not to the request"
    if name.startswith(_PLATFORM_PREFIX):
        return f"begins with {_PLATFORM_PREFIX!r}, which only the platform sets"
    return None
