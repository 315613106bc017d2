"""Which addresses are reachable."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.runner.imports.http.egress import parse_networks, refused_addresses


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "169.254.1.1",
        "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "fc00::1",
        "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "5f00::1", "4000::1", "8000::1", "e000::1",
        "not an address", "", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert refused_addresses([address]) == [address]


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_public_addresses_are_reachable(address: str) -> None:
    assert refused_addresses([address]) == []


def test_one_private_address_among_public_ones_is_found() -> None:
    assert refused_addresses(["8.8.8.8", "10.0.0.1"]) == ["10.0.0.1"]


def test_an_operator_may_open_a_private_network() -> None:
    assert refused_addresses(["10.1.2.3", "10.2.0.1"], parse_networks("10.1.0.0/16")) == ["10.2.0.1"]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "::", "fd00:ec2::254", "fd20:ce::254",
        "100.100.100.200", "192.0.0.192", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "::ffff:169.254.169.254",
        "::ffff:127.0.0.1", "::7f00:1", "2002:7f00:1::", "2001::1", "240.0.0.1", "255.255.255.255", "198.18.0.1",
        "203.0.113.1", "2001:db8::1", "::1%eth0",
    ],
)  # fmt: skip
def test_nobody_can_open_link_local_or_multicast(address: str) -> None:
    assert refused_addresses([address], parse_networks("0.0.0.0/0, ::/0")) == [address]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.0.0.0/8"),
        ("172.16.0.1", "172.16.0.0/12"),
        ("192.168.1.1", "192.168.1.0/24"),
        ("100.64.0.1", "100.64.0.0/10"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("fd12::1", "fd12::/16"),
        ("::1", "::1/128"),
        ("10.1.2.3", "0.0.0.0/0"),
    ],
)
def test_private_networks_and_loopback_can_be_opened(address: str, network: str) -> None:
    assert refused_addresses([address], parse_networks(network)) == []


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", []),
        (" , ", []),
        ("10.0.0.0/8", ["10.0.0.0/8"]),
        (" 10.0.0.0/8 ,, fd12::/16,", ["10.0.0.0/8", "fd12::/16"]),
    ],
)
def test_networks_are_read_from_a_list_with_commas(text: str, networks: list[str]) -> None:
    assert [str(network) for network in parse_networks(text)] == networks


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "host", "10.0.0.0/8 fd12::/16"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|address|host bits"):
        parse_networks(text)


def test_an_opened_ipv4_network_does_not_open_its_mapped_form() -> None:
    assert refused_addresses(["::ffff:10.1.2.3"], parse_networks("10.0.0.0/8")) == ["::ffff:10.1.2.3"]


@given(st.ip_addresses())
def test_whatever_is_reachable_is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not refused_addresses([str(address)]):
        assert address.is_global
        assert not address.is_multicast
