"""The two records of a call, before it runs and after it."""

import base64
import random
import zlib
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from alga_ext.calls.answer_headers import TO_CALLER
from alga_ext.calls.envelope import ExecuteError, ExecuteResponse, GuestReport, RefusedCall, Usage
from alga_ext.calls.log_lines import PACKED_LIMIT_CHARS, CallLog, KeptLine, pack, unpack
from alga_ext.calls.messages import MESSAGE_LIMIT_BYTES, ExecutionFinished, decode_message, encode_message
from functions.gateway.execution_messages import accepted, encode_finished, finished
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


def test_the_second_record_has_what_the_guest_reported_and_its_lines() -> None:
    first = accepted(admitted(request()), "x-1", "t-1", AT)
    error = ExecuteError(code="guest_trapped", message="m", guest=GuestReport(error="no\0orders", stack="at total"))
    refused = RefusedCall(capability="cap:http.fetch", reason="host a is not granted")

    record = finished(first, ExecuteResponse(status=502, error=error, refused=refused, logs_b64z="eNo="), "x", 0, AT)

    assert (record.guest_error, record.guest_stack) == ("no\N{REPLACEMENT CHARACTER}orders", "at total")
    assert (record.last_refusal, record.logs_b64z) == (refused, "eNo=")


def test_what_another_runner_reports_is_cut_to_what_a_record_holds() -> None:
    first = accepted(admitted(request()), "x-1", "t-1", AT)
    error = ExecuteError(code="x", message="m", guest=GuestReport(error="é" * 9_999, stack="s" * 9_999))
    answer = ExecuteResponse(
        status=502,
        error=error,
        refused=RefusedCall(capability="c" * 999, reason="r" * 9_999),
        logs_b64z="a" * 350_001,
    )

    record = finished(first, answer, "x", 0, AT)

    assert (len(record.guest_error or ""), len(record.guest_stack or "")) == (1_024, 2_048)
    assert record.last_refusal is not None
    assert (len(record.last_refusal.capability), len(record.last_refusal.reason)) == (64, 512)
    assert record.logs_b64z == ""


def finished_with(logs_b64z: str) -> ExecutionFinished:
    first = accepted(admitted(request()), "x-1", "t-1", AT)
    return finished(first, ExecuteResponse(status=200, logs_b64z=logs_b64z), None, 0, AT)


def noisy_log() -> CallLog:
    noise = random.Random(1)
    return CallLog(first=[KeptLine(0, "info", "guest", f"{noise.getrandbits(8_000):x}") for _ in range(250)])


def test_lines_that_do_not_fit_into_a_queue_message_shrink_and_the_record_is_sent() -> None:
    logs = pack(noisy_log(), 349_000)
    assert len(logs) > MESSAGE_LIMIT_BYTES

    body = encode_finished(finished_with(logs))

    sent = decode_message(body)
    assert isinstance(sent, ExecutionFinished)
    kept = unpack(sent.logs_b64z)
    assert MESSAGE_LIMIT_BYTES * 3 // 4 < len(body) <= MESSAGE_LIMIT_BYTES
    assert kept.count + kept.dropped == 250


NOT_LINES = {
    "not compressed": "a" * 300_000,
    "not base64": "…" * 300_000,
    "a bomb": base64.b64encode(zlib.compress(bytes(2**28), 1)[:262_000]).decode(),
}


@pytest.mark.parametrize("logs", NOT_LINES.values(), ids=NOT_LINES)
def test_lines_that_cannot_be_read_are_dropped_when_the_message_is_too_large(logs: str) -> None:
    sent = decode_message(encode_finished(finished_with(logs)))

    assert isinstance(sent, ExecutionFinished)
    assert (sent.logs_b64z, sent.status) == ("", 200)


def test_the_largest_record_fits_into_a_queue_message_beside_the_largest_lines_of_our_runner() -> None:
    first = accepted(admitted(request(path="/api/ext/acme.notes/" + "a" * 5_000)), "x" * 36, "t" * 32, AT)
    first = msgspec.structs.replace(first, principal="\N{GRINNING FACE}" * 255)
    usage = Usage(host_calls={f"{n:064}": 2**53 - 1 for n in range(256)})
    error = ExecuteError(code="x", message="m", guest=GuestReport(error="\x01" * 1_024, stack="\x01" * 2_048))
    refused = RefusedCall(capability="c" * 64, reason="\x01" * 512)
    answer = ExecuteResponse(status=502, error=error, refused=refused, usage=usage, logs_b64z="a" * PACKED_LIMIT_CHARS)

    record = finished(first, answer, "x" * 64, 0, AT, lost_headers=sorted(TO_CALLER))

    assert len(encode_message(record)) <= MESSAGE_LIMIT_BYTES
