"""HTTP headers that belong to a connection and not to a message, so they are never passed on (pure)."""

from typing import Final

CONNECTION_HEADERS: Final = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Names in lower case: RFC 9110 section 7.6.1, and ``host`` and ``content-length``, which each sender writes itself."""
