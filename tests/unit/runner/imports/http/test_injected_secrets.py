"""A secret goes into its header, to its hosts, as a whole value. A response that brings it back fails the fetch."""

import base64
import gzip
from typing import Any

import pytest

from tests.support.fetching import Bench, Server
from tests.support.runner_fixture import EVERY_CAPABILITY
from tests.support.scripted_server import ScriptedServer, answer

VALUE = "s3cr3t-value-0123456789"
BEARER = [("authorization", "Bearer {{secret:key}}")]


def bench(here: str, **options: Any) -> Bench:
    return Bench([here], secrets={"key": (options.pop("value", VALUE), options.pop("hosts", [here]))}, **options)


def at(server: Server) -> str:
    return f"http://api.test:{server.port}"


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        ("{{secret:key}}", VALUE),
        ("Bearer {{secret:key}}", f"Bearer {VALUE}"),
        ("Basic {{secret:key|base64}}", f"Basic {base64.b64encode(VALUE.encode()).decode()}"),
    ],
)
@pytest.mark.parametrize("header", ["authorization", "Authorization", "AUTHORIZATION"])
def test_a_secret_goes_into_authorization_when_the_grant_names_no_header(
    server: Server, header: str, template: str, sent: str
) -> None:
    assert bench(at(server)).fetch(at(server), headers=[(header, template)])[0]
    assert server.seen[0][2]["authorization"] == sent


def test_a_secret_goes_into_the_header_that_the_grant_names(server: Server) -> None:
    made = bench(at(server), secret_headers={"key": "X-Api-Key"})
    assert made.fetch(at(server), headers=[("x-api-key", "{{secret:key}}")])[0]
    assert server.seen[0][2]["x-api-key"] == VALUE


@pytest.mark.parametrize(
    ("header", "granted"),
    [
        ("x-request-id", {}),
        ("access-control-request-headers", {}),
        ("x-api-key", {}),
        ("authorization", {"key": "x-api-key"}),
        ("x-api-key2", {"key": "x-api-key"}),
    ],
)
def test_a_secret_goes_into_no_other_header(server: Server, header: str, granted: dict[str, str]) -> None:
    made = bench(at(server), secret_headers=granted)
    assert made.fetch(at(server), "OPTIONS", headers=[(header, "{{secret:key}}")]) == (False, "not-allowed")
    allowed = granted.get("key", "authorization")
    reason = f"http.fetch refused: secret key may be put into header {allowed} only, not into {header}"
    assert (server.seen, made.explained, made.unsealer.opened) == ([], [reason], 0)


@pytest.mark.parametrize(
    "value", ["a={{secret:key}}", "{{secret:key}};", "bearer {{secret:key}}", "{{secret:key|hex}}"]
)
@pytest.mark.parametrize("header", ["authorization", "x"])
def test_a_placeholder_that_is_not_the_whole_value_is_refused(server: Server, header: str, value: str) -> None:
    made = bench(at(server))
    assert made.fetch(at(server), headers=[(header, value)]) == (False, "not-allowed")
    assert (server.seen, made.unsealer.opened) == ([], 0)
    assert "a secret must be the whole value of header" in made.explained[0]


def test_a_placeholder_in_a_url_is_refused(server: Server) -> None:
    made = bench(at(server))
    assert made.fetch(f"{at(server)}/?key={{{{secret:key}}}}") == (False, "not-allowed")
    assert made.explained == ["http.fetch refused: a secret cannot be put into a URL; put it into its header"]


def test_a_body_is_sent_as_it_is(server: Server) -> None:
    assert bench(at(server)).fetch(at(server), "POST", (), b"{{secret:key}}")[0]
    assert server.seen[0][3] == b"{{secret:key}}"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"hosts": ["other.test"]}, "secret key is bound to other.test, not to {here}"),
        ({"hosts": []}, "secret key is not bound to hosts; read it with secrets.get"),
        ({"expires_at_s": 1}, "secret key has expired"),
        (
            {"providers": [name for name in EVERY_CAPABILITY if name != "cap:secrets.get"]},
            "secret key cannot be used without the capability cap:secrets.get",
        ),
        ({"value": "two\r\nlines-0123456789"}, "the value of header authorization is not valid in HTTP"),
    ],
)
def test_the_reason_of_a_refusal_is_logged(server: Server, options: dict[str, Any], reason: str) -> None:
    made = bench(at(server), **options)
    assert made.fetch(at(server), headers=BEARER) == (False, "not-allowed")
    assert made.explained == [f"http.fetch refused: {reason.format(here=at(server))}"]
    assert server.seen == []


def test_a_secret_that_was_never_set_is_told_from_one_that_is_not_granted(server: Server) -> None:
    unset, denied = bench(at(server)), bench(at(server), hosts=None)
    unset.fetch(at(server), headers=[("authorization", "{{secret:OTHER}}")])
    denied.fetch(at(server), headers=BEARER)
    assert (unset.explained, denied.explained) == (
        ["http.fetch refused: secret OTHER is not set"],
        ["http.fetch refused: secret key is not granted"],
    )


# --- what comes back ---


def test_a_response_with_the_secret_fails_the_fetch_and_names_the_secret_only() -> None:
    with ScriptedServer(answer) as server:
        made = bench(server.url)
        assert made.fetch(server.url, headers=BEARER) == (False, "not-allowed")
    assert made.explained == [f"http.fetch refused: {server.url} sent the value of secret key back"]
    assert VALUE.encode() in server.heard[0]


def test_a_short_secret_may_come_back() -> None:
    with ScriptedServer(answer) as server:
        is_ok, (_, _, body) = bench(server.url, value="s3cr3t-15-chars").fetch(server.url, headers=BEARER)
    assert is_ok
    assert b"s3cr3t-15-chars" in body


def test_a_response_is_not_rewritten(server: Server) -> None:
    is_ok, (_, _, body) = bench(at(server)).fetch(at(server), "POST", BEARER, b"s3cr3t-value-012345678")
    assert (is_ok, body) == (True, b"s3cr3t-value-012345678")


def test_a_later_fetch_that_injects_nothing_is_searched_too() -> None:
    with ScriptedServer(lambda _heard: answer(VALUE.encode())) as server:
        assert bench(server.url).fetch(server.url) == (False, "not-allowed")


def test_another_host_of_the_same_call_is_searched_after_the_secret_was_used(server: Server) -> None:
    with ScriptedServer(lambda _heard: answer(VALUE.encode())) as other:
        made = Bench([at(server), other.url], secrets={"key": (VALUE, [at(server)])})
        first = made.fetcher.fetch(("GET", other.url, [], None))
        made.fetcher.fetch(("GET", at(server), BEARER, None))
        second = made.fetch(other.url)
    assert (first[0], second) == (True, (False, "not-allowed"))


def test_a_host_that_no_secret_is_bound_to_may_send_compressed_text(server: Server) -> None:
    made = bench(at(server), hosts=["other.test"])
    assert made.fetch(at(server), headers=[("accept-encoding", "gzip")])[0]
    assert (server.seen[0][2]["accept-encoding"], made.unsealer.opened) == ("gzip", 0)


def test_text_that_cannot_be_searched_is_not_asked_for_and_not_taken() -> None:
    packed = gzip.compress(VALUE.encode())
    with ScriptedServer(lambda _heard: answer(packed, b"Content-Encoding: gzip")) as server:
        made = bench(server.url)
        assert made.fetch(server.url, headers=[*BEARER, ("accept-encoding", "gzip")]) == (False, "not-allowed")
    assert b"\r\naccept-encoding: identity\r\n" in server.heard[0]
    assert "compressed its response" in made.explained[0]


def test_a_compressed_response_without_a_body_is_taken() -> None:
    with ScriptedServer(lambda _heard: answer(b"", b"Content-Encoding: gzip", status=b"204 No Content")) as server:
        assert bench(server.url).fetch(server.url, headers=BEARER)[0]


def test_a_redirect_with_the_secret_in_its_location_fails_the_fetch() -> None:
    location = b"Location: http://evil.test/?key=" + VALUE.encode()
    with ScriptedServer(lambda _heard: answer(b"", location, status=b"302 Found")) as server:
        assert bench(server.url).fetch(server.url, headers=BEARER) == (False, "not-allowed")


def test_a_redirect_is_not_followed_with_the_secret(server: Server) -> None:
    with ScriptedServer(lambda _heard: answer(b"", b"Location: " + at(server).encode(), status=b"307 T")) as first:
        is_ok, (status, _, _) = bench(first.url).fetch(first.url, headers=BEARER)
    assert (is_ok, status, server.seen) == (True, 307, [])
