"""What comes back is what the guest answered, checked: statuses, headers, bodies."""

import pytest

from tests.conformance.conftest import EVERY_GUEST
from tests.conformance.envelopes import body_of, code_of, header_of
from tests.conformance.guest import Guest

MIB = 1024 * 1024

FAITHFUL = pytest.mark.parametrize("guest", [*EVERY_GUEST, "wat-imports-late", "wat-own-instance"], indirect=True)
CARRYING = pytest.mark.parametrize("guest", [*EVERY_GUEST, "wat-imports-late"], indirect=True)
"""All but a component that makes an instance of its own before its last import: the engine\'s cap holds for it."""


@FAITHFUL
def test_every_status_from_200_to_599_comes_back(guest: Guest) -> None:
    for status in range(200, 600):
        response = guest.run(method="GET", path=f"/status/{status}")
        assert (response.error, response.status) == (None, status)


@FAITHFUL
@pytest.mark.parametrize("status", [0, 1, 99, 100, 101, 199, 600, 601, 999, 65_535])
def test_a_status_outside_200_to_599_is_an_invalid_response(guest: Guest, status: int) -> None:
    response = guest.run(method="GET", path=f"/status/{status}")
    assert (code_of(response), response.status, response.body_b64) == ("guest_invalid_response", 502, None)


@FAITHFUL
def test_no_body_and_an_empty_body_come_back_without_bytes(guest: Guest) -> None:
    assert guest.respond(200, body=None).body_b64 in (None, "")
    assert guest.respond(200, body=b"").body_b64 in (None, "")


@FAITHFUL
def test_a_body_may_come_with_any_status(guest: Guest) -> None:
    for status in (200, 204, 304, 404, 500, 599):
        response = guest.respond(status, body=b"said")
        assert (response.status, body_of(response)) == (status, b"said")


@FAITHFUL
def test_a_body_that_is_no_text_comes_back(guest: Guest) -> None:
    body = bytes(range(256)) + b"\xff\xfe\x00\xc3\x28"
    assert body_of(guest.respond(200, body=body)) == body


@FAITHFUL
def test_a_hundred_headers_come_back(guest: Guest) -> None:
    sent = [(f"x-header-{number}", f"value {number}") for number in range(100)]
    response = guest.respond(200, sent)
    assert len(response.headers) == 100
    assert [(name, header_of(response, name)) for name, _ in sent] == [(name, [value]) for name, value in sent]


@FAITHFUL
def test_a_header_given_several_times_comes_back_with_each_value_in_order(guest: Guest) -> None:
    sent = [("x-many", "a"), ("set-cookie", "one=1"), ("X-Many", "b"), ("set-cookie", "two=2"), ("x-many", "a")]
    response = guest.respond(200, sent)
    assert header_of(response, "x-many") == ["a", "b", "a"]
    assert header_of(response, "set-cookie") == ["one=1", "two=2"]


@FAITHFUL
def test_a_header_value_may_be_empty_and_may_hold_any_visible_character(guest: Guest) -> None:
    visible = "".join(map(chr, range(0x20, 0x7F))) + "\t tab"
    response = guest.respond(200, [("x-empty", ""), ("x-visible", f"|{visible}|")])
    assert header_of(response, "x-empty") == [""]
    assert header_of(response, "x-visible") == [f"|{visible}|"]


@FAITHFUL
def test_every_token_character_may_be_in_a_header_name(guest: Guest) -> None:
    name = "x!#$%&'*+-.^_`|~09azAZ"
    assert header_of(guest.respond(200, [(name, "1")]), name) == ["1"]


@FAITHFUL
@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\nb", "a\0", "ä", "a/b", "(a)", "🦊"])
def test_a_header_name_that_is_no_token_is_an_invalid_response(guest: Guest, name: str) -> None:
    response = guest.respond(200, [("x-fine", "1"), (name, "1")])
    assert (code_of(response), response.status, response.headers) == ("guest_invalid_response", 502, {})


@FAITHFUL
@pytest.mark.parametrize("value", ["a\r\nset-cookie: b=1", "a\nb", "a\rb", "a\0b", "\x7f", "\x1b[31m"])
def test_a_header_value_with_a_control_character_is_an_invalid_response(guest: Guest, value: str) -> None:
    response = guest.respond(200, [("x-text", value)])
    assert (code_of(response), response.status, response.headers) == ("guest_invalid_response", 502, {})


@CARRYING
def test_an_answer_of_just_the_limit_comes_back(guest: Guest) -> None:
    response = guest.run(method="GET", path="/bytes", query=f"size={4 * MIB}", timeout_ms=10_000)
    assert body_of(response) == b"a" * (4 * MIB)


@pytest.mark.parametrize("guest", ["wat-own-instance"], indirect=True)
@pytest.mark.parametrize(("size", "code"), [(2 * MIB, None), (3 * MIB, "guest_trapped"), (4 * MIB, "guest_trapped")])
def test_a_component_the_adapter_cannot_take_answers_up_to_the_engines_cap(
    guest: Guest, size: int, code: str | None
) -> None:
    """ADR 0012; limits.md tells publishers of it: the engine carries 2.67 MiB of ``list<u8>``."""
    response = guest.run(method="GET", path="/bytes", query=f"size={size}", timeout_ms=10_000)
    assert (code_of(response), response.body_b64 is None) == (code, code is not None)


@CARRYING
def test_an_answer_over_the_limit_is_too_large_and_says_limit_and_size(guest: Guest) -> None:
    response = guest.run(method="GET", path="/bytes", query=f"size={4 * MIB + 1}", timeout_ms=10_000)
    assert (code_of(response), response.status, response.body_b64) == ("response_too_large", 502, None)
    assert response.error is not None
    assert str(4 * MIB) in response.error.message
    assert str(4 * MIB + 1) in response.error.message


@FAITHFUL
def test_far_more_headers_than_http_carries_are_too_large(guest: Guest) -> None:
    response = guest.respond(200, [(f"x-{number}", "v" * 100) for number in range(5_000)])
    assert (code_of(response), response.headers) == ("response_too_large", {})
