"""Cross-origin resource sharing: which origins can be listed, what a preflight is, and which headers an answer gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.answer_headers import TO_CALLER
from functions.gateway.cors import is_preflight, parse_origins, preflight_response, sharing_headers
from functions.gateway.headers import to_caller
from functions.gateway.routing import METHODS
from tests.support.gateway import request

APP = "https://app.example.com"
ORIGINS = frozenset({APP})
ASKING = {"origin": APP, "access-control-request-method": "PUT"}


def words(value: str) -> set[str]:
    return {word.strip() for word in value.split(",")}


# The setting


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", set()),
        (APP, {APP}),
        (f"{APP}, https://b.example:8443", {APP, "https://b.example:8443"}),
        ("http://localhost:3000,http://127.0.0.1,http://[::1]:8080", None),
        ("https://xn--bcher-kva.example,https://[2001:db8::1]:444,https://10.0.0.1", None),
    ],
    ids=["none", "one", "two", "loopback", "other hosts"],
)
def test_an_origin_that_a_website_has_can_be_listed(text: str, origins: set[str] | None) -> None:
    assert parse_origins(text) == (set(text.split(",")) if origins is None else origins)


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("", "empty"),
        ("*", "every website"),
        ("null", "sandboxed"),
        ("app.example.com", "does not begin with"),
        ("ftp://app.example.com", "does not begin with"),
        ("chrome-extension://abc", "does not begin with"),
        ("HTTPS://app.example.com", "does not begin with"),
        ("https://app.example.com/", "the slash at the end"),
        ("https://app.example.com/page", "leave out"),
        ("https://app.example.com?a", "leave out"),
        ("https://app.example.com#a", "leave out"),
        ("https://user@app.example.com", "leave out"),
        ("https://App.example.com", "upper-case"),
        ("https://bücher.example", "xn--"),
        ("https://*.example.com", "no valid host"),
        ("https://", "no valid host"),
        ("https://.example.com", "no valid host"),
        ("https://a b.example", "no valid host"),
        ("https://app.example.com:", "no valid host"),
        ("https://app.example.com:0", "no valid host"),
        ("https://app.example.com:65536", "no valid host"),
        ("https://app.example.com:443", "names the port 443"),
        ("http://localhost:80", "names the port 80"),
        ("http://app.example.com", "not encrypted"),
        ("http://127.0.0.1.example.com", "not encrypted"),
        ("http://10.0.0.1", "not encrypted"),
    ],
)
def test_what_is_no_single_websites_origin_is_refused(origin: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^its origin 2 ") as refused:
        parse_origins(f"{APP},{origin}")

    assert reason in str(refused.value)


# Preflights


def test_a_browser_that_asks_for_a_listed_origin_gets_a_preflight_answer() -> None:
    assert is_preflight(request("OPTIONS", headers=ASKING), ORIGINS)


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("OPTIONS", {"origin": APP}),
        ("OPTIONS", {"access-control-request-method": "PUT"}),
        ("OPTIONS", {**ASKING, "origin": "https://other.example"}),
        ("OPTIONS", {**ASKING, "origin": "null"}),
        ("OPTIONS", {**ASKING, "origin": f"{APP},{APP}"}),
        ("GET", ASKING),
    ],
    ids=["no method asked", "no origin", "another origin", "null", "two origins", "not OPTIONS"],
)
def test_any_other_request_is_a_call(method: str, headers: dict[str, str]) -> None:
    assert not is_preflight(request(method, headers=headers), ORIGINS)


def test_without_listed_origins_there_is_no_preflight() -> None:
    assert not is_preflight(request("OPTIONS", headers=ASKING), frozenset())
    assert not is_preflight(request("OPTIONS", headers={"access-control-request-method": "PUT"}), frozenset())


def test_a_preflight_answer_allows_the_methods_and_the_headers_that_a_call_may_have() -> None:
    answer = preflight_response(request("OPTIONS", headers=ASKING))

    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert words(answer["headers"]["access-control-allow-methods"]) == METHODS
    assert words(answer["headers"]["access-control-allow-headers"]) >= {
        "authorization", "content-type", "idempotency-key", "if-match", "x-alga-tenant", "x-idempotency-key",
    }  # fmt: skip
    assert answer["headers"]["access-control-max-age"] == "7200"


def test_a_header_that_a_manifest_could_declare_is_allowed_when_it_is_asked_for() -> None:
    asked = {**ASKING, "access-control-request-headers": "X-Hub-Signature, x-other"}
    answer = preflight_response(request("OPTIONS", headers=asked))

    assert words(answer["headers"]["access-control-allow-headers"]) >= {"x-hub-signature", "x-other"}


@given(st.text() | st.sampled_from(["cookie", "*", "host", "proxy-authorization", "x-alga-extension", "a\r\nb: c"]))
def test_nothing_else_that_is_asked_for_is_allowed(name: str) -> None:
    plain = words(preflight_response(request("OPTIONS", headers=ASKING))["headers"]["access-control-allow-headers"])
    asked = {**ASKING, "access-control-request-headers": name}
    allowed = preflight_response(request("OPTIONS", headers=asked))["headers"]["access-control-allow-headers"]

    assert allowed.isascii()
    assert allowed.isprintable()
    assert not (words(allowed) - plain) & {"cookie", "host", "proxy-authorization", "x-alga-extension"}


# Answers


def test_a_listed_origin_may_read_every_header_that_passes() -> None:
    sent = {"x-request-id": "r", "etag": '"1"', "x-ext-total": "5", "vary": "accept, authorization"}
    added = sharing_headers(request(headers={"origin": APP}), sent, ORIGINS)

    assert added["access-control-allow-origin"] == APP
    assert added["vary"] == "accept, authorization, origin"
    assert words(added["access-control-expose-headers"]) >= TO_CALLER | {
        "idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after", "x-ext-total", "x-request-id",
    }  # fmt: skip
    assert "*" not in "".join(added.values())
    assert "access-control-allow-credentials" not in added


@pytest.mark.parametrize("headers", [{}, {"origin": "https://other.example"}, {"origin": "null"}])
def test_another_origin_gets_an_answer_that_only_varies(headers: dict[str, str]) -> None:
    assert sharing_headers(request(headers=headers), {}, ORIGINS) == {"vary": "origin"}


def test_without_listed_origins_nothing_is_added() -> None:
    assert sharing_headers(request(headers={"origin": APP}), {}, frozenset()) == {}


@pytest.mark.parametrize("vary", ["*", "Origin", "accept, ORIGIN"])
def test_an_answer_that_varies_by_origin_already_is_left_as_it_is(vary: str) -> None:
    assert sharing_headers(request(), {"vary": vary}, ORIGINS) == {"vary": vary}


@pytest.mark.parametrize(
    "name",
    [
        "access-control-allow-origin",
        "Access-Control-Allow-Credentials",
        "access-control-expose-headers",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-max-age",
        "access-control-allow-private-network",
    ],
)
def test_a_guests_own_sharing_headers_do_not_pass(name: str) -> None:
    assert name.lower() not in to_caller({name: "true"}, "/api/ext/acme.notes", "/notes")
