"""Read CloudEvents 1.0 from HTTP requests: structured, binary and in batches (pure).

It follows the HTTP binding and the JSON format of CloudEvents 1.0.2. Only JSON is taken as data, because every topic
has a JSON Schema.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from alga_ext import strict_json
from alga_ext.calls.deliveries import EVENT_LIMIT_BYTES, HOPS_LIMIT
from alga_ext.calls.topics import RESERVED_SOURCES, is_topic
from alga_ext.errors import PlatformError
from alga_ext.ids import TENANT_ID
from alga_ext.strict_json import JsonError
from functions.registry.events.event import Event

BATCH_LIMIT: Final = 100
"""How many events one request may have."""
REQUEST_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""The largest body of a request."""
TENANT: Final = "algatenant"
HOPS: Final = "algahops"

ID_LIMIT_CHARS: Final = 256
SOURCE_LIMIT_CHARS: Final = 1_024
_TEXT_LIMIT_CHARS: Final = 1_024
_ATTRIBUTES_LIMIT: Final = 32
_INTEGER_LIMIT: Final = 2**31
_BATCH: Final = "application/cloudevents-batch"
_STRUCTURED: Final = "application/cloudevents"
_NAME: Final = re.compile(r"[a-z0-9]{1,20}", re.ASCII)
_URI: Final = re.compile(r"[!#-;=?-\[\]_a-z~%]+")
_TIME: Final = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)"
    r"(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_NOT_TEXT: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What the type String of CloudEvents does not have; of the noncharacters, those of the first plane."""
_MALFORMED_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_IDENTIFYING: Final = ("id", "source", "type", "specversion", TENANT, HOPS)
"""A comma in their headers is refused: API Gateway joins repeated headers with one."""
_NO_HEADER: Final = ("data", "datacontenttype")


def read(headers: Mapping[str, str], body: bytes) -> list[Event | PlatformError]:
    """Return the events of a request, each of them checked, or what is wrong with it.

    Args:
        headers: of the request, with lower-case names.
        body: of at most ``REQUEST_LIMIT_BYTES``.

    Raises:
        PlatformError: ``event_invalid`` when the request itself cannot be read.
    """
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    media_type = media_type.strip()
    if not media_type.startswith(_STRUCTURED):
        return [_checked_or_refused(_binary(headers, body))]
    if "charset" in parameters and "utf-8" not in parameters:
        raise _invalid("its charset is not utf-8; send JSON in UTF-8")
    # The name of a batch begins with the name of one event, so it is compared first.
    if media_type.startswith(_BATCH):
        if media_type != f"{_BATCH}+json":
            raise _invalid(f"{media_type[:100]!r} is not supported; send {_BATCH}+json")
        batch = _parsed(body)
        if not isinstance(batch, list):
            raise _invalid("a batch is a JSON list of events")
        if len(batch) > BATCH_LIMIT:
            raise _invalid(f"it has {len(batch)} events; at most {BATCH_LIMIT} are allowed in a request")
        return [_checked_or_refused(document) for document in batch]
    if media_type != f"{_STRUCTURED}+json":
        raise _invalid(f"{media_type[:100]!r} is not supported; send {_STRUCTURED}+json")
    return [_checked_or_refused(_parsed(body))]


def check(document: Any) -> Event:
    """Check a CloudEvent in the JSON format.

    Raises:
        PlatformError: ``event_invalid``; ``too_many_hops``; ``payload_too_large`` for one of more than
            ``EVENT_LIMIT_BYTES``.
    """
    if not isinstance(document, dict):
        raise _invalid("an event is a JSON object")
    # A member that is null is absent (JSON format, section 2.2), except data, for which null is a value.
    event = {name: value for name, value in document.items() if value is not None or name == "data"}
    if "data_base64" in event:
        raise _invalid("data_base64 is not supported; send JSON in data")
    attributes = {name: value for name, value in event.items() if name != "data"}
    _check_attributes(attributes)
    tenant_id, hops = event.pop(TENANT, None), event.pop(HOPS, 0)
    if tenant_id is not None and not (isinstance(tenant_id, str) and TENANT_ID.match(tenant_id)):
        raise _invalid(f"{TENANT} needs 1 to 64 letters, digits, '_', '.' or '-'")
    if isinstance(hops, str) and re.fullmatch("[0-9]{1,9}", hops, re.ASCII):
        hops = int(hops)  # a binary event has text only
    if not isinstance(hops, int) or isinstance(hops, bool) or hops < 0:
        raise _invalid(f"{HOPS} must be a whole number from 0 to {HOPS_LIMIT}")
    if hops > HOPS_LIMIT:
        raise PlatformError(
            "too_many_hops",
            f"The event's {HOPS} is {hops}; at most {HOPS_LIMIT} events in a row may cause each other. Look for "
            "handlers that cause the event that they handle.",
        )
    found = {**event, HOPS: hops}
    body = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    if (size := len(body.encode())) > EVENT_LIMIT_BYTES:
        raise PlatformError(
            "payload_too_large",
            f"The event has {size} bytes as JSON; at most {EVENT_LIMIT_BYTES} are allowed. Send a reference to larger "
            "data.",
        )
    return Event(found, body, tenant_id)


def _checked_or_refused(document: Any) -> Event | PlatformError:
    try:
        return check(document)
    except PlatformError as error:
        return error


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    if attributes.get("specversion") != "1.0":
        raise _invalid("specversion must be the text 1.0")
    if len(attributes) > _ATTRIBUTES_LIMIT:
        raise _invalid(f"it has {len(attributes)} attributes; at most {_ATTRIBUTES_LIMIT} are allowed")
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise _invalid(f"{name[:100]!r} is not a name of an attribute: it needs 1 to 20 of a-z and 0-9")
        if isinstance(value, str):
            if len(value) > _TEXT_LIMIT_CHARS:
                raise _invalid(f"{name} has {len(value)} characters; at most {_TEXT_LIMIT_CHARS} are allowed")
            if _NOT_TEXT.search(value):
                raise _invalid(f"{name} contains a control character or another one that no text has")
        elif not isinstance(value, bool | int) or not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
            raise _invalid(f"{name} must be a text, true, false, or a whole number of 32 bits")
    _check_required(attributes)
    for name in ("subject", "dataschema", "datacontenttype", "time"):
        if name in attributes and not (isinstance(attributes[name], str) and attributes[name]):
            raise _invalid(f"{name} must be a text that is not empty")
    if "time" in attributes and not (_TIME.fullmatch(attributes["time"]) and _is_date(attributes["time"][:10])):
        raise _invalid("time must be an instant as in RFC 3339, such as 2026-03-01T12:00:00Z")
    if "dataschema" in attributes and not _URI.fullmatch(attributes["dataschema"]):
        raise _invalid("dataschema must be a URI")
    if not is_json(attributes.get("datacontenttype", "application/json")):
        raise _invalid("datacontenttype must be application/json, or end with +json")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check_required(attributes: Mapping[str, Any]) -> None:
    for name in ("id", "source", "type"):
        if not (isinstance(attributes.get(name), str) and attributes[name]):
            raise _invalid(f"{name} must be a text that is not empty")
    if len(attributes["id"]) > ID_LIMIT_CHARS:
        raise _invalid(f"id has {len(attributes['id'])} characters; at most {ID_LIMIT_CHARS} are allowed")
    if not _URI.fullmatch(attributes["source"]):
        raise _invalid("source must be a URI reference; percent-encode other characters")
    if attributes["source"].lower().startswith(RESERVED_SOURCES):
        raise _invalid(f"a source that begins with {RESERVED_SOURCES} is the platform's; choose another one")
    if not is_topic(attributes["type"]):
        raise _invalid("type must be a topic: a letter or digit, then up to 127 letters, digits, '.', '_' or '-'")


def _binary(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return a binary event as one in the JSON format: attributes from ``ce-`` headers, data from the body."""
    if "ce-specversion" not in headers:
        raise _invalid(f"send {_STRUCTURED}+json, {_BATCH}+json, or JSON with the attributes as ce- headers")
    event: dict[str, Any] = {}
    for header, value in headers.items():
        if header.startswith("ce-"):
            name = header.removeprefix("ce-")
            if name in _NO_HEADER:
                raise _invalid(f"the header {header} is not allowed; content-type has the type of the data")
            event[name] = _header_text(name, value)
    content_type = headers.get("content-type")
    if content_type is not None:
        event["datacontenttype"] = content_type
    if body:
        if content_type is None or not is_json(content_type):
            raise _invalid("the body's content-type must be application/json, or end with +json")
        event["data"] = _parsed(body)
    return event


def _header_text(name: str, value: str) -> str:
    """Return the attribute that a header has: without quotation marks, then percent-decoded once."""
    if name in _IDENTIFYING and "," in value:
        raise _invalid(f"the header ce-{name} is repeated, or has a comma; send it once, with %2C for a comma")
    if not value.isascii() or _NOT_TEXT.search(value):
        raise _invalid(f"the header ce-{name[:20]} has characters that must be percent-encoded")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    if _MALFORMED_PERCENT.search(value):
        raise _invalid(f"the header ce-{name[:20]} has a '%' without two hexadecimal digits; send %25 for '%'")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise _invalid(f"the header ce-{name[:20]} is not percent-encoded UTF-8") from None


def is_json(media_type: str) -> bool:
    """Tell whether a media type is JSON's, whatever its parameters are."""
    name = media_type.partition(";")[0].strip().lower()
    return name == "application/json" or (name.endswith("+json") and "," not in name)


def _parsed(body: bytes) -> Any:
    try:
        return strict_json.parse(body)
    except JsonError as error:
        raise _invalid(f"the body is not valid JSON: {error}") from None


def _invalid(why: str) -> PlatformError:
    return PlatformError("event_invalid", f"The event is not a CloudEvent that can be taken: {why}.")
