"""Which headers pass the gateway: those of the contract's two lists and no other."""

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.headers import HEADERS_LIMIT_BYTES, SINGLE, own_location, to_caller, to_guest, trace_id

MADE: dict[str, Any] = {
    "declared": [],
    "tenant_id": "acme",
    "extension_id": "e-1",
    "request_id": "r-1",
    "traceparent": "00-1",
}
PREFIX = "/api/ext/acme.notes"
PATH = "/notes/list"

LISTED_TO_GUEST = {
    "accept", "accept-language", "content-type", "content-encoding", "user-agent", "if-match", "if-none-match",
    "if-modified-since", "range", "accept-encoding", "origin", "access-control-request-method",
    "access-control-request-headers", "x-request-id", "traceparent", "idempotency-key",
}  # fmt: skip
"""Contract, section 3, "To the guest"."""
LISTED_TO_CALLER = {
    "allow", "content-type", "content-language", "content-encoding", "content-disposition", "content-range",
    "accept-ranges", "cache-control", "etag", "last-modified", "link", "location", "retry-after", "vary",
}  # fmt: skip
"""Contract, section 3, "Back to the caller"."""
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
    passed = to_caller(headers, PREFIX, PATH)

    assert all(name in LISTED_TO_CALLER or name.startswith("x-ext-") for name in passed)
    assert all(passed[name] == value for name, value in headers.items() if name in LISTED_TO_CALLER - CHANGED)


def test_an_answer_is_not_kept_unless_the_guest_says_so() -> None:
    assert to_caller({}, PREFIX, PATH) == ALWAYS
    assert to_caller({"Cache-Control": "max-age=5"}, PREFIX, PATH)["cache-control"] == "max-age=5, private"


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
    assert to_caller({"cache-control": value}, PREFIX, PATH)["cache-control"] == passed


@given(st.lists(st.sampled_from(["public", "s-maxage=1", "private", "no-store", "max-age=3", "x", '"', ",", " "])))
def test_whatever_the_guest_says_no_shared_cache_keeps_an_answer(parts: list[str]) -> None:
    value = to_caller({"cache-control": ",".join(parts)}, PREFIX, PATH)["cache-control"]
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
    assert to_caller({"vary": value}, PREFIX, PATH)["vary"] == passed


@pytest.mark.parametrize(("chars", "passed"), [(512, "x" * 512 + ", private"), (513, "no-store")])
def test_a_cache_control_of_512_characters_is_read(chars: int, passed: str) -> None:
    assert to_caller({"cache-control": "x" * chars}, PREFIX, PATH)["cache-control"] == passed


def test_a_header_name_of_128_characters_passes_and_a_longer_one_does_not() -> None:
    longest = "x-ext-" + "a" * 122

    assert to_caller({longest: "1", longest + "a": "2"}, PREFIX, PATH) == {**ALWAYS, longest: "1"}


@pytest.mark.parametrize(("name", "value"), [("a b", "1"), ("etag", "\n"), ("set-cookie", "1"), ("location", "//evil")])
def test_a_header_that_is_left_out_takes_no_other_with_it(name: str, value: str) -> None:
    assert to_caller({name: value, "x-ext-a": "1"}, PREFIX, PATH) == {**ALWAYS, "x-ext-a": "1"}


def test_the_headers_of_a_request_have_at_most_8_kib() -> None:
    assert HEADERS_LIMIT_BYTES == 8_192


def test_a_repeated_header_is_joined() -> None:
    assert to_caller({"X-Ext-A": ["1", "2"]}, PREFIX, PATH)["x-ext-a"] == "1, 2"


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
    assert to_caller({name: "x"}, PREFIX, PATH) == ALWAYS


@pytest.mark.parametrize(
    "name",
    ["x-ext-a\r\nset-cookie: a=1", "x-ext-a\n", "x-ext-a b", "x-ext-a:", "x-ext-é", "x-ext-\0", "x-ext-" + "a" * 200],
)
def test_a_header_name_that_is_no_token_is_left_out(name: str) -> None:
    assert to_caller({name: "x"}, PREFIX, PATH) == ALWAYS


@pytest.mark.parametrize(
    "value", ["a\r\nset-cookie: a=1", "a\n", "\r", "\0", "a\x7f", "\x1b[31m", "✓", "\u2028", "\ud800"]
)
def test_a_header_value_that_no_connection_carries_is_left_out(value: str) -> None:
    assert to_caller({"x-ext-a": value, "vary": ["b", value]}, PREFIX, PATH) == ALWAYS


@pytest.mark.parametrize("name", sorted(SINGLE - {"location"}))
def test_of_a_header_that_may_stand_once_the_first_value_passes(name: str) -> None:
    assert to_caller({name: ["1", "2"]}, PREFIX, PATH)[name] == "1"


@pytest.mark.parametrize("name", sorted(LISTED_TO_CALLER - SINGLE - CHANGED | {"x-ext-a"}))
def test_every_value_of_a_list_header_passes(name: str) -> None:
    assert to_caller({name: ["a", "b", "c"]}, PREFIX, PATH)[name] == "a, b, c"


@pytest.mark.parametrize("name", ["x-hub-signature-256", "x-github-event", "if-range"])
def test_a_header_that_the_manifest_names_reaches_the_guest(name: str) -> None:
    assert name not in to_guest({name: "v"}, **MADE)
    assert to_guest({name: "v"}, **{**MADE, "declared": [name]})[name] == "v"


@pytest.mark.parametrize("name", ["authorization", "cookie", "proxy-authorization", "connection", "host"])
def test_a_stored_manifest_cannot_ask_for_credentials(name: str) -> None:
    assert name not in to_guest({name: "v"}, **{**MADE, "declared": [name]})


def test_a_stored_manifest_cannot_let_the_caller_speak_for_the_platform() -> None:
    passed = to_guest(
        {"x-alga-tenant": "globex", "x-alga-x": "v"}, **{**MADE, "declared": ["x-alga-tenant", "x-alga-x"]}
    )

    assert passed["x-alga-tenant"] == "acme"
    assert "x-alga-x" not in passed


# Redirects


@given(st.lists(st.sampled_from(["a", "b%20c", ".", "..", "x:y", ""]), max_size=5), st.sampled_from(["", "?q=1", "#f"]))
def test_a_relative_redirect_is_resolved_as_a_browser_resolves_it(segments: list[str], rest: str) -> None:
    reference = "/".join(segments) + rest
    location = own_location(reference, PREFIX, PATH)

    if location is not None and not reference.startswith("/"):
        assert location == urljoin(PREFIX + PATH, reference)


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
        (f"{PREFIX}x/x", f"{PREFIX}{PREFIX}x/x"),
        ("/api/ext/other/x", f"{PREFIX}/api/ext/other/x"),
        ("/a%20b", f"{PREFIX}/a%20b"),
        ("p/x", f"{PREFIX}/notes/p/x"),
        ("evil", f"{PREFIX}/notes/evil"),
        ("?page=2", f"{PREFIX}/notes/list?page=2"),
        ("?next=//evil.example", f"{PREFIX}/notes/list?next=//evil.example"),
        ("./x", f"{PREFIX}/notes/x"),
        ("../x", f"{PREFIX}/x"),
        ("..", f"{PREFIX}/"),
        (".", f"{PREFIX}/notes/"),
        ("a/../b?c#d", f"{PREFIX}/notes/b?c#d"),
        ("./a:b", f"{PREFIX}/notes/a:b"),
        ("1#top", f"{PREFIX}/notes/1#top"),
    ],
)
def test_a_redirect_stays_within_the_extension(value: str, location: str) -> None:
    assert own_location(value, PREFIX, PATH) == location


@pytest.mark.parametrize(
    "value",
    [
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "../../x",
        "../../../../x",
        "..//evil.example",
        "x:y",
        "#top",
        "a b",
        "a//b",
        "a//../b",
        "%2e%2e/x",
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
    assert own_location(value, PREFIX, PATH) is None
    assert "location" not in to_caller({"Location": value}, PREFIX, PATH)


@given(st.text(st.sampled_from("/.\\%2eEfF\t a?#:@"), max_size=12))
def test_wherever_a_redirect_leads_a_browser_stays_below_the_extension(value: str) -> None:
    location = own_location(value, PREFIX, PATH)
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
        f"x00-{'ab' * 16}-{'cd' * 8}-01",
    ],
)
def test_a_trace_that_is_not_well_formed_is_not_followed(value: str) -> None:
    assert trace_id({"traceparent": value}) is None
