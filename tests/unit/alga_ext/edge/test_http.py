"""Events in, responses and problem documents out."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.edge.http import Request, json_response, problem, request_from_event, response
from alga_ext.errors import CODES, PlatformError
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
def test_a_response_body_comes_out_as_it_went_in(body: bytes) -> None:
    answer = response(200, {"content-type": "x"}, body)

    assert (base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()) == body


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


def test_retry_after_says_when() -> None:
    assert problem(PlatformError("rate_limited", "d", retry_after_s=7), "r")["headers"]["retry-after"] == "7"
