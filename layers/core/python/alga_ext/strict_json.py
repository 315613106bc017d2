"""Parse untrusted JSON strictly, so that every parser reads the same document.

Python's parser accepts input that other parsers read differently or that cannot be written again: repeated members,
NaN and infinities, encodings other than UTF-8, numbers that no database stores, lone surrogates. A document that
passes here can be stored as ``jsonb`` and written by msgspec, and any other JSON parser reads it with the same meaning.
"""

import json
import math
from typing import Any, Final

DEPTH_LIMIT: Final = 64
_INTEGER_LIMIT: Final = 2**63


class JsonError(ValueError):
    """The bytes are not strict JSON; the message tells the document's author why."""


def parse(data: bytes) -> Any:
    """Return the document in ``data``.

    Raises:
        JsonError: it is not UTF-8 JSON, is nested deeper than ``DEPTH_LIMIT``, repeats a member, or contains an
            integer beyond 64 bits, a number that is too large for a float, NaN, an infinity, a NUL character or a lone
            surrogate.
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
            message = f"member {name[:100]!r} appears twice in one object"
            raise JsonError(message)
        members[name] = value
    return members


def _constant(name: str) -> float:
    message = f"{name} is not a JSON number"
    raise JsonError(message)


def _check(document: Any) -> None:
    """Walk the document without recursion, because an attacker chooses its depth."""
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
        message = "a string contains a lone surrogate"
        raise JsonError(message) from None
    if "\0" in text:
        message = "a string contains a NUL character"
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
