"""A server that returns the secret it was sent: in every form that servers write, in every place of a response.

Family: forms × places × ways to send the secret, for values of many kinds.
"""

import base64
import re
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.guests import wat_snippets
from tests.security.test_secrets_stay_secret import injecting, told, told_and_answered
from tests.security.world import World
from tests.support.fetching import Bench
from tests.support.scripted_server import ScriptedServer, answer
from tests.support.secret_forms import FORMS

PLACES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "the body": answer,
    "the body of an error": lambda found: answer(b"<p>" + found + b"</p>", status=b"403 Forbidden"),
    "a chunked body": lambda found: (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (found[:7], found[7:]) if part)
        + b"0\r\n\r\n"
    ),
    "a body without a length": lambda found: b"HTTP/1.1 200 OK\r\n\r\n" + found,
    "a body after an interim response": lambda found: b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(found),
    "a header": lambda found: answer(b"", b"x-echo: " + found),
    "the second of two headers": lambda found: answer(b"", b"set-cookie: a=1", b"set-cookie: b=" + found),
    "a location": lambda found: answer(b"", b"location: https://evil.test/?k=" + found, status=b"302 Found"),
    "a folded header": lambda found: answer(b"", b"x-echo: a\r\n " + found),
    "a header of another letter case": lambda found: answer(b"", b"X-ECHO: " + found),
}
WAYS: Final = {"": "{{secret:key}}", "Bearer": "Bearer {{secret:key}}", "Basic": "Basic {{secret:key|base64}}"}
PRINTABLE: Final = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
examples = settings(max_examples=12, derandomize=True, deadline=None, database=None)


def comes_back(value: str, response: bytes, way: str = "Bearer") -> bool:
    """Fetch once with the secret; tell whether the guest gets the response.

    A response whose head has bytes that no header may have is refused before it is searched.
    """
    with ScriptedServer(lambda _heard: response) as server:
        bench = Bench([server.url], secrets={"key": (value, [server.url])})
        outcome = bench.fetch(server.url, headers=[("authorization", WAYS[way])])
    refusal = "transport" if b"\0" in response.partition(b"\r\n\r\n")[0] else "not-allowed"
    assert outcome[0] or outcome == (False, refusal)
    assert len(server.heard) == 1
    assert not any(value in line for line in bench.explained)
    return bool(outcome[0])


@pytest.mark.parametrize("place", PLACES)
@examples
@given(value=st.text(PRINTABLE, min_size=16, max_size=60), form=st.sampled_from(sorted(FORMS)))
def test_no_form_of_a_secret_comes_back_in_any_place(place: str, value: str, form: str) -> None:
    written = FORMS[form](value).replace(b"\n", b"" if "header" in place or "location" in place else b"\n")
    assert not comes_back(value, PLACES[place](written))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_that_was_sent_in_any_way_does_not_come_back_in_any_form(way: str, form: str) -> None:
    value = "user:s3cr3t/pass+word&<42>"
    assert not comes_back(value, answer(FORMS[form](value)), way)


@examples
@given(value=st.text(st.sampled_from("abcXYZ0189-_.~!#$%&'*+^`|"), min_size=16, max_size=60))
def test_a_secret_does_not_come_back_as_the_name_of_a_header(value: str) -> None:
    assert not comes_back(value, answer(b"", value.encode() + b": a"))
    assert not comes_back(value, answer(b"", b"x-" + value.upper().encode() + b": a"))


UNSEEN: Final[dict[str, Callable[[bytes], bytes]]] = {
    "the reason of the status": lambda found: answer(b"hello", status=b"200 " + found),
    "a trailer": lambda found: (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-echo: " + found + b"\r\n\r\n"
    ),
    "an extension of a chunk": lambda found: (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=" + found + b"\r\nhello\r\n0\r\n\r\n"
    ),
    "an interim response": lambda found: b"HTTP/1.1 103 Early\r\nlink: " + found + b"\r\n\r\n" + answer(b"hello"),
    "bytes after the body": lambda found: answer(b"hello") + found,
}
"""Parts of a response that no guest sees."""


@pytest.mark.parametrize("place", UNSEEN)
@examples
@given(value=st.text(PRINTABLE, min_size=16, max_size=60), form=st.sampled_from(sorted(FORMS)))
def test_a_guest_sees_nothing_of_a_response_but_status_headers_and_body(place: str, value: str, form: str) -> None:
    response = UNSEEN[place](FORMS[form](value).replace(b"\n", b""))
    with ScriptedServer(lambda _heard: response) as server:
        bench = Bench([server.url], secrets={"key": (value, [server.url])})
        outcome = bench.fetch(server.url, headers=[("authorization", WAYS["Bearer"])])
    seen = {name for name, _ in outcome[1][1]} if outcome[0] else set()
    assert outcome == (False, "transport") or (outcome[1][0], outcome[1][2]) == (200, b"hello")
    assert seen <= {"content-length", "transfer-encoding"}


@pytest.mark.parametrize("way", WAYS)
def test_the_header_that_was_sent_does_not_come_back(way: str) -> None:
    with ScriptedServer(answer) as server:
        bench = Bench([server.url], secrets={"key": ("user:s3cr3t-0123456", [server.url])})
        assert bench.fetch(server.url, headers=[("authorization", WAYS[way])]) == (False, "not-allowed")


def _in_ranges(heard: bytes) -> bytes:
    """Return the request's head as the body, or the range of it that the request asks for, as some servers do."""
    asked = re.search(rb"\r\nrange: bytes=(\d+)-(\d+)\r\n", heard, re.IGNORECASE)
    if asked is None:
        return answer(heard)
    first, last = int(asked[1]), int(asked[2])
    return answer(heard[first : last + 1], b"content-range: bytes %d-%d/*" % (first, last), status=b"206 Partial")


@pytest.mark.parametrize("name", ["range", "Range", "RANGE"])
@pytest.mark.parametrize("size", [1, 8, 15, 40])
def test_no_part_of_a_secret_comes_back_in_ranges_that_the_guest_chooses(name: str, size: int) -> None:
    value = "s3cr3t-value-0123456789-abcdefghijkl"
    learnt = b""
    with ScriptedServer(_in_ranges) as server:
        bench = Bench([server.url], secrets={"key": (value, [server.url])})
        for first in range(0, 400, size):
            asked = [(name, f"bytes={first}-{first + size - 1}"), ("if-range", '"etag"')]
            is_ok, found = bench.fetch(server.url, headers=[*asked, ("authorization", WAYS[""])])
            learnt += found[2] if is_ok else b""
    assert learnt == b""


def test_a_range_may_be_asked_of_a_host_that_no_secret_is_bound_to() -> None:
    with ScriptedServer(_in_ranges) as server:
        assert Bench([server.url]).fetch(server.url, headers=[("range", "bytes=0-3")])[1][2] == b"GET "


@pytest.mark.parametrize("place", PLACES)
@examples
@given(value=st.text(PRINTABLE, min_size=16, max_size=60))
def test_a_response_without_the_secret_is_not_refused(place: str, value: str) -> None:
    assert comes_back(value, PLACES[place](base64.b64encode(b"nothing of it here")))


# --- through the sandbox ---


def test_a_guest_does_not_get_a_response_with_the_secret(world: World) -> None:
    value = "kept-4f9b1c7d2e-0123"
    log, printed, response = told_and_answered(world, injecting(world, wat_snippets.fetcher(), "echo"), value)
    assert (response.status, response.body_b64) == (481, "")
    assert value not in log + printed
    assert "http.fetch refused" in log
    assert "sent the value of secret token back" in log


@pytest.mark.parametrize("header", ["access-control-request-headers", "x-request-id", "origin"])
def test_a_secret_is_not_sent_in_a_header_that_servers_return(world: World, header: str) -> None:
    request = injecting(world, wat_snippets.fetcher(), "echo")
    request.http.headers = {header: "{{secret:token}}"}
    heard = len(world.accomplice.heard)
    log = told(world, request, "kept-4f9b1c7d2e-0123")
    assert world.accomplice.heard[heard:] == []
    assert f"secret token may be put into header authorization only, not into {header}" in log
