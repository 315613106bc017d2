"""Write rows of the database as lines of an export (pure)."""

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from alga_ext.calls.log_lines import decompress

_BYTEA: Final = "\\x"


def line_of(table: str, row: str) -> bytes:
    """Return one line of JSON, with a line feed, for a row as PostgreSQL writes it.

    What an extension stored is shown as text when it is UTF-8, otherwise as base64. Log lines are unpacked; beside them
    stands where and for which limit lines were dropped (the column ``dropped``).
    """
    if table == "extension_storage_entry":
        row = json.dumps(_shown(json.loads(row), "value", _text_or_base64), ensure_ascii=False)
    elif table == "extension_execution_lines":
        row = json.dumps(_shown(json.loads(row), "lines", _log_lines), ensure_ascii=False)
    return row.encode() + b"\n"


def _shown(document: dict[str, Any], name: str, convert: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
    return document | convert(bytes.fromhex(document.pop(name).removeprefix(_BYTEA)))


def _text_or_base64(data: bytes) -> dict[str, Any]:
    try:
        return {"value": data.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(data).decode()}


def _log_lines(data: bytes) -> dict[str, Any]:
    try:
        log = decompress(data)
    except ValueError:
        return {"lines_base64": base64.b64encode(data).decode()}
    return {
        "lines": [[line.at_ms, line.level, line.source, line.text] for line in (*log.first, *log.last)],
        "dropped_after": len(log.first),
        "dropped_for": log.dropped_for,
    }
