"""Which URLs a set of egress grants covers (pure). The runner enforces it; the registry reports with the same code.

A URL is parsed once, here, strictly. A URL that another parser could understand differently is refused. Rules: the
scheme is https unless the grant begins with ``http://``; the host is the grant's host, or any name below it for
``*.host``; the port is the grant's port, or the scheme's default port.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote

DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_URL = re.compile(
    r"(https?)://(\[[0-9a-fA-F:.]+\]|[^/?#\[\]@:]+)(?::([0-9]{1,5}))?([/?][^#]*)?(?:#.*)?\Z", re.ASCII | re.IGNORECASE
)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_PATH_SAFE: Final = "/?:@!$&'()*+,;=%~-._[]"
_GRANT = re.compile(r"(?:(https?)://)?(\*\.)?([^/?#@\[\]:\s*]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?\Z")
_URL_CHARACTERS: Final = 8_192


class Target(NamedTuple):
    """A parsed URL: lower-case scheme and host (IPv6 without brackets), port, and path with query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The value of the ``host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The target as a grant would name it: ``host[:port]``, after ``http://`` when it is not https.

        It is the name of the destination in the egress ledger: it has all that a grant decides on, and no path.
        """
        return self.host_header if self.scheme == "https" else f"http://{self.host_header}"


def parse_url(url: str) -> Target | None:
    """Return the target of a URL, or None when it cannot be fetched safely.

    Refused: schemes other than http and https, user information, control characters, spaces and backslashes, names that
    are not plain ASCII host names, trailing dots, numeric hosts that are not an IPv4 address in dotted decimal form,
    IPv6 zones, port 0.
    """
    if len(url) > _URL_CHARACTERS or _FORBIDDEN.search(url):
        return None
    match = _URL.match(url)
    if match is None or not match[2].isascii():  # in lower case, some other letters are ASCII
        return None
    scheme, host, port_text, path = match[1].lower(), match[2].lower(), match[3], match[4] or "/"
    port = int(port_text) if port_text else DEFAULT_PORTS[scheme]
    name = _host(host)
    if name is None or not 1 <= port <= 65_535:
        return None
    if path.startswith("?"):
        path = f"/{path}"
    return Target(scheme, name, port, quote(path, safe=_PATH_SAFE))


def _host(host: str) -> str | None:
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    if len(host) > 253 or not _NAME.match(host):
        return None
    if _NUMERIC.match(host.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return None
    return host


def is_granted(target: Target, grants: Iterable[str]) -> bool:
    """Tell whether one of the grants (``host[:port]``, ``*.host[:port]``, ``http://host…``) covers a target."""
    return any(_covers(grant, target) for grant in grants)


def host_matches(target: Target, rules: Iterable[str]) -> bool:
    """Tell whether a secret bound to the hosts in ``rules`` may be sent to a target. Same rules as ``is_granted``."""
    return is_granted(target, rules)


def _covers(grant: str, target: Target) -> bool:
    match = _GRANT.match(grant.strip().lower())
    if match is None or not grant.isascii():
        return False
    scheme, wildcard, host, port_text = match[1] or "https", match[2], match[3], match[4]
    port = int(port_text) if port_text else DEFAULT_PORTS[scheme]
    if scheme != target.scheme or port != target.port:
        return False
    name = _host(host)
    if name is None:
        return False
    if wildcard:
        return target.host.endswith(f".{name}")
    return target.host == name
