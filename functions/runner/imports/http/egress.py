"""The egress policy: which URLs a guest may fetch, and which addresses may be connected to (pure).

A URL is parsed once, here, strictly. A URL that another parser could understand differently is refused. Rules: the
scheme is https unless the grant begins with ``http://``; the host is the grant's host, or any name below it for
``*.host``; the port is the grant's port, or the scheme's default port. Every address that a name resolves to must be
public. One address that is not public refuses the whole request.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
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

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2002::/16",
        "5f00::/16", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::/32",
        "100.100.100.200/32", "fd20:ce::254/128",
    )
)  # fmt: skip
"""Never reachable, whatever an operator opens: link-local and metadata addresses, multicast, reserved and benchmarking
networks, and IPv6 addresses that contain an IPv4 address (compatible, mapped, NAT64, Teredo, 6to4). The only address in
``::/96`` that is not one of these is ``::1``."""
_OPENABLE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128",
    )
)  # fmt: skip
"""Networks that an operator may open: private networks, shared address space, loopback."""
_LOOPBACK_V6: Final = ipaddress.IPv6Address("::1")


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
    def destination(self) -> str:
        """``host:port``, the name in the egress ledger."""
        return f"{self.host}:{self.port}"

    @property
    def shown(self) -> str:
        """The target as a grant would name it: ``host[:port]``, after ``http://`` when it is not https."""
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


def refused_addresses(addresses: Sequence[str], opened: Sequence[Network] = ()) -> list[str]:
    """Return the addresses that must not be connected to. If there is one, the whole request is refused.

    Args:
        addresses: the addresses that a name resolved to.
        opened: private networks that the operator opened. Addresses in them that are not in ``_OPENABLE`` stay closed.
    """
    return [address for address in addresses if not _reachable(address, opened)]


def _reachable(text: str, opened: Sequence[Network]) -> bool:
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address != _LOOPBACK_V6 and _is_in(address, _NEVER):
        return False
    if _is_in(address, _OPENABLE) and _is_in(address, opened):
        return True
    return address.is_global and not address.is_reserved


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list of CIDR blocks.

    Raises:
        ValueError: one of them is not a valid CIDR block.
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
