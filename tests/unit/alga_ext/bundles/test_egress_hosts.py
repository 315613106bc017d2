"""What a manifest may ask for as an egress host, at its limits."""

import pytest

from alga_ext.bundles.egress_hosts import check_asked_host, check_egress

LONGEST_HOST = ".".join(["a" * 63] * 3 + ["b" * 61])


@pytest.mark.parametrize(
    "rule",
    [
        LONGEST_HOST, f"*.{LONGEST_HOST}", "a" * 63 + ".example", "api.example.com:1", "api.example.com:65535",
        "http://api.example.com:443", "*.example.com:80",
    ],
)  # fmt: skip
def test_a_host_at_its_limit_is_kept_as_it_is(rule: str) -> None:
    assert check_egress(rule) == check_asked_host(rule) == rule


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (LONGEST_HOST + "b", "a host of 254 characters; at most 253"),
        ("a" * 64 + ".example", "is not an egress host"),
        ("*", "is not an egress host"),
        ("xhttps://api.example.com", "is not an egress host"),
        ("*.com", "is too wide"),
        ("api.example.com:65536", "a port above 65535"),
        ("config:url", "is not an egress host"),
    ],
)
def test_a_host_beyond_its_limit_is_refused_with_the_reason(rule: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_egress(rule)


def test_a_manifest_may_ask_for_a_configured_host() -> None:
    assert check_asked_host("config:url") == "config:url"
    with pytest.raises(ValueError, match="is not a configured host"):
        check_asked_host("config:")
    with pytest.raises(ValueError, match="is not an egress host"):
        check_asked_host("Xconfig:")
