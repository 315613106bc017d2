"""JSON from somebody else, read so that every reader sees the same document.

Python's parser lets through what other parsers read otherwise or cannot write again: repeated members, NaN and
infinities, other encodings, numbers no database keeps, half surrogate pairs. What passes here can be stored as
``jsonb``, written by msgspec and read by any other JSON parser with one meaning.
"""

import json
import math
from typing import Any, Final

DEPTH_LIMIT: Final = 64
_INTEGER_LIMIT: Final = 2**63


class JsonError(ValueError):
    """The bytes are not JSON as it is wanted here; the message says why in words for their author."""


def parse(data: bytes) -> Any:
    """Return the document in ``data``.

    Raises:
        JsonError: it is not UTF-8 JSON, is nested deeper than ``DEPTH_LIMIT``, repeats a member, or holds a number
            beyond 64 bits, NaN, an infinity, a NUL character or half a surrogate pair.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        message = "it is not UTF-8"
        raise JsonError(message) from None
    try:
        document = json.loads(text, object_pairs_hook=_members, parse_constant=_constant)
    except RecursionError:
        raise _too_deep() from None
    except JsonError:
        raise
    except ValueError as error:
        message = f"it cannot be parsed: {str(error)[:200]}"
        raise JsonError(message) from None
    _check(document)
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            message = f"member {name[:100]!r} stands twice in one object"
            raise JsonError(message)
        members[name] = value
    return members


def _constant(name: str) -> float:
    message = f"{name} is no JSON number"
    raise JsonError(message)


def _check(document: Any) -> None:
    """Walk the document without recursion: its depth is the attacker's choice."""
    waiting: list[tuple[Any, int]] = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEPTH_LIMIT + 1:
            raise _too_deep()
        if isinstance(value, dict):
            for name, member in value.items():
                _check_text(name)
                waiting.append((member, depth + 1))
        elif isinstance(value, list):
            waiting.extend((item, depth + 1) for item in value)
        elif isinstance(value, str):
            _check_text(value)
        else:
            _check_number(value)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "a string holds half a surrogate pair"
        raise JsonError(message) from None
    if "\0" in text:
        message = "a string holds a NUL character"
        raise JsonError(message)


def _check_number(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        message = "a number is too large"
        raise JsonError(message)
    if isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        message = "an integer needs more than 64 bits"
        raise JsonError(message)


def _too_deep() -> JsonError:
    return JsonError(f"it is nested deeper than {DEPTH_LIMIT} levels")
