"""From the execute envelope to the guest's request, and from the guest's response outwards."""

import pytest

from alga_ext.calls.envelope import ExecuteHttp, ExecuteUser
from alga_ext.errors import PlatformError
from functions.runner import envelope
from functions.runner.sandbox.protocol.messages import GuestUser

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def url(path: str, raw_query: str = "", query: dict[str, str | list[str]] | None = None) -> str:
    return envelope.guest_request(ExecuteHttp(method="GET", path=path, raw_query=raw_query, query=query or {})).url


def test_the_url_is_the_path_and_the_query_as_it_came() -> None:
    assert url("/a/b", "x=1&y=%20") == "/a/b?x=1&y=%20"


def test_a_path_without_a_query_has_no_question_mark() -> None:
    assert url("/a") == "/a"


def test_a_query_given_as_values_is_encoded_in_order() -> None:
    assert url("/a", query={"b": ["1", "2"], "c": "ä &"}) == "/a?b=1&b=2&c=%C3%A4+%26"


def test_a_path_that_is_encoded_already_stays_as_it_is() -> None:
    assert url("/a%2Fb/c%20d") == "/a%2Fb/c%20d"


def test_characters_that_a_url_cannot_hold_are_encoded() -> None:
    assert url("/ä b") == "/%C3%A4%20b"


def test_headers_given_as_lists_become_one_each() -> None:
    request = envelope.guest_request(ExecuteHttp(method="GET", path="/", headers={"a": ["1", "2"], "b": "3"}))
    assert request.headers == [("a", "1"), ("a", "2"), ("b", "3")]


def test_an_absent_body_is_not_an_empty_one() -> None:
    absent = envelope.guest_request(ExecuteHttp(method="GET", path="/"))
    empty = envelope.guest_request(ExecuteHttp(method="GET", path="/", body_b64=""))
    assert (absent.body, empty.body) == (None, b"")


@pytest.mark.parametrize(
    "http",
    [
        ExecuteHttp(method="get", path="/"),
        ExecuteHttp(method="", path="/"),
        ExecuteHttp(method="A" * 17, path="/"),
        ExecuteHttp(method="xGET", path="/"),
        ExecuteHttp(method="GET\n", path="/"),
        ExecuteHttp(method="GET", path="a"),
        ExecuteHttp(method="GET", path=""),
        ExecuteHttp(method="GET", path="/", body_b64="%%%"),
    ],
)
def test_a_request_that_cannot_be_is_refused(http: ExecuteHttp) -> None:
    with pytest.raises(PlatformError, match="invalid_request"):
        envelope.guest_request(http)


def test_a_method_of_sixteen_letters_passes() -> None:
    assert envelope.guest_request(ExecuteHttp(method="ABCDEFGHIJKLMNOP", path="/")).method == "ABCDEFGHIJKLMNOP"


def test_the_guest_gets_each_field_of_the_user() -> None:
    user = ExecuteUser(
        user_id="u1", user_email="u@acme.test", user_name="Una", user_type="client", client_name="Acme", client_id="c1"
    )

    assert envelope.guest_user(user, "acme") == GuestUser(
        "acme", "Acme", "u1", "u@acme.test", "Una", "client", "c1", []
    )
    assert envelope.guest_user(None, "acme") is None


def test_additional_fields_of_the_user_come_in_order_of_name() -> None:
    user = envelope.guest_user(ExecuteUser(user_id="u", additional_fields={"b": "2", "a": "1"}), "acme")
    assert user is not None
    assert user.additional_fields == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("status", [200, 204, 301, 404, 599])
def test_statuses_from_200_to_599_pass(status: int) -> None:
    assert envelope.response_fault(status, []) is None


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 600, 65_535])
def test_other_statuses_are_no_response(status: int) -> None:
    fault = envelope.response_fault(status, [])
    assert fault is not None
    assert fault.code == "guest_invalid_response"


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä", "a\0", "x" * 129])
def test_a_header_name_that_is_no_token_is_no_response(name: str) -> None:
    fault = envelope.response_fault(200, [(name, "v")])
    assert fault is not None
    assert fault.code == "guest_invalid_response"


@pytest.mark.parametrize("value", ["a\r\nset-cookie: x", "a\nb", "a\0", "\x7f", "łódź"])
def test_a_header_value_that_could_split_the_response_is_no_response(value: str) -> None:
    fault = envelope.response_fault(200, [("a", value)])
    assert fault is not None
    assert fault.code == "guest_invalid_response"


@pytest.mark.parametrize("pair", [("x" * 128, "v"), ("A0!#$%&'*+-.^_`|~z", "v"), ("a", ""), ("a", "\t ~\x80\xff")])
def test_a_header_that_rfc_9110_allows_passes(pair: tuple[str, str]) -> None:
    assert envelope.response_fault(200, [pair]) is None


def test_two_hundred_and_fifty_six_headers_pass() -> None:
    assert envelope.response_fault(200, [("a", "b")] * 256) is None


def test_too_many_headers_are_too_large() -> None:
    fault = envelope.response_fault(200, [("a", "b")] * 257)
    assert fault is not None
    assert (fault.code, "257" in fault.message, "256" in fault.message) == ("response_too_large", True, True)


@pytest.mark.parametrize(
    "headers",
    [[("a", "b" * 32_767)], [("abcd", "b" * 16_380), ("abcd", "b" * 16_380)], [("a" * 128, "b" * 128)] * 128],
    ids=["one", "two", "many"],
)
def test_headers_of_32_kib_pass_and_one_byte_more_is_too_large(headers: list[tuple[str, str]]) -> None:
    name, value = headers[-1]

    fault = envelope.response_fault(200, [*headers[:-1], (name, f"{value}b")])

    assert envelope.response_fault(200, headers) is None
    assert fault is not None
    assert fault.code == "response_too_large"


def test_repeated_headers_are_joined_under_one_lower_case_name() -> None:
    assert envelope.joined_headers([("Set-Cookie", "a"), ("set-cookie", "b"), ("X", "1"), ("SET-COOKIE", "c")]) == {
        "set-cookie": ["a", "b", "c"],
        "x": "1",
    }


def test_the_trace_id_is_the_callers() -> None:
    assert envelope.trace_id({"x": "1", "Traceparent": TRACEPARENT}) == "a" * 32


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "nonsense"},
        {"traceparent": f"x{TRACEPARENT}"},
        {"traceparent": f"{TRACEPARENT}-more"},
        {"traceparent": [TRACEPARENT, TRACEPARENT]},
        {"tracestate": TRACEPARENT},
        {},
    ],
    ids=["malformed", "before", "after", "twice", "another header", "absent"],
)
def test_without_one_valid_traceparent_there_is_no_trace_id(headers: dict[str, str | list[str]]) -> None:
    assert envelope.trace_id(headers) is None
