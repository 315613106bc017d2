"""Failures are logged once, as JSON lines that tell more than the caller hears."""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from alga_ext import telemetry
from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import CALLS_REFUSED, KEY_OVERDUE
from alga_ext.telemetry import alarm, log_failure, to_json_line
from tests.support.emitted import by_dimension, totals


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_a_refusal_is_a_warning_with_its_code_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    error = PlatformError("object_not_found", "It is not there.", key="bundles/ab", cause=ValueError("inner"))
    log_failure("test-refusal", error, "r-1")

    (line,) = logged(capsys)
    assert (line["level"], line["code"], line["request_id"]) == ("WARNING", "object_not_found", "r-1")
    assert line["context"] == {"key": "bundles/ab", "cause": "inner"}
    assert "exception" not in line


@pytest.mark.parametrize("error", [ValueError("broken"), PlatformError("internal", "broken")])
def test_a_fault_of_ours_is_an_error_with_its_traceback(capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    # A logger keeps the stream it was made with, so each case has its own.
    log_failure(f"test-fault-{type(error).__name__}", error, "r-2")

    (line,) = logged(capsys)
    assert (line["level"], line["request_id"]) == ("ERROR", "r-2")
    assert "broken" in str(line["exception"])


@pytest.mark.parametrize("code", ["forbidden", "internal"])
def test_the_line_of_an_error_with_a_metric_is_that_metric_by_code(
    capsys: pytest.CaptureFixture[str], code: str
) -> None:
    error = PlatformError(code, "No.")
    error.metric = CALLS_REFUSED
    log_failure(f"test-metric-{code}", error, "r-1")

    (line,) = logged(capsys)
    embedded: Any = line["_aws"]
    assert [described["Dimensions"] for described in embedded["CloudWatchMetrics"]] == [[[]], [["code"]]]
    assert (line["code"], line["CallsRefused"]) == (code, 1)
    assert abs(embedded["Timestamp"] / 1000 - time.time()) < 3_600, "in milliseconds"


@pytest.mark.parametrize("code", ["forbidden", "internal"])
def test_an_error_that_the_log_level_hides_is_still_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "CRITICAL")
    error = PlatformError(code, "No.")
    error.metric = CALLS_REFUSED
    log_failure(f"test-hidden-{code}", error, "r-1")

    output = capsys.readouterr().out
    assert (totals(output), by_dimension(output, "CallsRefused")) == ({"CallsRefused": 1}, {code: 1})
    assert "No." not in output


def test_an_alarm_that_the_log_level_hides_is_still_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "CRITICAL")
    alarm("test-hidden-alarm", KEY_OVERDUE, "It is too old.", datetime.now(UTC))

    assert totals(capsys.readouterr().out) == {"KeyOverdue": 1}


def test_the_place_of_a_failure_is_where_it_was_reported(capsys: pytest.CaptureFixture[str]) -> None:
    log_failure("test-place", PlatformError("forbidden", "No."), "r-1")

    assert str(logged(capsys)[0]["location"]).startswith("test_the_place_of_a_failure_is_where_it_was_reported:")


def test_the_line_of_any_other_error_is_no_metric(capsys: pytest.CaptureFixture[str]) -> None:
    log_failure("test-no-metric", PlatformError("forbidden", "No."), "r-1")

    (line,) = logged(capsys)
    assert "_aws" not in line


# The form of a line: what queries over CloudWatch's logs rely on


def raised() -> Exception:
    """An exception with a traceback and a cause."""
    try:
        int("x")
    except ValueError as error:
        cause = error
    try:
        message = "outer"
        raise RuntimeError(message) from cause
    except RuntimeError as error:
        return error


def written(made: logging.Logger | Logger, case: Callable[[Any], None], capsys: pytest.CaptureFixture[str]) -> Any:
    case(made)
    document = json.loads(capsys.readouterr().out)
    assert document.pop("timestamp")[:20] > "2026"
    return document


CASES: dict[str, Callable[[Any], None]] = {
    "plain": lambda log: log.info("text"),
    "percent": lambda log: log.warning('100% of {"a": 1}'),
    "fields": lambda log: log.error(
        "text", extra={"code": "x", "count": 1, "nested": {"a": [None, 1.5]}, "none": None}
    ),
    "exception": lambda log: log.error("text", exc_info=raised(), extra={"request_id": "r"}),
    "exception that was not raised": lambda log: log.error("text", exc_info=OSError("x")),
}


@pytest.mark.parametrize("name", CASES)
def test_a_line_has_the_members_of_a_powertools_line(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5e1b4151-5ac6c58f5daf5d1f;Parent=53995c3f42cd8ad8;Sampled=1")
    service = f"shape-{name}"
    theirs = Logger(service=service, utc=True, json_serializer=to_json_line, json_deserializer=str)

    ours = written(telemetry.logger(service), CASES[name], capsys)

    assert ours == written(theirs, CASES[name], capsys)
    assert ours["xray_trace_id"] == "1-5e1b4151-5ac6c58f5daf5d1f"
    assert list(ours)[:3] == ["level", "location", "message"]


def test_the_timestamp_is_in_utc_with_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.makeLogRecord({"msg": "text", "levelname": "INFO", "created": 1_795_965_754.0079})
    formatter = telemetry.logger("timestamp").handlers[0].formatter
    assert formatter is not None

    assert json.loads(formatter.format(record))["timestamp"] == "2026-11-29 15:22:34,007+0000"


def test_a_line_outside_an_invocation_names_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.logger("no-trace").info("text")

    assert "xray_trace_id" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("", ["INFO", "WARNING"]), ("warning", ["WARNING"]), ("DEBUG", ["DEBUG", "INFO", "WARNING"]), ("CRITICAL", []),
        ("bogus", ["INFO", "WARNING"]),
    ],
)  # fmt: skip
def test_the_log_level_decides_what_is_written(
    level: str, shown: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    log = telemetry.logger(f"level-{level}")
    for name in ("debug", "info", "warning"):
        getattr(log, name)("text")

    assert [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()] == shown


def test_a_line_is_not_written_again_by_the_handler_of_the_runtime_client(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger().addHandler(handler)
    try:
        telemetry.logger("written-once").error("text")
    finally:
        logging.getLogger().removeHandler(handler)

    assert len(capsys.readouterr().out.splitlines()) == 1
