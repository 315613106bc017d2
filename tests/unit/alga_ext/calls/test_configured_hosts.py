"""Hosts from the configuration: which values name one, what is pinned, and when a pin holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls import configured_hosts as hosts
from alga_ext.calls import egress_rules

LONGEST_HOST = ".".join(["a" * 63] * 3 + ["b" * 61])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://api.example.com", "api.example.com"),
        ("https://API.Example.com:443/v1?x=1#y", "api.example.com"),
        ("HTTPS://api.example.com:8443/", "api.example.com:8443"),
        ("api.example.com", "api.example.com"),
        ("api.example.com:8443", "api.example.com:8443"),
        ("https://api.example.com?x=a@b", "api.example.com"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("https://api.example.com:00443", "api.example.com"),
        ("api.example.com:1", "api.example.com:1"),
        ("api.example.com:65535", "api.example.com:65535"),
        ("example.com", "example.com"),
        ("1.example", "1.example"),
        ("api.3com", "api.3com"),
        ("api.com1", "api.com1"),
        ("local.example.com", "local.example.com"),
        ("not-local.example", "not-local.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        (LONGEST_HOST, LONGEST_HOST),
    ],
)
def test_a_value_names_its_canonical_host_and_port(value: str, expected: str) -> None:
    assert hosts.host_of(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None, 5, True, [], {}, "", " ", "https://", "http://api.example.com", "ftp://api.example.com",
        "//api.example.com", "https:/api.example.com", "https://user@api.example.com", "https://u:p@api.example.com",
        "https://api.example.com:443@evil.example", "user:pw@api.example.com", "https://api.example.com@evil.example/",
        "https://10.0.0.1", "127.0.0.1", "https://0x7f000001", "https://2130706433", "https://1.2.3.0x4",
        "https://[::1]", "[::1]:443", "https://[2001:db8::1]/", "https://localhost", "localhost:3000", "intranet",
        "https://db.internal", "https://printer.local", "https://router.lan", "https://nas.home.arpa",
        "https://a.localhost", "https://x.corp", "https://x.localdomain", "https://api.example.com.", "https://.example.com",
        "https://a..example.com", "https://-a.example.com", "https://*.example.com", "https://api_x.example.com",
        "https://bücher.example", "https://api.example.com\\@evil.example", "https://api.example.com\n.evil.example",
        "https://api.example.com\t", " https://api.example.com", "https://api.example.com:0", "https://api.example.com:65536",
        "https://api.example.com:443443", "https://api.example.com:", "https://" + "a." * 130 + "example",
        "https://\u212aube.example.com", "http\u017f://api.example.com", "https://api%2eexample.com",
        "https://api.example.com;x", "https://api.example.com,evil.example",
    ],
)  # fmt: skip
def test_a_value_that_names_no_public_https_host_is_refused_without_being_shown(value: object) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        hosts.host_of(value)
    if isinstance(value, str) and len(value) > 15:
        assert value not in str(refused.value)


NOT_A_URL = "neither an https URL nor host"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (5, "not text"),
        ("http://api.example.com", "only https"),
        ("api.example.com/?to=http://x.example", "only https"),
        ("https://u:p@api.example.com", NOT_A_URL),
        ("https://api.example.com/a b", NOT_A_URL),
        ("https://api.example.com/a\x7f", NOT_A_URL),
        ("https://api.example.com/\\x", NOT_A_URL),
        ("https://api.example.com:000443", NOT_A_URL),
        ("https://-a.example.com", "host is not a name"),
        ("a" * 64 + ".example", "host is not a name"),
        (LONGEST_HOST + "b", "host is not a name"),
        ("127.0.0.1", "host is an address"),
        ("1.2.3.0x4", "host is an address"),
        ("nas", "private name"),
        ("api.example.com:0", "port is not from 1 to 65535"),
        ("api.example.com:65536", "port is not from 1 to 65535"),
    ],
)
def test_a_refused_value_is_told_what_is_wrong_with_it(value: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        hosts.host_of(value)


@pytest.mark.parametrize(
    "ending",
    ["localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa"],
)
def test_a_name_that_exists_only_inside_a_network_is_refused(ending: str) -> None:
    for host in (ending, f"db.{ending}", f"a.b.{ending}"):
        with pytest.raises(ValueError, match="private name"):
            hosts.host_of(host)


@given(st.text(alphabet="aZ0.:/@\\[]%?#-_ x\n", max_size=40).map(lambda text: f"https://{text}"))
@settings(derandomize=True, max_examples=500, deadline=None)
def test_what_is_pinned_is_what_the_runner_connects_to(url: str) -> None:
    try:
        host = hosts.host_of(url)
    except ValueError:
        return
    target = egress_rules.parse_url(url)
    assert target is not None
    assert target.host_header == host
    assert egress_rules.is_granted(target, [host])


@pytest.mark.parametrize("key", ["a", "A_b.c-9", "_x", "k" * 64])
def test_a_manifest_names_the_key_of_a_configured_host(key: str) -> None:
    assert hosts.check_request(f"config:{key}") == f"config:{key}"
    assert hosts.key_of(f"config:{key}") == key
    assert hosts.key_of(f"config:{key}=api.example.com") == key
    assert hosts.unpinned(f"config:{key}=api.example.com") == f"config:{key}"


@pytest.mark.parametrize(
    "rule",
    ["config:", "config:1", "config:a b", "config:a\n", "config:" + "k" * 65, "xconfig:a", "Config:a", "a.example", ""],
)
def test_what_is_not_a_key_of_the_configuration_is_no_configured_host(rule: str) -> None:
    with pytest.raises(ValueError, match="is not a configured host"):
        hosts.check_request(rule)
    assert hosts.key_of(rule) is None
    assert hosts.unpinned(rule) == rule
    assert hosts.pinned(rule, {"a": "api.example.com"}) == rule
    assert hosts.effective(f"{rule}=api.example.com", {"a": "api.example.com"}) == f"{rule}=api.example.com"
    assert hosts.changes([rule], {"a": "api.example.com"}) == {}


def test_a_manifest_cannot_pin_a_host_itself() -> None:
    with pytest.raises(ValueError, match="is not a configured host"):
        hosts.check_request("config:a=api.example.com")


@pytest.mark.parametrize("config", [{}, {"base": "https://api.example.com"}, {"base": "10.0.0.1"}])
def test_a_rule_without_a_pinned_host_allows_none(config: dict[str, str]) -> None:
    assert hosts.effective("config:base", config) == "config:base"


def test_a_configuration_names_a_host_now_or_none() -> None:
    assert hosts.now_of("base", {"base": "https://API.example.com/v1"}) == "api.example.com"
    assert hosts.now_of("base", {"base": "10.0.0.1"}) is None
    assert hosts.now_of("base", {"other": "api.example.com"}) is None


def test_a_rule_is_pinned_to_the_host_of_its_value() -> None:
    config = {"base": "https://api.example.com/v1"}
    assert hosts.pinned("config:base", config) == "config:base=api.example.com"
    assert hosts.pinned("config:base=other.example", config) == "config:base=api.example.com"
    assert hosts.pinned("config:other=x.example", config) == "config:other"
    assert hosts.pinned("api.example.com", config) == "api.example.com"
    with pytest.raises(ValueError, match="configuration base cannot be granted"):
        hosts.pinned("config:base", {"base": "https://10.0.0.1"})


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("https://api.example.com/v1", True),
        ("api.example.com:443", True),
        ("https://api.example.com:8443", False),
        ("https://evil.example", False),
        ("http://api.example.com", False),
        ("https://api.example.com@evil.example", False),
        (None, False),
    ],
)
def test_a_pin_holds_while_the_value_names_its_host(value: str | None, holds: bool) -> None:
    rule, config = "config:base=api.example.com", {} if value is None else {"base": value}
    assert hosts.effective(rule, config) == ("api.example.com" if holds else rule)


def test_a_rule_that_does_not_hold_matches_no_host() -> None:
    target = egress_rules.parse_url("https://api.example.com/")
    assert target is not None
    for rule in ("config:base", "config:base=api.example.com", "config:443=api.example.com", "config:api.example.com"):
        assert not egress_rules.is_granted(target, [rule])
    at_config = egress_rules.parse_url("https://config/")
    assert at_config is not None
    assert not egress_rules.is_granted(at_config, ["config:base", "config:base=api.example.com"])


def test_a_changed_value_is_told_with_both_hosts() -> None:
    rules = ["config:a=old.example", "config:b=same.example", "config:c", "config:d=x.example", "plain.example"]
    config = {"a": "https://new.example", "b": "same.example", "c": "first.example", "d": "https://10.0.0.1"}
    assert hosts.changes(rules, config) == {
        "a": {"from": "old.example", "to": "new.example"},
        "c": {"from": None, "to": "first.example"},
    }
