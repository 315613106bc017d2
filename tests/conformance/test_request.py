"""What the guest sees of a request is what the envelope says."""

from urllib.parse import parse_qsl, unquote, urlencode

import pytest

from alga_ext.calls.envelope import decode_response, encode
from tests.conformance.conftest import EVERY_GUEST, LANGUAGES
from tests.conformance.envelopes import envelope
from tests.conformance.guest import Guest, echoed

MIB = 1024 * 1024
TEXTS = ["plain", "ünïcödé", "日本語", "emoji 🦊 and \u0301 marks", "right ‏to left", "\ufeffmark first", "\U0010ffff"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

# The runner may look into components; one whose imports do not come first is treated alike.
FAITHFUL = pytest.mark.parametrize("guest", [*EVERY_GUEST, "wat-imports-late", "wat-own-instance"], indirect=True)

CARRYING = pytest.mark.parametrize("guest", [*EVERY_GUEST, "wat-imports-late"], indirect=True)
"""All but a component that makes an instance of its own before its last import: the engine's cap holds for it."""


@FAITHFUL
@pytest.mark.parametrize("method", METHODS)
def test_the_method_arrives(guest: Guest, method: str) -> None:
    assert guest.receive(method=method).method == method


@FAITHFUL
def test_the_url_is_the_path_and_the_query_as_it_came(guest: Guest) -> None:
    query = "a=1&a=2&empty=&flag&plus=a+b&percent=%20%2F%C3%BC&semi=;&quote='"
    assert guest.receive(below="/some/where", query=query).url == f"/request/some/where?{query}"


@FAITHFUL
def test_the_url_without_a_query_has_no_question_mark(guest: Guest) -> None:
    assert guest.receive(below="/some/where").url == "/request/some/where"


@FAITHFUL
def test_query_parameters_are_encoded_when_there_is_no_raw_query(guest: Guest) -> None:
    given = {"plain": "1", "twice": ["a", "b"], "text": "ü & ? = 🦊", "empty": ""}
    path, _, query = guest.receive(query_map=given).url.partition("?")
    assert path == "/request"
    assert query.isascii()
    expected = [("plain", "1"), ("twice", "a"), ("twice", "b"), ("text", "ü & ? = 🦊"), ("empty", "")]
    assert parse_qsl(query, keep_blank_values=True) == expected


@FAITHFUL
@pytest.mark.parametrize("text", TEXTS)
def test_unicode_in_the_path_arrives_percent_encoded(guest: Guest, text: str) -> None:
    url = guest.receive(below=f"/{text}/end").url
    assert url.isascii()
    assert unquote(url) == f"/request/{text}/end"


@FAITHFUL
def test_what_is_encoded_in_the_path_is_not_encoded_again(guest: Guest) -> None:
    assert guest.receive(below="/a%20b%2Fc%C3%BC").url == "/request/a%20b%2Fc%C3%BC"


@FAITHFUL
@pytest.mark.parametrize("text", TEXTS)
def test_unicode_in_the_query_arrives(guest: Guest, text: str) -> None:
    url = guest.receive(query=urlencode({"q": text})).url
    assert parse_qsl(url.partition("?")[2]) == [("q", text)]


@FAITHFUL
@pytest.mark.parametrize("text", TEXTS)
def test_unicode_in_a_header_arrives(guest: Guest, text: str) -> None:
    # The decoder in StarlingMonkey's toolchain takes a leading byte order mark away, before the guest's code runs.
    arriving = text.removeprefix("\ufeff") if guest.name == "starlingmonkey" else text
    assert guest.receive(headers={"x-text": text}).headers == [("x-text", arriving)]


@FAITHFUL
def test_a_hundred_headers_arrive_in_order(guest: Guest) -> None:
    given = {f"x-header-{number}": f"value {number}" for number in range(100)}
    assert guest.receive(headers=given).headers == list(given.items())


@FAITHFUL
def test_a_header_with_several_values_arrives_several_times(guest: Guest) -> None:
    headers = guest.receive(headers={"x-first": "1", "x-many": ["a", "b", "a"], "x-last": "2"}).headers
    assert headers == [("x-first", "1"), ("x-many", "a"), ("x-many", "b"), ("x-many", "a"), ("x-last", "2")]


@FAITHFUL
def test_an_empty_header_value_and_a_long_one_arrive(guest: Guest) -> None:
    given = {"x-empty": "", "x-long": "v" * 8_000}
    assert guest.receive(headers=given).headers == list(given.items())


@FAITHFUL
def test_no_headers_are_no_headers(guest: Guest) -> None:
    assert guest.receive().headers == []


@FAITHFUL
def test_no_body_and_an_empty_body_are_told_apart(guest: Guest) -> None:
    assert guest.receive(body=None).body is None
    assert guest.receive(body=b"").body == b""


@FAITHFUL
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 255, 65_535, 65_536, 65_537, MIB, MIB + 3])
def test_a_body_of_any_size_comes_back_as_it_went(guest: Guest, size: int) -> None:
    body = patterned(size)
    assert echoed(guest, body) == body


@CARRYING
def test_a_body_of_four_mebibytes_comes_back_as_it_went(guest: Guest) -> None:
    body = patterned(4 * MIB)
    assert echoed(guest, body, timeout_ms=10_000) == body


@FAITHFUL
@pytest.mark.parametrize("text", TEXTS)
def test_a_body_of_unicode_text_arrives(guest: Guest, text: str) -> None:
    assert guest.receive(body=text.encode()).body == text.encode()


@FAITHFUL
def test_a_body_that_is_no_text_arrives(guest: Guest) -> None:
    body = bytes(range(256)) + b"\xff\xfe\x00\xc3\x28"
    assert guest.receive(body=body).body == body


@FAITHFUL
def test_every_call_has_a_fresh_instance(guest: Guest) -> None:
    assert [guest.count() for _ in range(5)] == [1] * 5


@pytest.mark.parametrize("guest", LANGUAGES, indirect=True)
def test_random_numbers_differ_from_call_to_call(guest: Guest) -> None:
    seen = {guest.run(method="GET", path="/random").body_b64 for _ in range(5)}
    assert len(seen) == 5


def test_unknown_fields_of_the_envelope_are_ignored(any_guest: Guest) -> None:
    request = envelope(any_guest.content_hash, path="/status/204")
    body = encode(request)[:-1] + b',"of_tomorrow":{"a":[1,null]}}'
    answer = any_guest.runner.post(body, any_guest.runner.token(request, body), request.context.tenant_id)
    assert (answer.status, decode_response(answer.body).status) == (200, 204)


def patterned(size: int) -> bytes:
    """Return bytes in which no stretch repeats soon, so that a piece out of place shows."""
    return b"".join(number.to_bytes(4, "little") for number in range(size // 4 + 1))[:size]
