"""Opaque cursors for keyset pagination: the position where the previous page ended, as base64url JSON."""

import base64
import json
from typing import Any, Final

from alga_ext import strict_json
from alga_ext.errors import PlatformError

_LARGEST: Final = 2**62


def encode_cursor(*position: Any) -> str:
    """Return the cursor of a position. A position is the sort key of the last row of a page."""
    text = json.dumps([str(part) for part in position])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, first: tuple[str, ...]) -> tuple[str, ...]:
    """Return the position of a cursor, or ``first`` when there is no cursor.

    Raises:
        PlatformError: ``invalid_request`` for a cursor that does not have the form of a cursor of this list.
    """
    if not cursor:
        return first
    try:
        parts = strict_json.parse(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:  # covers JsonError and binascii.Error
        parts = None
    if not isinstance(parts, list) or len(parts) != len(first) or not all(isinstance(part, str) for part in parts):
        raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
    return tuple(parts)


def number(cursor: str | None, first: tuple[str]) -> int:
    """Return the position of a cursor of a list that is ordered by a number.

    Raises:
        PlatformError: ``invalid_request``, see ``decode_cursor``.
    """
    (text,) = decode_cursor(cursor, first)
    if not (text.isascii() and text.isdigit()):  # isdigit alone accepts "²", int does not
        raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
    return min(int(text), _LARGEST)


def before_number(cursor: str | None) -> int:
    """Return the position of a cursor of a list whose largest number comes first."""
    return number(cursor, (str(_LARGEST),))
