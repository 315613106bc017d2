"""What a call leaves in the gateway's log for CloudWatch."""

from collections.abc import Iterator

import pytest

from alga_ext.calls.envelope import ExecuteResponse, Usage
from tests.support.answering import Reply
from tests.support.call_door import Door, call_door, error
from tests.support.emitted import by_dimension, metric_lines, totals

USED = Usage(duration_ms=3, cpu_ms=2, memory_peak_bytes=4_096, egress_bytes=10)


@pytest.fixture
def door(aws: str) -> Iterator[Door]:
    with call_door(EXT_GATEWAY_TIMEOUT_MS="500") as made:
        yield made


def test_a_call_is_one_line_of_metrics(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    door.runner_answers(ExecuteResponse(status=200, usage=USED, program_fetched=True))
    capsys.readouterr()

    door.call()

    output = capsys.readouterr().out
    assert len(metric_lines(output)) == 1
    assert by_dimension(output, "Calls") == {"ok": 1}
    found = totals(output)
    assert found.pop("CallOverhead") >= 0
    assert found == {
        "Calls": 1,
        "CallDuration": 3,
        "CallCpu": 2,
        "CallMemoryPeak": 4_096,
        "EgressBytes": 10,
        "ProgramCacheHits": 0,
    }


def test_the_line_says_nothing_of_tenant_install_user_or_path(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    door.runner_answers(ExecuteResponse(status=200, usage=USED))

    door.call(path="/api/ext/acme.notes/notes")

    (line,) = metric_lines(capsys.readouterr().out)
    assert set(line) == {
        "_aws", "Calls", "CallDuration", "CallCpu", "CallMemoryPeak", "EgressBytes", "ProgramCacheHits", "CallOverhead",
        "outcome", "service", "request_id", "trace_id",
    }  # fmt: skip
    assert (line["outcome"], line["service"]) == ("ok", "gateway")


def test_the_ids_of_a_call_are_no_dimensions(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    door.runner_answers(ExecuteResponse(status=200, usage=USED))

    door.call(path="/api/ext/acme.notes/notes", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})

    (line,) = metric_lines(capsys.readouterr().out)
    assert (line["request_id"], line["trace_id"]) == (door.envelope().context.request_id, "a" * 32)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert {name for names in directive["Dimensions"] for name in names} <= {"outcome"}


def test_a_call_that_the_platform_refuses_counts_by_its_outcome(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    door.runner_answers(error("guest_timeout"))
    door.refusal()
    door.runner_answers(Reply(200, b"no envelope"))
    door.refusal()

    output = capsys.readouterr().out
    assert by_dimension(output, "Calls") == {"timeout": 1, "platform_error": 1}
    assert totals(output)["Calls"] == 2
