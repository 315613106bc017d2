"""Which headers pass the gateway: those of the contract's two lists and no other."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.headers import own_location, to_caller, to_guest, trace_id

MADE = {"tenant_id": "acme", "extension_id": "e-1", "request_id": "r-1", "traceparent": "00-1"}
PREFIX = "/api/ext/acme.notes"

LISTED_TO_GUEST = {
    "accept",
    "accept-language",
    "content-type",
    "user-agent",
    "x-request-id",
    "traceparent",
    "idempotency-key",
}
LISTED_TO_CALLER = {
    "content-type",
    "content-language",
    "cache-control",
    "etag",
    "last-modified",
    "location",
    "retry-after",
    "vary",
}
CHANGED = {"location", "cache-control", "vary"}
"""Passed in another form where that is safer."""
ALWAYS = {"cache-control": "no-store", "vary": "authorization"}
names = st.sampled_from(
    [
        *LISTED_TO_GUEST,
        *LISTED_TO_CALLER,
        "authorization",
        "cookie",
        "set-cookie",
        "x-forwarded-for",
        "host",
        "x-alga-tenant",
        "x-alga-extension",
        "x-ext-a",
        "proxy-authorization",
        "content-length",
        "connection",
        "x-api-key",
        "x-amz-security-token",
    ]
)


@given(st.dictionaries(names, st.text(max_size=5)))
def test_the_guest_gets_the_listed_headers_and_those_we_make(headers: dict[str, str]) -> None:
    passed = to_guest(headers, **MADE)

    assert set(passed) <= LISTED_TO_GUEST | {"x-alga-tenant", "x-alga-extension"}
    assert passed["x-alga-tenant"] == "acme"
    assert passed["x-alga-extension"] == "e-1"
    assert passed["x-request-id"] == "r-1"
    assert all(
        passed[name] == value
        for name, value in headers.items()
        if name in LISTED_TO_GUEST - {"x-request-id", "traceparent"}
    )


@pytest.mark.parametrize(
    "name", ["authorization", "cookie", "proxy-authorization", "x-amz-security-token", "x-forwarded-for"]
)
def test_credentials_never_reach_the_guest(name: str) -> None:
    assert name not in to_guest({name: "secret"}, **MADE)


@pytest.mark.parametrize("name", ["x-alga-tenant", "x-alga-extension"])
def test_what_the_platform_says_cannot_be_said_by_the_caller(name: str) -> None:
    assert to_guest({name: "globex"}, **MADE)[name] != "globex"


@given(st.dictionaries(names, st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=5)))
def test_the_caller_gets_the_listed_headers_and_x_ext(headers: dict[str, str]) -> None:
    passed = to_caller(headers, PREFIX)

    assert all(name in LISTED_TO_CALLER or name.startswith("x-ext-") for name in passed)
    assert all(passed[name] == value for name, value in headers.items() if name in LISTED_TO_CALLER - CHANGED)


def test_an_answer_is_not_kept_unless_the_guest_says_so() -> None:
    assert to_caller({}, PREFIX) == ALWAYS
    assert to_caller({"Cache-Control": "max-age=5"}, PREFIX)["cache-control"] == "max-age=5, private"


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        ("public, s-maxage=60", "private"),
        ("PUBLIC, max-age=60", "max-age=60, private"),
        ("max-age=60, S-MaxAge=9", "max-age=60, private"),
        ("max-age=60, s-maxage = 9", "no-store"),
        ('"public", max-age=1', "no-store"),
        ("private", "private"),
        ("no-store", "no-store"),
        ("no-store, public", "no-store"),
        ("no-cache", "no-cache, private"),
        ('private="set-cookie", max-age=1', 'private="set-cookie", max-age=1, private'),
        ('no-cache="a, public"', 'no-cache="a, public", private'),
        ('public, no-cache="unclosed', "no-store"),
        (",,", "no-store"),
        ("", "no-store"),
        ("max-age=1, " * 100, "no-store"),
    ],
)
def test_no_shared_cache_keeps_an_answer(value: str, passed: str) -> None:
    assert to_caller({"cache-control": value}, PREFIX)["cache-control"] == passed


@given(st.lists(st.sampled_from(["public", "s-maxage=1", "private", "no-store", "max-age=3", "x", '"', ",", " "])))
def test_whatever_the_guest_says_no_shared_cache_keeps_an_answer(parts: list[str]) -> None:
    value = to_caller({"cache-control": ",".join(parts)}, PREFIX)["cache-control"]
    names = [part.partition("=")[0].strip() for part in value.split(",")]

    assert not {"public", "s-maxage"} & set(names)
    assert {"private", "no-store"} & set(names)


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        ("accept", "accept, authorization"),
        ("Authorization", "Authorization"),
        ("*", "*"),
        ("", "authorization"),
    ],
)
def test_an_answer_varies_by_the_caller(value: str, passed: str) -> None:
    assert to_caller({"vary": value}, PREFIX)["vary"] == passed


def test_a_repeated_header_is_joined() -> None:
    assert to_caller({"X-Ext-A": ["1", "2"]}, PREFIX)["x-ext-a"] == "1, 2"


@pytest.mark.parametrize(
    "name",
    [
        "set-cookie",
        "Set-Cookie",
        "content-security-policy",
        "access-control-allow-origin",
        "x-alga-tenant",
        "strict-transport-security",
        "connection",
        "content-length",
        "transfer-encoding",
        "clear-site-data",
    ],
)
def test_a_guest_cannot_set_any_other_header(name: str) -> None:
    assert to_caller({name: "x"}, PREFIX) == ALWAYS


@pytest.mark.parametrize(
    "name",
    ["x-ext-a\r\nset-cookie: a=1", "x-ext-a\n", "x-ext-a b", "x-ext-a:", "x-ext-é", "x-ext-\0", "x-ext-" + "a" * 200],
)
def test_a_header_name_that_is_no_token_is_left_out(name: str) -> None:
    assert to_caller({name: "x"}, PREFIX) == ALWAYS


@pytest.mark.parametrize(
    "value", ["a\r\nset-cookie: a=1", "a\n", "\r", "\0", "a\x7f", "\x1b[31m", "✓", "\u2028", "\ud800"]
)
def test_a_header_value_that_no_connection_carries_is_left_out(value: str) -> None:
    assert to_caller({"x-ext-a": value, "etag": ["b", value]}, PREFIX) == ALWAYS


# Redirects


@pytest.mark.parametrize(
    ("value", "location"),
    [
        ("/", f"{PREFIX}/"),
        ("/notes/1", f"{PREFIX}/notes/1"),
        ("/notes?next=//evil.example", f"{PREFIX}/notes?next=//evil.example"),
        (f"{PREFIX}/notes/1", f"{PREFIX}/notes/1"),
        (f"{PREFIX}?a=1", f"{PREFIX}?a=1"),
        (f"{PREFIX}#top", f"{PREFIX}#top"),
        (PREFIX, PREFIX),
        (f"{PREFIX}er/x", f"{PREFIX}{PREFIX}er/x"),
        ("/api/ext/other/x", f"{PREFIX}/api/ext/other/x"),
        ("/a%20b", f"{PREFIX}/a%20b"),
    ],
)
def test_a_redirect_stays_within_the_extension(value: str, location: str) -> None:
    assert own_location(value, PREFIX) == location


@pytest.mark.parametrize(
    "value",
    [
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "evil",
        "../x",
        "/../x",
        "/a/../../x",
        "/a/./b",
        "/%2e%2e/x",
        "/.%2E/x",
        "/%2fevil.example",
        "/a%5cb",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/.\t./x",
        "/\n",
        "/ x",
        " /x",
        "/é",
        "/x\x7f",
        "/a//b",
        "/..",
        f"{PREFIX}/../other",
    ],
)
def test_a_redirect_that_leads_elsewhere_is_left_out(value: str) -> None:
    assert own_location(value, PREFIX) is None
    assert "location" not in to_caller({"Location": value}, PREFIX)


@given(st.text(st.sampled_from("/.\\%2eEfF\t a?#:@"), max_size=12))
def test_wherever_a_redirect_leads_a_browser_stays_below_the_extension(value: str) -> None:
    location = own_location(value, PREFIX)
    if location is None:
        return
    path = urlsplit(location.replace("\t", "")).path
    depth = 0
    for segment in path.removeprefix(PREFIX).split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(segment.lower().replace("%2e", "."), 1)
        assert depth >= 0
    assert path.startswith(PREFIX)


# Traces


def test_a_trace_goes_on_through_us() -> None:
    assert trace_id({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}) == "ab" * 16


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        f"01-{'ab' * 16}-{'cd' * 8}-01",
        f"00-{'0' * 32}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'0' * 16}-01",
        f"00-{'AB' * 16}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'cd' * 8}-01\n",
        f"00-{'ab' * 16}-{'cd' * 8}-01-x",
    ],
)
def test_a_trace_that_is_not_well_formed_is_not_followed(value: str) -> None:
    assert trace_id({"traceparent": value}) is None
