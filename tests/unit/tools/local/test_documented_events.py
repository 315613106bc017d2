"""What the local platform hands to functions has the members that AWS documents."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.documented import documented, members
from tools.local.gateway_events import Arrival, build_event
from tools.local.http_server import HttpRequest
from tools.local.queues import _record

HTTP = ["http_api_json", "http_api_form", "http_api_cookies", "http_api_default", "http_api_registry", "function_url"]
NOT_LOCAL = (".requestContext.authentication", ".requestContext.authorizer")
"""Who signed the request: there is neither IAM nor a client certificate on a local platform."""


def sent(event: dict[str, Any]) -> HttpRequest:
    """The request that the event came from."""
    own = {"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
    headers = [(name, value) for name, value in event["headers"].items() if name not in own]
    headers += [("cookie", "; ".join(event["cookies"]))] if "cookies" in event else []
    target = "?".join(filter(None, [event["rawPath"], event["rawQueryString"]]))
    text = event.get("body", "").encode()
    body = base64.b64decode(text) if event["isBase64Encoded"] else text
    return HttpRequest(event["requestContext"]["http"]["method"], target, tuple(headers), body, "203.0.113.7")


@pytest.mark.parametrize("name", HTTP)
def test_a_request_becomes_the_documented_event(name: str) -> None:
    event = documented(name)
    decode = name != "function_url"
    moment = datetime(2026, 3, 12, 19, 3, 58, tzinfo=UTC)
    parameters = event.get("pathParameters", {})

    made = build_event(sent(event), Arrival("r-1", moment, event["routeKey"], 443, parameters, decode))

    assert members(made) == {member for member in members(event) if not member.startswith(NOT_LOCAL)}
    for member in ("rawPath", "rawQueryString", "isBase64Encoded", "body", "cookies", "queryStringParameters"):
        assert made.get(member) == event.get(member), member
    for member in ("routeKey", "stage", "time", "timeEpoch"):
        assert made["requestContext"][member] == event["requestContext"][member], member


def test_a_message_becomes_the_documented_record() -> None:
    record = documented("sqs_batch")["Records"][0]
    message = {
        "MessageId": record["messageId"],
        "ReceiptHandle": record["receiptHandle"],
        "Body": record["body"],
        "MD5OfBody": record["md5OfBody"],
        "Attributes": record["attributes"],
    }

    made = _record(message, "executions")

    assert made.keys() == record.keys()
    assert made["attributes"] == record["attributes"]
    assert {name for name in made if made[name] != record[name]} == {"eventSourceARN", "awsRegion"}


@pytest.mark.parametrize("record", documented("sqs_batch")["Records"], ids=["accepted", "finished"])
def test_a_documented_record_names_the_hash_of_its_body(record: dict[str, Any]) -> None:
    assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()


@pytest.mark.parametrize("name", ["eventbridge_scheduled", "eventbridge_custom"])
def test_an_event_of_eventbridge_has_the_nine_members_of_its_page(name: str) -> None:
    page = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}

    assert documented(name).keys() == page
