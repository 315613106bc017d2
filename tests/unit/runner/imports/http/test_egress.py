"""The egress policy: which URLs can be fetched, which are granted, which addresses are reachable."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.runner.imports.http.egress import Target, is_granted, parse_networks, parse_url, refused_addresses


def target(url: str) -> Target:
    found = parse_url(url)
    assert found is not None, url
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com", Target("https", "api.example.com", 443, "/")),
        ("https://API.Example.COM/a?b=c", Target("https", "api.example.com", 443, "/a?b=c")),
        ("https://api.example.com:8443/x", Target("https", "api.example.com", 8443, "/x")),
        ("http://api.example.com?q", Target("http", "api.example.com", 80, "/?q")),
        ("https://api.example.com/a#frag", Target("https", "api.example.com", 443, "/a")),
        ("https://8.8.8.8/", Target("https", "8.8.8.8", 443, "/")),
        ("https://[2606:4700::1111]/", Target("https", "2606:4700::1111", 443, "/")),
        ("https://[2606:4700:0:0::1111]:444/", Target("https", "2606:4700::1111", 444, "/")),
        ("https://a_b.example.com/ä", Target("https", "a_b.example.com", 443, "/%C3%A4")),
        ("https://api.example.com/a%2Fb", Target("https", "api.example.com", 443, "/a%2Fb")),
    ],
)
def test_a_plain_url_is_taken_apart(url: str, expected: Target) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "//api.example.com/",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "gopher://api.example.com/",
        "javascript:alert(1)",
        "https:///path",
        "https://",
        "https://user@api.example.com/",
        "https://user:pass@api.example.com/",
        "https://api.example.com@evil.example/",
        "https://evil.example\\@api.example.com/",
        "https:\\\\api.example.com/",
        "https://api.example.com\\.evil.example/",
        "https://api.example.com /",
        "https://api.example.com/a b",
        "https://api.example.com/\r\nHost: evil",
        "https://api.example.com\t.evil/",
        "https://api.example.com:0/",
        "https://api.example.com:65536/",
        "https://api.example.com:99999999/",
        "https://api.example.com:8o/",
        "https://api.example.com:/",
        "https://api.example.com:443:443/",
        "https://api.example.com./",
        "https://.example.com/",
        "https://api..example.com/",
        "https://-api.example.com/",
        "https://api-.example.com/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.0.0.01/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://a.b.0x1/",
        "https://[::1/",
        "https://::1/",
        "https://[::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[v1.x]/",
        "https://[127.0.0.1]/",
        "https://münchen.example/",
        "https://ⅰ27.0.0.1/",
        "https://example。com/",
        "https://%61pi.example.com/",
        "https://api.example.com%00.evil.example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://api.example.com/" + "a" * 9_000,
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_none(url: str) -> None:
    assert parse_url(url) is None


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_fail(url: str) -> None:
    parse_url(url)
    parse_url(f"https://{url}/")


@pytest.mark.parametrize(
    ("grant", "url"),
    [
        ("api.example.com", "https://api.example.com/x"),
        ("API.example.com", "https://api.example.com/x"),
        ("https://api.example.com", "https://api.example.com/x"),
        ("api.example.com:8443", "https://api.example.com:8443/"),
        ("http://api.example.com", "http://api.example.com/"),
        ("http://api.example.com:8080", "http://api.example.com:8080/"),
        ("*.example.com", "https://api.example.com/"),
        ("*.example.com", "https://a.b.example.com/"),
        ("*.example.com:8443", "https://a.example.com:8443/"),
        ("8.8.8.8", "https://8.8.8.8/"),
        ("[2606:4700::1111]", "https://[2606:4700:0::1111]/"),
    ],
)
def test_a_grant_covers_what_it_names(grant: str, url: str) -> None:
    assert is_granted(target(url), [grant])


@pytest.mark.parametrize(
    ("grant", "url"),
    [
        ("api.example.com", "http://api.example.com/"),
        ("api.example.com", "https://api.example.com:8443/"),
        ("api.example.com:8443", "https://api.example.com/"),
        ("http://api.example.com", "https://api.example.com/"),
        ("api.example.com", "https://example.com/"),
        ("api.example.com", "https://x.api.example.com/"),
        ("api.example.com", "https://api.example.com.evil.example/"),
        ("*.example.com", "https://example.com/"),
        ("*.example.com", "https://badexample.com/"),
        ("*.example.com", "https://example.com.evil.example/"),
        ("*", "https://api.example.com/"),
        ("*.", "https://api.example.com/"),
        ("*.*.com", "https://api.example.com/"),
        ("api.*", "https://api.example.com/"),
        ("", "https://api.example.com/"),
        ("https://", "https://api.example.com/"),
        ("*.8.8.8", "https://8.8.8.8/"),
        ("api.example.com/path", "https://api.example.com/path"),
    ],
)
def test_a_grant_covers_nothing_else(grant: str, url: str) -> None:
    assert not is_granted(target(url), [grant])


def test_an_empty_list_of_grants_means_no_egress() -> None:
    assert not is_granted(target("https://api.example.com/"), [])


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "169.254.1.1",
        "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "fc00::1",
        "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "5f00::1", "not an address", "", "fe80::1%eth0",
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


def test_an_opened_ipv4_network_does_not_open_its_mapped_form() -> None:
    assert refused_addresses(["::ffff:10.1.2.3"], parse_networks("10.0.0.0/8")) == ["::ffff:10.1.2.3"]


@given(st.ip_addresses())
def test_whatever_is_reachable_is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not refused_addresses([str(address)]):
        assert address.is_global
        assert not address.is_multicast
