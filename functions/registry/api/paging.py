"""Opaque cursors for keyset pages: where the page before ended, as base64url JSON."""

import base64
import json
from typing import Any

from alga_ext import strict_json
from alga_ext.errors import PlatformError


def encode_cursor(*position: Any) -> str:
    """Return the cursor of a position: the sort key of the last row shown."""
    text = json.dumps([str(part) for part in position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, first: tuple[str, ...]) -> tuple[str, ...]:
    """Return the position of a cursor, or ``first`` when there is none.

    Raises:
        PlatformError: ``invalid_request`` for a cursor that this API did not make for a list of this kind.
    """
    if not cursor:
        return first
    try:
        parts = strict_json.parse(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:  # JsonError and binascii.Error are such
        parts = None
    if not isinstance(parts, list) or len(parts) != len(first) or not all(isinstance(part, str) for part in parts):
        raise PlatformError("invalid_request", "The cursor is not one that this list answered with.")
    return tuple(parts)
