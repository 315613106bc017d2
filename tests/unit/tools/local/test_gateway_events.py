"""HTTP to payload format 2.0 and back."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tools.local.gateway_events import Arrival, build_event, read_outcome
from tools.local.http_server import HttpRequest
from tools.local.lambda_types import Outcome

MOMENT = datetime(2026, 11, 23, 12, 30, 15, 250_000, UTC)
ID = "0b5f3a52-6e5e-4c0f-a5f4-3a8d0a5d2f10"


def event(
    target: str = "/api/x", headers: tuple[tuple[str, str], ...] = (), body: bytes = b"", *, decode: bool = True
) -> dict[str, Any]:
    request = HttpRequest("POST", target, (("host", "local:8700"), *headers), body, "127.0.0.1")
    return build_event(request, Arrival(ID, MOMENT, "ANY /api/{proxy+}", 8700, {"proxy": "x"}, decode))


def test_identity_and_time() -> None:
    context = event()["requestContext"]

    assert context["requestId"] == ID
    assert context["http"]["method"] == "POST"
    assert context["http"]["sourceIp"] == "127.0.0.1"
    assert (context["timeEpoch"], context["time"]) == (1795437015250, "23/Nov/2026:12:30:15 +0000")


def test_repeated_headers_and_parameters_are_joined_and_cookies_set_apart() -> None:
    made = event("/api/x?a=1&a=2&b=%20&c", (("x-a", "1"), ("x-a", "2"), ("cookie", "k=v; l=w"), ("cookie", "m=x")))

    assert made["headers"]["x-a"] == "1,2"
    assert "cookie" not in made["headers"]
    assert made["cookies"] == ["k=v", "l=w", "m=x"]
    assert made["queryStringParameters"] == {"a": "1,2", "b": " ", "c": ""}
    assert made["rawQueryString"] == "a=1&a=2&b=%20&c"


def test_a_client_cannot_forge_where_it_comes_from() -> None:
    made = event(headers=(("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")))

    assert made["headers"]["x-forwarded-for"] == "10.0.0.1,127.0.0.1"
    assert made["headers"]["x-forwarded-proto"] == "http"


@pytest.mark.parametrize(("decode", "path"), [(True, "/api/a b/../ü"), (False, "/api/a%20b/%2e%2e/%C3%BC")])
def test_an_http_api_decodes_the_path_and_a_function_url_does_not(decode: bool, path: str) -> None:
    assert event("/api/a%20b/%2e%2e/%C3%BC", decode=decode)["rawPath"] == path


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/api/a%2Fb", "/api/a/b"),
        ("/api/a%3Fb/c", "/api/a"),
        ("/api/a%3fb?x=1", "/api/a"),
        ("/api/a%253Fb", "/api/a%3Fb"),
        ("/api/a%23b", "/api/a#b"),
    ],
)
def test_an_http_api_decodes_separators_and_cuts_the_path_at_a_question_mark(target: str, path: str) -> None:
    made = event(target)

    assert (made["rawPath"], made["requestContext"]["http"]["path"]) == (path, path)


@pytest.mark.parametrize("target", ["/api/a%2Fb", "/api/a%3Fb/c"])
def test_a_function_url_neither_decodes_nor_cuts(target: str) -> None:
    assert event(target, decode=False)["rawPath"] == target


def test_an_http_api_leaves_the_query_encoded() -> None:
    assert event("/api/a%3Fb?q=%20%3F")["rawQueryString"] == "q=%20%3F"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("application/json", b'{"a": 1}', True),
        ("text/plain; charset=utf-8", "ü".encode(), True),
        ("text/plain", b"\xff", False),
        ("Application/JSON; charset=utf-8", b"1", True),
        ("application/xml", b"<a/>", True),
        ("application/javascript", b"1", True),
        ("application/octet-stream", b"abc", False),
        ("application/x-www-form-urlencoded", b"a=1", False),
        ("application/cloudevents+json", b"{}", False),
        ("application/problem+json", b"{}", False),
        ("application/jsonl", b"{}", False),
        ("", b"abc", False),
    ],
)
def test_bodies_are_text_only_when_their_type_says_so_and_they_are(kind: str, body: bytes, text: bool) -> None:
    made = event(headers=(("content-type", kind),), body=body)

    assert made["isBase64Encoded"] is not text
    assert (made["body"].encode() if text else base64.b64decode(made["body"])) == body


def test_no_body_is_no_body() -> None:
    assert "body" not in event()


def answer(document: Any) -> Outcome:
    return Outcome(json.dumps(document).encode())


def test_a_response_with_everything() -> None:
    document = {
        "statusCode": 201,
        "headers": {"x-a": "1", "Content-Length": "999", "connection": "close"},
        "cookies": ["a=b"],
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
    }

    response = read_outcome(answer(document), ID)

    assert (response.status, response.body) == (201, b"\xff")
    assert response.headers == (("x-a", "1"), ("set-cookie", "a=b"), ("apigw-requestid", ID))


def test_anything_without_a_status_is_the_body_of_a_200() -> None:
    response = read_outcome(answer({"hello": "world"}), ID)

    assert (response.status, json.loads(response.body)) == (200, {"hello": "world"})


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(b'{"errorMessage": "x"}', "Unhandled"),
        Outcome(b"not json"),
        answer({"statusCode": "many"}),
        answer({"statusCode": 200, "headers": ["x"]}),
        answer({"statusCode": 200, "body": "%", "isBase64Encoded": True}),
        answer({"statusCode": 200, "headers": {"x": "1\r\nx-evil: 1"}}),
    ],
)
def test_failure_and_nonsense_are_500_and_tell_nothing(outcome: Outcome) -> None:
    response = read_outcome(outcome, ID)

    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal Server Error"})
