"""Which URLs can be fetched, and which are granted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.egress_rules import Target, host_matches, is_granted, parse_url
from functions.registry.installing.grants import covers

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
    ("url", "header", "shown"),
    [
        ("https://a.example/", "a.example", "a.example"),
        ("https://a.example:8443/", "a.example:8443", "a.example:8443"),
        ("https://a.example:80/", "a.example:80", "a.example:80"),
        ("http://a.example/", "a.example", "http://a.example"),
        ("http://a.example:443/", "a.example:443", "http://a.example:443"),
        ("https://[2606:4700::1]/", "[2606:4700::1]", "[2606:4700::1]"),
        ("https://[2606:4700::1]:444/", "[2606:4700::1]:444", "[2606:4700::1]:444"),
    ],
)
def test_a_target_is_named_in_the_host_header_and_as_a_grant(url: str, header: str, shown: str) -> None:
    found = target(url)

    assert (found.host_header, found.shown) == (header, shown)
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


HOSTS = st.sampled_from(["a.example", "b.a.example", "c.b.a.example", "example.org"])
RULES = st.builds("".join, st.tuples(
    st.sampled_from(["", "http://"]), st.sampled_from(["", "*."]), HOSTS, st.sampled_from(["", ":8443"])
))  # fmt: skip
URLS = st.builds("".join, st.tuples(st.sampled_from(["https://", "http://"]), HOSTS, st.sampled_from(["", ":8443"])))


@given(RULES, RULES, URLS)
def test_a_rule_that_covers_another_grants_all_that_the_other_grants(wide: str, narrow: str, url: str) -> None:
    if covers(wide, narrow) and is_granted(target(url), [narrow]):
        assert is_granted(target(url), [wide])


@given(URLS)
def test_the_name_of_a_destination_leads_to_the_same_decision_as_its_url(url: str) -> None:
    shown = target(url).shown
    named = target(shown if "://" in shown else f"https://{shown}")
    assert named[:3] == target(url)[:3]
