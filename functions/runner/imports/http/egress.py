"""Which addresses a guest's requests may be sent to (pure). Which URLs may be fetched: ``alga_ext.calls.egress_rules``.

Every address that a name resolves to must be public. One address that is not public refuses the whole request.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

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
