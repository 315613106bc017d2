"""Convert HTTP requests to events of API Gateway's payload format 2.0, and answers back to HTTP (pure).

Two AWS services use this format and differ in one point: an HTTP API decodes the path (`decoded_path`), a function URL
passes it as the client sent it.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from tools.local.http_server import HttpRequest, HttpResponse
from tools.local.lambda_types import ACCOUNT_ID, Outcome

_TEXT_TYPES = frozenset({"application/javascript", "application/json", "application/xml"})
# Set by the connection, not by a function.
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the front adds to a request: its id, its time of arrival, and its route."""

    request_id: str
    moment: datetime
    route_key: str
    port: int
    path_parameters: dict[str, str]
    decode_path: bool


def build_event(request: HttpRequest, arrival: Arrival) -> dict[str, Any]:
    """Return the event that API Gateway would send to the function for this request."""
    raw_path, _, raw_query = request.target.partition("?")
    path = decoded_path(raw_path) if arrival.decode_path else raw_path
    headers = _joined_headers(request, arrival)
    cookies = [part.strip() for name, value in request.headers if name == "cookie" for part in value.split(";")]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": arrival.route_key,
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "domainName": headers.get("host", "127.0.0.1"),
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.peer,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": arrival.request_id,
            "routeKey": arrival.route_key,
            "stage": "$default",
            "time": arrival.moment.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(arrival.moment.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if raw_query:
        event["queryStringParameters"] = _joined_query(raw_query)
    if arrival.path_parameters:
        event["pathParameters"] = arrival.path_parameters
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request.body, headers.get("content-type", ""))
    return event


def decoded_path(raw_path: str) -> str:
    """Return a path as an HTTP API hands it over: decoded, so that `%2F` separates, and cut at a decoded `?`."""
    return unquote(raw_path).partition("?")[0]


def read_outcome(outcome: Outcome, request_id: str) -> HttpResponse:
    """Return the HTTP response for a function's outcome; 500 if the function failed or its answer is not valid."""
    if outcome.error is not None:
        return refusal(500, "Internal Server Error", request_id)
    try:
        answer = msgspec.json.decode(outcome.payload)
        if not isinstance(answer, dict) or "statusCode" not in answer:
            # API Gateway treats any answer without a status code as the body of a 200.
            return HttpResponse(200, (("apigw-requestid", request_id),), outcome.payload)
        status = int(answer["statusCode"])
        headers = [(str(k), str(v)) for k, v in (answer.get("headers") or {}).items() if k.lower() not in HOP_HEADERS]
        headers += [("set-cookie", str(cookie)) for cookie in answer.get("cookies") or []]
        text = answer.get("body") or ""
        body = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else str(text).encode()
    except (msgspec.DecodeError, binascii.Error, TypeError, ValueError, AttributeError):
        return refusal(500, "Internal Server Error", request_id)
    if any("\r" in part or "\n" in part for header in headers for part in header):
        return refusal(500, "Internal Server Error", request_id)
    return HttpResponse(status, (*headers, ("apigw-requestid", request_id)), body)


def refusal(status: int, message: str, request_id: str) -> HttpResponse:
    """Return an error answer in the shape of API Gateway's own errors."""
    return HttpResponse(status, (("apigw-requestid", request_id),), msgspec.json.encode({"message": message}))


def _joined_headers(request: HttpRequest, arrival: Arrival) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers:
        if name != "cookie":
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    headers["x-forwarded-for"] = ",".join(filter(None, [headers.get("x-forwarded-for"), request.peer]))
    headers["x-forwarded-port"] = str(arrival.port)
    headers["x-forwarded-proto"] = "http"
    headers["x-amzn-trace-id"] = (
        f"Root=1-{int(arrival.moment.timestamp()):08x}-{arrival.request_id.replace('-', '')[:24]}"
    )
    return headers


def _joined_query(raw_query: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return the body as text or as base64, and whether it is base64.

    API Gateway takes only these types as text. A form, another `…+json` type or no type at all is base64
    (https://github.com/ministackorg/ministack/pull/766, tried on AWS).
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # the content does not fit its type, so it is sent as base64
    return base64.b64encode(body).decode(), True
