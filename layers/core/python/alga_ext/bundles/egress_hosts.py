"""Egress hosts as a manifest asks for them and an admin grants them, in one canonical form (pure)."""

import re
from typing import Final

from alga_ext.calls import configured_hosts
from alga_ext.calls.configured_hosts import HOST_LIMIT_CHARS, LABEL

_EGRESS: Final = re.compile(rf"(?:(https?)://)?(\*\.)?({LABEL}(?:\.{LABEL})*)(?::([1-9]\d{{0,4}}))?\Z")


def check_egress(text: str) -> str:
    """Return an egress host in its canonical form: lower case, without ``https://`` and without the default port.

    Raises:
        ValueError: it is not ``host[:port]``, ``*.host`` or ``http://host``. A bare ``*`` is refused.
    """
    match = _EGRESS.match(text.lower()) if text.isascii() else None
    if match is None:
        message = f"{text!r} is not an egress host; write host, host:port, *.host or http://host, never a bare '*'"
        raise ValueError(message)
    scheme, wildcard, host, port = match.groups()
    if len(host) > HOST_LIMIT_CHARS:
        message = f"{text[:100]!r} has a host of {len(host)} characters; at most {HOST_LIMIT_CHARS} are allowed"
        raise ValueError(message)
    if wildcard and "." not in host:
        message = f"{text!r} is too wide; a wildcard needs at least two labels after it, as in *.example.com"
        raise ValueError(message)
    if port is not None and int(port) > 65535:
        message = f"{text!r} has a port above 65535, the highest port number"
        raise ValueError(message)
    plain = scheme == "http"
    default_port = "80" if plain else "443"
    suffix = f":{port}" if port and port != default_port else ""
    return f"{'http://' if plain else ''}{wildcard or ''}{host}{suffix}"


def check_asked_host(text: str) -> str:
    """Return an egress host that a manifest asks for: as ``check_egress`` returns it, or ``config:KEY``.

    Raises:
        ValueError: it is neither.
    """
    if text.startswith(configured_hosts.PREFIX):
        return configured_hosts.check_request(text)
    return check_egress(text)
