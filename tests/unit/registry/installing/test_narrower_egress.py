"""Which lists of hosts are narrower than what is granted, and what they would refuse."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.egress_rules import is_granted, parse_url
from alga_ext.errors import PlatformError
from functions.registry.installing.narrower_egress import Requested, narrower, refused_by

GRANTED = ["*.example.com", "api.other.org:8443", "http://plain.org", "config:base=host.acme.org"]
DAY = date(2026, 3, 1)


def requested(*names: str) -> list[Requested]:
    return [Requested(name, 1, DAY, DAY) for name in names]


def names(found: list[Requested]) -> list[str]:
    return [one.destination for one in found]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([], []),
        (["*.example.com"], ["*.example.com"]),
        (["API.example.com", "https://api.example.com"], ["api.example.com"]),
        (["*.api.example.com"], ["*.api.example.com"]),
        (["api.other.org:8443"], ["api.other.org:8443"]),
        (["http://plain.org:80"], ["http://plain.org"]),
        (["config:base"], ["config:base=host.acme.org"]),
        (["config:base=host.acme.org"], ["config:base=host.acme.org"]),
        (["b.example.com", "a.example.com"], ["a.example.com", "b.example.com"]),
    ],
)
def test_a_list_within_the_grants_is_made_canonical(named: list[str], expected: list[str]) -> None:
    assert narrower(named, GRANTED) == expected


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("example.com", "example.com is not within what is granted now"),
        ("*.com.example", "is not within"),
        ("http://api.example.com", "is not within"),
        ("api.example.com:8443", "is not within"),
        ("api.other.org", "is not within"),
        ("*.api.other.org:8443", "is not within"),
        ("https://plain.org", "is not within"),
        ("host.acme.org", "is not within"),
        ("config:other", "config:other is not granted now"),
        ("https://api.example.com/path", "is not an egress host"),
        ("*", "is not an egress host"),
        ("user@api.example.com", "is not an egress host"),
    ],
)
def test_a_host_beyond_the_grants_is_refused_with_its_reason(host: str, reason: str) -> None:
    with pytest.raises(PlatformError, match=r".*") as refused:
        narrower([host], GRANTED)
    assert refused.value.code == "grants_invalid"
    assert reason in refused.value.detail


def test_the_201st_host_is_refused() -> None:
    assert len(narrower([f"h{number}.example.com" for number in range(200)], GRANTED)) == 200
    with pytest.raises(PlatformError, match="201 entries"):
        narrower([f"h{number}.example.com" for number in range(201)], GRANTED)


def test_what_no_host_of_the_list_covers_would_be_refused() -> None:
    asked = requested("a.example.com", "b.example.com", "http://a.example.com", "a.example.com:8443", "[2606:4700::1]")

    assert names(refused_by(["a.example.com"], {}, asked)) == [
        "b.example.com", "http://a.example.com", "a.example.com:8443", "[2606:4700::1]"
    ]  # fmt: skip


def test_a_wildcard_of_the_list_covers_names_below_it() -> None:
    asked = requested("a.b.example.com", "b.example.com", "a.c.example.com")

    assert names(refused_by(["*.b.example.com"], {}, asked)) == ["b.example.com", "a.c.example.com"]


@pytest.mark.parametrize(
    ("base", "refused"), [("https://host.acme.org/v1", []), ("https://new.acme.org", ["host.acme.org"])]
)
def test_a_configured_host_counts_while_it_is_configured(base: str, refused: list[str]) -> None:
    found = refused_by(["config:base=host.acme.org"], {"base": base}, requested("host.acme.org"))

    assert names(found) == refused


def test_an_empty_list_would_refuse_everything() -> None:
    assert names(refused_by([], {}, requested("a.example.com"))) == ["a.example.com"]


LABELS = st.sampled_from(["a", "b", "c"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example.com"]))
RULES = st.builds(
    lambda scheme, star, host, port: f"{scheme}{star}{host}{port}",
    st.sampled_from(["", "http://"]), st.sampled_from(["", "*."]), HOSTS, st.sampled_from(["", ":8443"]),
)  # fmt: skip
URLS = st.builds(
    lambda scheme, host, port: f"{scheme}://{host}{port}/path",
    st.sampled_from(["https", "http"]), HOSTS, st.sampled_from(["", ":8443", ":443", ":80"]),
)  # fmt: skip


@given(st.lists(RULES, max_size=3), st.lists(RULES, max_size=3), URLS)
def test_the_report_is_what_the_runner_decides_and_a_narrower_list_grants_nothing_new(
    granted: list[str], named: list[str], url: str
) -> None:
    target = parse_url(url)
    assert target is not None
    try:
        hosts = narrower(named, granted)
    except PlatformError:
        return

    would_refuse = names(refused_by(hosts, {}, requested(target.shown))) != []

    assert would_refuse == (not is_granted(target, hosts))
    assert would_refuse or is_granted(target, granted)
