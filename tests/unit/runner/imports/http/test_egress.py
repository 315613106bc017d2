"""The egress policy: which URLs can be fetched, which are granted, which addresses are reachable."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.runner.imports.http.egress import (
    Target,
    host_matches,
    is_granted,
    parse_networks,
    parse_url,
    refused_addresses,
)

LONGEST_NAME = ".".join(["a" * 61, *["a" * 63] * 3])


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
        ("HTTPS://api.example.com", Target("https", "api.example.com", 443, "/")),
        ("https://api.example.com:1/", Target("https", "api.example.com", 1, "/")),
        ("https://api.example.com:65535/", Target("https", "api.example.com", 65_535, "/")),
        ("https://api.example.com/a?", Target("https", "api.example.com", 443, "/a?")),
        ("https://example.3com/", Target("https", "example.3com", 443, "/")),
        ("https://example.com3/", Target("https", "example.com3", 443, "/")),
        (f"https://{'a' * 63}.example/", Target("https", f"{'a' * 63}.example", 443, "/")),
        (f"https://{LONGEST_NAME}/", Target("https", LONGEST_NAME, 443, "/")),
        (f"https://a.example/{'a' * 8_174}", Target("https", "a.example", 443, f"/{'a' * 8_174}")),
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
        f"https://x{LONGEST_NAME}/",
        "https://a.example/" + "a" * 8_175,
        "https://api.example.com:000443/",
        "view-source:https://api.example.com/",
        "https://\u212aube.example/",
        "http\u017f://kube.example/",
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_none(url: str) -> None:
    assert parse_url(url) is None


@pytest.mark.parametrize(
    ("url", "header", "destination", "shown"),
    [
        ("https://a.example/", "a.example", "a.example:443", "a.example"),
        ("https://a.example:8443/", "a.example:8443", "a.example:8443", "a.example:8443"),
        ("https://a.example:80/", "a.example:80", "a.example:80", "a.example:80"),
        ("http://a.example/", "a.example", "a.example:80", "http://a.example"),
        ("http://a.example:443/", "a.example:443", "a.example:443", "http://a.example:443"),
        ("https://[2606:4700::1]/", "[2606:4700::1]", "2606:4700::1:443", "[2606:4700::1]"),
        ("https://[2606:4700::1]:444/", "[2606:4700::1]:444", "2606:4700::1:444", "[2606:4700::1]:444"),
    ],
)
def test_a_target_is_named_in_the_host_header_in_the_ledger_and_as_a_grant(
    url: str, header: str, destination: str, shown: str
) -> None:
    found = target(url)

    assert (found.host_header, found.destination, found.shown) == (header, destination, shown)
    assert is_granted(found, [shown])


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
        ("api.example.com:", "https://api.example.com/"),
        ("api.example.com:000443", "https://api.example.com/"),
        ("user@api.example.com", "https://api.example.com/"),
        ("ftp://api.example.com", "https://api.example.com/"),
        ("http://api.example.com:443", "https://api.example.com/"),
        ("-api.example.com", "https://api.example.com/"),
        ("1.2.3.4.5", "https://1.2.3.4/"),
        ("*.1.2.3.4", "https://1.2.3.4/"),
        ("*.[2606:4700::1]", "https://[2606:4700::1]/"),
        ("\u212aube.example", "https://kube.example/"),
    ],
)
def test_a_grant_covers_nothing_else(grant: str, url: str) -> None:
    assert not is_granted(target(url), [grant])


@pytest.mark.parametrize(
    "grants", [["api.example.com", "b.example"], ["b.example", "api.example.com"], [" api.example.com ", "*"]]
)
def test_one_grant_of_several_is_enough(grants: list[str]) -> None:
    found = target("https://api.example.com/")

    assert (is_granted(found, grants), host_matches(found, grants)) == (True, True)


def test_a_secret_is_not_sent_to_a_host_that_it_is_not_bound_to() -> None:
    assert host_matches(target("https://api.example.com/"), ["b.example"]) is False


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
