"""Convert API Gateway v2 events into requests, and build responses and problem documents.

The payload format is version 2.0 of API Gateway's HTTP API. Function URLs and the local front use the same format.
Problem documents follow RFC 9457.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from alga_ext.errors import PlatformError
from alga_ext.ids import new_id

PROBLEM_TYPE_BASE: Final = "https://alga.dev/errors#"
PAYLOAD_LIMIT_BYTES: Final = 6 * 1024 * 1024
"""The size of the largest answer of a Lambda function: 6 MiB of JSON, escapes included."""

_LARGEST_CHARACTER_BYTES: Final = 12
"""Beyond U+FFFF, JSON in ASCII writes a character as two escapes of six bytes."""
_MEMBERS: Final = frozenset({"statusCode", "headers", "body", "isBase64Encoded"})
_SMALL_BYTES: Final = 64 * 1024
"""Room for everything in an answer but the characters of headers and body: names, quotation marks, separators."""
_PLAIN: Final = bytes(character for character in range(0x20, 0x7F) if character not in b'"\\')
"""The characters that JSON in ASCII does not escape."""
_SHORT: Final = b'"\\\b\f\n\r\t'
"""The characters whose escape in JSON has two bytes. Every other one has more."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}\Z")


class Request(NamedTuple):
    """One HTTP request.

    ``path`` is the event's ``rawPath``: already percent-decoded when it comes from an HTTP API, still encoded when it
    comes from a function URL.
    ``headers`` have lower-case names. API Gateway has already joined repeated headers with a comma.
    """

    method: str
    path: str
    raw_query: str
    headers: dict[str, str]
    body: bytes
    request_id: str
    source_ip: str

    def query(self) -> dict[str, str]:
        """Return the query parameters; of a repeated parameter, the last value."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    def json(self) -> Any:
        """Return the body parsed as JSON.

        Raises:
            PlatformError: ``invalid_request`` when the body is not UTF-8 JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise PlatformError(
                "invalid_request", f"The body is not JSON: {error}. Send a UTF-8 JSON document."
            ) from None


def request_from_event(event: Mapping[str, Any]) -> Request:
    """Build a request from an API Gateway v2 event.

    A well-formed ``x-request-id`` of the caller is kept, so that a call can be followed in the logs of both systems.
    Otherwise API Gateway's request id is used, or a new one when the event has none. A lone surrogate in a text, which
    JSON can spell although no encoding of Unicode has it, becomes ``?``.

    Raises:
        PlatformError: ``invalid_request`` when the body cannot be decoded.
    """
    context = event.get("requestContext") or {}
    http = context.get("http") or {}
    headers = {
        _text(name).lower(): _text(value) for name, value in (event.get("headers") or {}).items() if value is not None
    }
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(body, validate=True)
        except ValueError:
            raise PlatformError("invalid_request", "The body of the event is not valid base64.") from None
    else:
        try:
            raw = body.encode()
        except UnicodeEncodeError:
            raise PlatformError("invalid_request", "The body of the event is not valid text.") from None
    asked = headers.get("x-request-id", "")
    return Request(
        method=_text(http.get("method", "GET")).upper(),
        path=_text(event.get("rawPath") or http.get("path") or "/"),
        raw_query=_text(event.get("rawQueryString") or ""),
        headers=headers,
        body=raw,
        request_id=asked if _REQUEST_ID.match(asked) else _text(context.get("requestId") or new_id()),
        source_ip=_text(http.get("sourceIp") or ""),
    )


def _text(value: object) -> str:
    text = str(value)
    return text if text.isascii() else text.encode(errors="replace").decode()


def bearer_token(authorization: str | None) -> str:
    """Return the token of an ``authorization`` header, which is not verified; an empty text when there is none.

    Spaces around the token and the letter case of the scheme are ignored.
    """
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def response(status: int, headers: Mapping[str, str], body: bytes = b"") -> dict[str, Any]:
    """Build an API Gateway v2 response.

    The body is base64 when it is not UTF-8 text, or when base64 is smaller: JSON escapes make a text up to six times
    as large. So a body of 4 MiB always fits into a Lambda payload.
    """
    answer: dict[str, Any] = {"statusCode": status, "headers": dict(headers)}
    text = _short_text(body)
    answer["body"] = base64.b64encode(body).decode() if text is None else text
    answer["isBase64Encoded"] = text is None
    return answer


def oversize(answer: Mapping[str, Any]) -> int | None:
    """Return the size of an API Gateway v2 response that does not fit into a Lambda payload, or None when it fits.

    Most responses are so small that they fit whatever their characters are. Then nothing is encoded.
    """
    headers = answer["headers"]
    characters = len(answer.get("body") or "") + len("".join(headers)) + len("".join(map(str, headers.values())))
    if (
        answer.keys() <= _MEMBERS
        and len(headers) < 1_000
        and characters * _LARGEST_CHARACTER_BYTES + _SMALL_BYTES < PAYLOAD_LIMIT_BYTES
    ):
        return None
    size = payload_bytes(answer)
    return size if size > PAYLOAD_LIMIT_BYTES else None


def payload_bytes(answer: Mapping[str, Any]) -> int:
    r"""Return the size of an API Gateway v2 response as a Lambda payload: as JSON in ASCII.

    Lambda's runtime client writes ``ä`` as two bytes or as ``\u00e4``, depending on ``AWS_EXECUTION_ENV``. The larger
    form is counted, so that the result is an upper bound in every environment.
    """
    body = str(answer.get("body") or "")
    return len(json.dumps({**answer, "body": ""})) + _escaped_bytes(body.encode(errors="surrogatepass"))


def _short_text(body: bytes) -> str | None:
    """Return a body as text, or None when it is not UTF-8 or when base64 is smaller."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    base64_bytes = (len(body) + 2) // 3 * 4
    escaped = body.translate(None, _PLAIN)
    least_bytes = len(body) + len(escaped)  # every escaped byte becomes two bytes or more
    is_exact = not escaped.translate(None, _SHORT)
    fits = least_bytes <= base64_bytes and (is_exact or _escaped_bytes(body) <= base64_bytes)
    return text if fits else None


def _escaped_bytes(text: bytes) -> int:
    """Return the size of a UTF-8 text within a JSON string in ASCII, without the quotation marks.

    Only what needs an escape is encoded here: encoding all of a text of 4 MiB would take ten times as long.
    """
    escaped = text.translate(None, _PLAIN)
    quotation_marks = 2
    return len(text) - len(escaped) + len(json.dumps(escaped.decode(errors="surrogatepass"))) - quotation_marks


def json_response(status: int, document: object, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Build a JSON response that must not be cached, unless ``headers`` say otherwise."""
    # An error detail may quote a lone surrogate from the request. UTF-8 cannot encode it, so it becomes "?".
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return response(status, {"content-type": "application/json", "cache-control": "no-store", **(headers or {})}, body)


def problem(error: PlatformError, request_id: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Build the problem document of ``error`` (RFC 9457).

    It contains the error's members, but not its context. Besides the error's headers, two things become headers: with
    status 429 or 503, ``retry_after_s``; and ``allow`` of the context, the methods that the path allows.
    """
    document = {
        "type": f"{PROBLEM_TYPE_BASE}{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "instance": request_id,
        "request_id": request_id,
    }
    document = {**document, **error.members, **document}  # no member replaces one of these
    extra = {"content-type": "application/problem+json", "x-request-id": request_id, **error.headers, **(headers or {})}
    if error.status in (429, 503) and "retry-after" not in extra:
        extra["retry-after"] = str(error.retry_after_s)
    if isinstance(allow := error.context.get("allow"), list):
        extra["allow"] = ", ".join(allow)
    if error.status == 401:
        extra.setdefault("www-authenticate", "Bearer")
    return json_response(error.status, document, extra)
