"""Which headers a manifest may name: in ``api.headers``, and in ``secrets[].header`` (pure)."""

import re
from typing import Final

from alga_ext.calls.connection_headers import CONNECTION_HEADERS

HEADERS_LIMIT: Final = 16
"""How many headers ``api.headers`` may name."""
DEFAULT_SECRET_HEADER: Final = "authorization"  # noqa: S105 - the name of a header

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,64}\Z")
_CREDENTIALS: Final = frozenset({"authorization", "cookie"})
_PLATFORM_PREFIX: Final = "x-alga-"
_RETURNED: Final = frozenset({
    "origin", "access-control-request-headers", "access-control-request-method", "accept-encoding", "x-request-id",
    "x-correlation-id", "traceparent", "tracestate", "range", "if-range",
})  # fmt: skip
"""Headers that change or appear in a response by their nature. A secret must not go there."""


def request_header_fault(name: str) -> str | None:
    """Return why a header, with its name in lower case, must not reach a guest, or None when it may."""
    if not _NAME.match(name):
        return "is not a header name of 1 to 64 characters (RFC 9110, token)"
    if name in _CREDENTIALS:
        return "carries the caller's credentials, which no extension gets"
    if name in CONNECTION_HEADERS:
        return "belongs to the connection, not to the request"
    if name.startswith(_PLATFORM_PREFIX):
        return f"begins with {_PLATFORM_PREFIX!r}, which only the platform sets"
    return None


def check_secret_header(name: str) -> str:
    """Return the name of a header that a secret may be put into, in lower case.

    Raises:
        ValueError: it is not the name of a header, it belongs to the connection or the platform, or servers return it.
    """
    header = name.lower()
    if not _NAME.match(header):
        message = f"{name[:100]!r} is not the name of a header (1 to 64 characters), such as authorization or x-api-key"
    elif header in CONNECTION_HEADERS or header.startswith(_PLATFORM_PREFIX):
        message = f"header {header} belongs to the connection or to the platform; use another one, such as x-api-key"
    elif header in _RETURNED:
        message = f"header {header} changes or appears in responses; use another one, such as x-api-key"
    else:
        return header
    raise ValueError(message)
