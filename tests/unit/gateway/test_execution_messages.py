"""The two records of a call, before it runs and after it."""

from datetime import UTC, datetime, timedelta

import pytest

from alga_ext.calls.envelope import ExecuteResponse, Usage
from functions.gateway.execution_messages import accepted, finished
from tests.support.gateway import admitted, install, request

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_first_record_says_who_calls_what_and_when() -> None:
    record = accepted(admitted(request("POST", "/api/ext/acme.notes/notes/\u00fc")), "x-1", "t-1", AT)

    assert (record.execution_id, record.trace_id, record.request_id) == ("x-1", "t-1", "r-1")
    assert (record.tenant_id, record.principal) == ("acme", "user-1")
    assert (record.install_id, record.extension_id) == (install().install_id, install().extension_id)
    assert (record.version_id, record.content_hash) == (install().version_id, install().content_hash)
    assert (record.method, record.path, record.at) == ("POST", "/notes/%C3%BC", "2026-06-01T12:00:00+00:00")


@pytest.mark.parametrize(("segment_chars", "kept_chars"), [(2_047, 2_048), (2_048, 2_048), (5_000, 2_048)])
def test_a_path_is_recorded_up_to_2048_characters(segment_chars: int, kept_chars: int) -> None:
    call = admitted(request(path=f"/api/ext/acme.notes/{'a' * segment_chars}"))

    assert accepted(call, "x-1", "t-1", AT).path == "/" + "a" * (kept_chars - 1)


def test_a_record_names_the_declared_path_of_the_endpoint() -> None:
    record = accepted(admitted(request(path="/api/ext/acme.notes/notes/7")), "x-1", "t-1", AT)

    assert (record.path, record.path_template) == ("/notes/7", "/notes/:id")


def test_the_second_record_repeats_the_first_and_says_how_the_call_ended() -> None:
    first = accepted(admitted(request()), "x-1", "t-1", AT)
    answer = ExecuteResponse(status=502, usage=Usage(duration_ms=1.5))

    record = finished(first, answer, "guest_trapped", 7, AT + timedelta(seconds=1))

    repeated = [name for name in first.__struct_fields__ if name != "at"]
    assert [getattr(record, name) for name in repeated] == [getattr(first, name) for name in repeated]
    assert (record.accepted_at, record.at) == ("2026-06-01T12:00:00+00:00", "2026-06-01T12:00:01+00:00")
    assert (record.status, record.error_code, record.response_bytes) == (502, "guest_trapped", 7)
    assert record.usage == Usage(duration_ms=1.5)
