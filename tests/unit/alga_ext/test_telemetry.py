"""Failures are logged once, as JSON lines that tell more than the caller hears."""

import json

import pytest

from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure


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
