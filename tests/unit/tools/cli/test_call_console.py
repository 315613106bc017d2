"""The console of ``alga-ext dev``: each finished call, then its lines; nothing that an extension wrote acts on it."""

import pytest

from alga_ext.calls.envelope import RefusedCall, Usage
from alga_ext.calls.log_lines import CallLog, KeptLine, pack
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, encode_message
from tools.cli.call_console import show_message

IDENTITY = {
    "execution_id": "e", "tenant_id": "acme", "install_id": "i", "extension_id": "x", "version_id": "v",
    "content_hash": "h", "request_id": "r", "trace_id": "t", "method": "POST", "path": "/notes", "principal": "ada",
}  # fmt: skip
AT = "2026-03-01T10:00:00+00:00"
LOG = CallLog(
    first=[KeptLine(3, "info", "guest", "one")], dropped=5, last=[KeptLine(7, "error", "stderr", "\x1b]0;x\x07")]
)


def shown(capsys: pytest.CaptureFixture[str], **changes: object) -> list[str]:
    given = {**IDENTITY, "accepted_at": AT, "at": AT, "status": 200, "usage": Usage(duration_ms=12.4), **changes}
    show_message("executions", encode_message(ExecutionFinished(**given)).decode())  # type: ignore[arg-type]
    return capsys.readouterr().out.splitlines()


def test_a_finished_call_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = shown(capsys)
    assert line.split()[1:] == ["POST", "/notes", "200", "12", "ms"]


def test_its_lines_come_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    mark = "\N{REPLACEMENT CHARACTER}"
    assert shown(capsys, logs_b64z=pack(LOG), lost_headers=["location"])[1:] == [
        "    +3 ms guest info: one",
        "    … 5 lines are not kept: more than is kept of a call",
        f"    +7 ms stderr error: {mark}]0;x{mark}",
        "    +7 ms platform warn: header location of the answer was dropped because of its value",
    ]


def test_a_failed_call_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = RefusedCall(capability="cap:http.fetch", reason="host a is not granted")
    told = shown(
        capsys, status=502, error_code="guest_trapped", guest_error="a\nb", guest_stack="at c", last_refusal=refusal
    )
    assert told[0].endswith("guest_trapped")
    assert told[1:] == ["    error: a", "      b", "    at c", "    last refusal: host a is not granted"]


def test_a_path_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = shown(capsys, path="/\x1b[2J\n")
    assert "\x1b" not in line


def test_lines_that_cannot_be_read_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(shown(capsys, logs_b64z="not lines")) == 1


def test_other_messages_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_message("executions", encode_message(ExecutionAccepted(**IDENTITY, at=AT)).decode())
    show_message("prepare", "anything")
    assert capsys.readouterr().out == ""
