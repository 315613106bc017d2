"""Events in, responses and problem documents out."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.edge.http import Request, json_response, oversize, payload_bytes, problem, request_from_event, response
from alga_ext.errors import CODES, PlatformError
from tests.support.bodies import (
    MIB,
    PAYLOAD_LIMIT_BYTES,
    UNITS,
    as_lambda_writes,
    body,
    body_of_answer,
    largest_payload,
)
from tests.support.refusals import code_of


def event(**members: Any) -> dict[str, Any]:
    return {
        "rawPath": "/a",
        "rawQueryString": "x=1&x=2&y=",
        "headers": {"X-Thing": "1"},
        "requestContext": {"requestId": "gateway-1", "http": {"method": "get", "path": "/a", "sourceIp": "10.0.0.1"}},
        **members,
    }


def test_an_event_is_read_with_lower_case_header_names() -> None:
    request = request_from_event(event(body="text"))

    assert request == Request("GET", "/a", "x=1&x=2&y=", {"x-thing": "1"}, b"text", "gateway-1", "10.0.0.1")


def test_the_query_keeps_the_last_of_a_repeated_parameter() -> None:
    assert request_from_event(event()).query() == {"x": "2", "y": ""}


@given(st.binary(max_size=50))
def test_a_binary_body_travels_as_base64(body: bytes) -> None:
    given = event(body=base64.b64encode(body).decode(), isBase64Encoded=True)

    assert request_from_event(given).body == body


@pytest.mark.parametrize(
    "members", [{"body": "é!", "isBase64Encoded": True}, {"body": "YQ", "isBase64Encoded": True}, {"body": "\ud800"}]
)
def test_a_body_that_cannot_be_decoded_is_refused(members: dict[str, Any]) -> None:
    assert code_of(lambda: request_from_event(event(**members))) == "invalid_request"


@pytest.mark.parametrize(
    "given", [{}, {"headers": None, "body": None, "requestContext": None}, {"requestContext": {"http": None}}]
)
def test_an_event_with_nothing_in_it_is_a_request_for_the_root(given: dict[str, Any]) -> None:
    request = request_from_event(given)

    assert (request.method, request.path, request.body) == ("GET", "/", b"")
    assert request.request_id


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    found = request_from_event(
        {
            "rawPath": "/a\ud800",
            "rawQueryString": "q=\udfff",
            "headers": {"x-\ud800": "\udc00", "x-emoji": "\U0001f600"},
            "requestContext": {"requestId": "r\ud800", "http": {"method": "GET\ud800", "sourceIp": "\ud800"}},
        }
    )

    assert (found.path, found.raw_query, found.method, found.source_ip) == ("/a?", "q=?", "GET?", "?")
    assert found.headers == {"x-?": "?", "x-emoji": "\U0001f600"}
    assert found.request_id == "r?"


def test_a_header_without_value_is_left_out() -> None:
    assert request_from_event(event(headers={"a": None, "b": ""})).headers == {"b": ""}


@pytest.mark.parametrize("asked", ["r-1", "9b2d7a6e-0000", "a" * 128, "Root=1-67891233-abcdef012345678912345678"])
def test_a_well_formed_request_id_of_the_caller_is_kept(asked: str) -> None:
    assert request_from_event(event(headers={"X-Request-Id": asked})).request_id == asked


@pytest.mark.parametrize("asked", ["", "a b", "a\r\nset-cookie: x", "a\n", "é", "a" * 129, '"', "<script>"])
def test_any_other_request_id_is_replaced(asked: str) -> None:
    assert request_from_event(event(headers={"x-request-id": asked})).request_id == "gateway-1"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert code_of(Request("POST", "/", "", {}, body, "r", "").json) == "invalid_request"


@given(st.binary(max_size=50))
def test_a_response_body_comes_out_as_it_went_in(given: bytes) -> None:
    answer = response(200, {"content-type": "x"}, given)

    assert body_of_answer(answer) == given


@pytest.mark.parametrize("kind", UNITS)
def test_a_body_of_four_mebibytes_always_fits_into_a_lambda_payload(kind: str) -> None:
    given = body(kind, 4 * MIB)
    answer = response(200, {"x-ext-a": "\xff" * 32 * 1024}, given)

    assert body_of_answer(answer) == given
    assert largest_payload(answer) <= PAYLOAD_LIMIT_BYTES


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(UNITS)), st.integers(1, 4 * MIB)), max_size=5))
def test_any_mixture_up_to_four_mebibytes_arrives_whole_as_lambda_writes_it(parts: list[tuple[str, int]]) -> None:
    given = b"".join(body(kind, size) for kind, size in parts)[: 4 * MIB]

    for payload in as_lambda_writes(response(200, {"content-type": "text/plain"}, given)):
        assert len(payload) <= PAYLOAD_LIMIT_BYTES
        assert body_of_answer(json.loads(payload)) == given


@pytest.mark.parametrize(
    ("given", "is_base64"),
    [
        (b"plain text", False),
        (b"", False),
        (b'{"a": 1}' * 50, False),
        (b"\n" * 100, True),
        (b"\0" * 100, True),
        (("я" * 100).encode(), True),
        (b"\xff\xfe", True),
        (b"a" * 98 + b'"', False),
    ],
)
def test_a_body_is_base64_when_that_is_smaller(given: bytes, is_base64: bool) -> None:
    assert response(200, {}, given)["isBase64Encoded"] is is_base64


@given(st.lists(st.sampled_from(sorted(UNITS.values())), max_size=40).map(b"".join))
def test_the_form_of_a_body_is_never_larger_than_base64(given: bytes) -> None:
    quotation_marks = 2

    assert largest_payload(response(200, {}, given)["body"]) - quotation_marks <= len(base64.b64encode(given))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), st.text(max_size=60))
def test_the_counted_size_is_an_upper_bound_of_what_lambda_writes(headers: dict[str, str], text: str) -> None:
    answer = {"statusCode": 200, "headers": headers, "body": text, "isBase64Encoded": False}

    assert largest_payload(answer) <= payload_bytes(answer) == len(json.dumps(answer))


@pytest.mark.parametrize("unit", ["a", '"', "\0", "ä", "🦊", "\ud800"])
@pytest.mark.parametrize("place", ["body", "header"])
def test_an_answer_is_oversize_exactly_when_its_json_is_over_the_limit(unit: str, place: str) -> None:
    limit = 6 * 1024 * 1024

    def answer(count: int) -> dict[str, Any]:
        text = unit * count
        headers = {"x-ext-a": text if place == "header" else ""}
        return {
            "statusCode": 200,
            "headers": headers,
            "body": text if place == "body" else "",
            "isBase64Encoded": False,
        }

    for bytes_each in {len(json.dumps(unit)) - 2, 12}:
        for count in (
            1,
            limit // bytes_each - 6_000,
            limit // bytes_each - 20,
            limit // bytes_each,
            limit // bytes_each + 1,
        ):
            size = len(json.dumps(answer(count)))
            assert oversize(answer(count)) == (size if size > limit else None)


def test_many_short_headers_are_counted() -> None:
    answer = {"statusCode": 200, "headers": {f"{n}": "" for n in range(700_000)}, "body": "", "isBase64Encoded": False}

    assert oversize(answer) == len(json.dumps(answer)) > 6 * 1024 * 1024


def test_json_is_never_kept_by_caches_unless_said_so() -> None:
    assert json_response(200, {})["headers"]["cache-control"] == "no-store"
    assert json_response(200, {}, {"cache-control": "public"})["headers"]["cache-control"] == "public"


@pytest.mark.parametrize("code", CODES)
def test_every_error_is_a_problem_document(code: str) -> None:
    answer = problem(PlatformError(code, "What was wrong.", secret="s3://place"), "r-1")
    document = json.loads(answer["body"])

    assert document == {
        "type": f"https://alga.dev/errors#{code}",
        "title": CODES[code].title,
        "status": answer["statusCode"],
        "code": code,
        "detail": "What was wrong.",
        "instance": "r-1",
        "request_id": "r-1",
    }
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["headers"]["x-request-id"] == "r-1"
    assert "s3://place" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("code", "header"),
    [("rate_limited", "retry-after"), ("runner_unavailable", "retry-after"), ("unauthenticated", "www-authenticate")],
)
def test_a_status_brings_the_header_that_belongs_to_it(code: str, header: str) -> None:
    assert header in problem(PlatformError(code, "d"), "r")["headers"]


def test_a_refusal_may_repeat_any_text_of_the_request() -> None:
    answer = problem(PlatformError("endpoint_not_found", "There is no \ud800 here."), "r")

    assert json.loads(answer["body"])["detail"] == "There is no ? here."


def retry_after(error: PlatformError) -> str | None:
    found: str | None = problem(error, "r")["headers"].get("retry-after")
    return found


def test_retry_after_says_when() -> None:
    assert retry_after(PlatformError("rate_limited", "d", retry_after_s=7)) == "7"


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        ("extensions_disabled", "60"),
        ("queue_unavailable", "5"),
        ("database_unavailable", "1"),
        ("runner_unavailable", "1"),
        ("rate_limited", "1"),
    ],
)
def test_retry_after_is_the_codes_own_when_nothing_is_known(code: str, seconds: str) -> None:
    assert retry_after(PlatformError(code, "d")) == seconds


def test_an_errors_own_headers_are_sent() -> None:
    error = PlatformError("idempotency_in_progress", "d")
    error.headers = {"retry-after": "3", "x-request-id": "other"}

    headers = problem(error, "r-1", {"x-request-id": "r-1"})["headers"]

    assert (headers["retry-after"], headers["x-request-id"]) == ("3", "r-1")


@pytest.mark.parametrize("code", ["internal", "gateway_timeout", "not_found"])
def test_no_other_status_says_when(code: str) -> None:
    assert retry_after(PlatformError(code, "d", retry_after_s=7)) is None


def test_a_wrong_method_is_told_the_right_ones() -> None:
    assert (
        problem(PlatformError("method_not_allowed", "d", allow=["GET", "HEAD"]), "r")["headers"]["allow"] == "GET, HEAD"
    )
