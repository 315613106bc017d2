"""Translate the execute envelope into the guest's request, and check the guest's response (pure).

The guest's request is the WIT record ``http-request``: the path below the extension with the encoded query, and one
entry for each header value. The guest's response is checked before any part of it is sent: status, header names and
values, sizes.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from alga_ext.calls.envelope import ExecuteHttp, ExecuteUser
from alga_ext.calls.traceparent import HEADER, trace_id_of
from alga_ext.errors import PlatformError
from functions.runner.sandbox.protocol.messages import GuestRequest, GuestUser, Pair
from functions.runner.sandbox.protocol.verdict import Verdict

HEADERS_LIMIT: Final = 256
HEADER_BYTES_LIMIT: Final = 32 * 1024

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_METHOD = re.compile(r"[A-Z]{1,16}\Z")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~"


def guest_request(http: ExecuteHttp) -> GuestRequest:
    """Return the guest's request.

    Raises:
        PlatformError: ``invalid_request`` when the method, the path or the base64 body is not valid.
    """
    if not _METHOD.match(http.method):
        raise PlatformError("invalid_request", "http.method must consist of 1 to 16 upper-case letters, like 'GET'.")
    if not http.path.startswith("/"):
        raise PlatformError("invalid_request", "http.path must start with '/'.")
    body = None
    if http.body_b64 is not None:
        try:
            body = base64.b64decode(http.body_b64, validate=True)
        except (binascii.Error, ValueError):
            raise PlatformError("invalid_request", "http.body_b64 is not valid base64.") from None
    return GuestRequest(http.method, _url(http), list(_pairs(http.headers)), body)


def guest_user(user: ExecuteUser | None, tenant_id: str) -> GuestUser | None:
    """Return the calling user as the guest's ``user-data-v2``, or None for a call without a user."""
    if user is None:
        return None
    return GuestUser(
        tenant_id,
        user.client_name,
        user.user_id,
        user.user_email,
        user.user_name,
        user.user_type,
        user.client_id,
        sorted(user.additional_fields.items()),
    )


def response_fault(status: int, headers: list[Pair]) -> Verdict | None:
    """Return the fault of a guest's response, or None when the response is valid."""
    if not 200 <= status <= 599:
        return Verdict("guest_invalid_response", f"The extension answered status {status}; 200 to 599 are allowed.")
    if len(headers) > HEADERS_LIMIT:
        text = f"The extension answered {len(headers)} headers; at most {HEADERS_LIMIT} are allowed."
        return Verdict("response_too_large", text)
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if not _NAME.match(name):
            text = (
                "The extension answered a header with an invalid name; see 'token' in RFC 9110, at most 128 characters."
            )
            return Verdict("guest_invalid_response", text)
        if not _VALUE.match(value):
            text = f"The extension answered a value of header {name.lower()} with a character that is not allowed."
            return Verdict("guest_invalid_response", text)
    if size > HEADER_BYTES_LIMIT:
        text = f"The extension answered {size} bytes of headers; at most {HEADER_BYTES_LIMIT} are allowed."
        return Verdict("response_too_large", text)
    return None


def joined_headers(headers: list[Pair]) -> dict[str, str | list[str]]:
    """Return headers by lower-case name. A name that occurs more than once maps to its values in order."""
    joined: dict[str, str | list[str]] = {}
    for name, value in headers:
        key = name.lower()
        before = joined.get(key)
        if before is None:
            joined[key] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            joined[key] = [before, value]
    return joined


def trace_id(headers: Mapping[str, str | list[str]]) -> str | None:
    """Return the trace id of a ``traceparent`` header, or None without a valid one."""
    for name, value in headers.items():
        if name.lower() == HEADER and isinstance(value, str):
            return trace_id_of(value)
    return None


def _url(http: ExecuteHttp) -> str:
    path = quote(http.path, safe=_PATH_SAFE)
    query = http.raw_query or urlencode(list(_pairs(http.query)))
    return f"{path}?{query}" if query else path


def _pairs(values: Mapping[str, str | list[str]]) -> list[Pair]:
    return [(name, one) for name, value in values.items() for one in ([value] if isinstance(value, str) else value)]
