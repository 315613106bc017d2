"""Lines of an export: what a tenant stored is readable, whatever its bytes are."""

import base64
import json
from typing import Any

import pytest

from alga_ext.calls.log_lines import CallLog, KeptLine, compress
from functions.registry.tenant_data.export_lines import line_of


def exported(table: str, row: dict[str, Any]) -> dict[str, Any]:
    line = line_of(table, json.dumps(row))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: dict[str, Any] = json.loads(line)
    return found


def bytea(data: bytes) -> str:
    """Return bytes as PostgreSQL's ``to_jsonb`` writes them."""
    return "\\x" + data.hex()


def test_a_row_without_bytes_is_a_line_as_it_is() -> None:
    assert line_of("tenant_activity", '{"a": "é", "n": 1}') == '{"a": "é", "n": 1}\n'.encode()


@pytest.mark.parametrize("text", ["", "x", '{"a": "é"}', "a\nb", "\\x00"])
def test_a_stored_text_is_shown_as_text(text: str) -> None:
    row = {"key": "k", "value": bytea(text.encode())}

    assert exported("extension_storage_entry", row) == {"key": "k", "value": text}


def test_a_stored_text_is_found_by_a_search_of_the_file() -> None:
    assert "é".encode() in line_of("extension_storage_entry", json.dumps({"value": bytea("é".encode())}))


def test_stored_bytes_that_are_no_text_are_shown_as_base64() -> None:
    row = {"key": "k", "value": bytea(b"\xff\x00")}

    assert exported("extension_storage_entry", row) == {
        "key": "k",
        "value_base64": base64.b64encode(b"\xff\x00").decode(),
    }


def test_log_lines_are_unpacked_in_their_order() -> None:
    first, last = KeptLine(1, "info", "guest", "a"), KeptLine(9, "error", "platform", "b")
    row = {"execution_id": "e", "lines": bytea(compress(CallLog(first=[first], last=[last])))}

    assert exported("extension_execution_lines", row) == {
        "execution_id": "e",
        "lines": [[1, "info", "guest", "a"], [9, "error", "platform", "b"]],
        "dropped_after": 1,
        "dropped_for": None,
    }


def test_log_lines_that_cannot_be_unpacked_are_shown_as_base64() -> None:
    row = {"execution_id": "e", "lines": bytea(b"broken")}

    assert exported("extension_execution_lines", row) == {
        "execution_id": "e",
        "lines_base64": base64.b64encode(b"broken").decode(),
    }


def test_a_column_of_the_same_name_in_another_table_is_left_alone() -> None:
    assert exported("extension_endpoint_total", {"value": 1, "lines": 2}) == {"value": 1, "lines": 2}
