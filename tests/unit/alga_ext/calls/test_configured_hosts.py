"""Hosts from the configuration: which values name one, what is pinned, and when a pin holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.calls import configured_hosts as hosts
from functions.runner.imports.http import egress


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
        "https://api%2eexample.com", "https://api.example.com;x", "https://api.example.com,evil.example",
    ],
)  # fmt: skip
def test_a_value_that_names_no_public_https_host_is_refused_without_being_shown(value: object) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        hosts.host_of(value)
    if isinstance(value, str) and len(value) > 15:
        assert value not in str(refused.value)


@given(st.text(alphabet="aZ0.:/@\\[]%?#-_ x\n", max_size=40).map(lambda text: f"https://{text}"))
@settings(derandomize=True, max_examples=500, deadline=None)
def test_what_is_pinned_is_what_the_runner_connects_to(url: str) -> None:
    try:
        host = hosts.host_of(url)
    except ValueError:
        return
    target = egress.parse_url(url)
    assert target is not None
    assert target.host_header == host
    assert egress.is_granted(target, [host])


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
    target = egress.parse_url("https://api.example.com/")
    assert target is not None
    for rule in ("config:base", "config:base=api.example.com", "config:443=api.example.com", "config:api.example.com"):
        assert not egress.is_granted(target, [rule])
    at_config = egress.parse_url("https://config/")
    assert at_config is not None
    assert not egress.is_granted(at_config, ["config:base", "config:base=api.example.com"])


def test_a_changed_value_is_told_with_both_hosts() -> None:
    rules = ["config:a=old.example", "config:b=same.example", "config:c", "config:d=x.example", "plain.example"]
    config = {"a": "https://new.example", "b": "same.example", "c": "first.example", "d": "https://10.0.0.1"}
    assert hosts.changes(rules, config) == {
        "a": {"from": "old.example", "to": "new.example"},
        "c": {"from": None, "to": "first.example"},
    }
