"""The HTTP rim: every request gets an answer with its id, every failure a problem document."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from alga_ext.edge.http import PAYLOAD_LIMIT_BYTES, Request, json_response
from alga_ext.edge.rim import Rim
from alga_ext.errors import PlatformError

EVENT = {"rawPath": "/x", "requestContext": {"requestId": "r-1", "http": {"method": "POST"}}, "body": "hello"}


def refused(_: Request) -> dict[str, Any]:
    raise PlatformError("not_installed", "It is not installed.", secret="hidden")


def broken(_: Request) -> dict[str, Any]:
    message = "a secret of the platform"
    raise ZeroDivisionError(message)


def test_an_answer_carries_the_requests_id() -> None:
    answer = Rim("test").answer(EVENT, lambda request: json_response(200, {"body": request.body.decode()}))

    assert (answer["headers"]["x-request-id"], json.loads(answer["body"])) == ("r-1", {"body": "hello"})


def test_a_refusal_becomes_its_problem_document() -> None:
    answer = Rim("test", headers={"x-more": "1"}).answer(EVENT, refused)
    document = json.loads(answer["body"])

    assert (answer["statusCode"], document["code"], document["request_id"]) == (404, "not_installed", "r-1")
    assert answer["headers"]["x-more"] == "1"
    assert "hidden" not in answer["body"]


@pytest.mark.parametrize(
    "route", [lambda _: json_response(200, {}), refused, broken], ids=["answer", "refusal", "fault"]
)
def test_every_answer_gets_the_headers_that_depend_on_its_request(route: Any) -> None:
    def added(request: Request, sent: Mapping[str, str]) -> dict[str, str]:
        return {"x-more": f"{request.path} {sent['x-request-id']}"}

    assert Rim("test", added=added).answer(EVENT, route)["headers"]["x-more"] == "/x r-1"


def test_added_headers_count_for_the_size_of_an_answer() -> None:
    rim = Rim("test", added=lambda _, sent: {"x-more": "a" * PAYLOAD_LIMIT_BYTES if len(sent) == 1 else ""})
    answer = rim.answer(EVENT, lambda _: {"statusCode": 200, "headers": {}, "body": ""})

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (502, "response_too_large")


def test_a_refusal_is_shown_as_the_function_wants_it() -> None:
    rim = Rim("test", lambda _: PlatformError("policy_unavailable", "Try again."))

    assert json.loads(rim.answer(EVENT, refused)["body"])["code"] == "policy_unavailable"


def test_a_fault_is_a_500_that_tells_nothing() -> None:
    answer = Rim("test").answer(EVENT, broken)

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (500, "internal")
    assert "secret of the platform" not in answer["body"]


def test_a_body_that_cannot_be_decoded_is_refused_with_the_requests_id() -> None:
    answer = Rim("test").answer({**EVENT, "body": "!", "isBase64Encoded": True}, broken)

    assert (answer["statusCode"], answer["headers"]["x-request-id"]) == (400, "r-1")


def test_a_function_without_bodies_decodes_none() -> None:
    rim = Rim("test", reads_bodies=False)
    answer = rim.answer(
        {**EVENT, "body": "!", "isBase64Encoded": True}, lambda request: json_response(200, len(request.body))
    )

    assert answer["body"] == "0"


@pytest.mark.parametrize(("size", "status"), [(6 * 1024 * 1024 - 1024, 200), (6 * 1024 * 1024, 502)])
def test_an_answer_that_lambda_would_not_carry_is_a_problem_with_the_requests_id(size: int, status: int) -> None:
    answer = Rim("test").answer(EVENT, lambda _: {"statusCode": 200, "headers": {}, "body": "a" * size})

    assert (answer["statusCode"], answer["headers"]["x-request-id"]) == (status, "r-1")
    if status == 502:
        assert json.loads(answer["body"])["code"] == "response_too_large"
