"""A guest's log lines: text that is never interpreted, one valid JSON line each. No fault of logging reaches a call."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.calls.envelope import ExecuteGrants, SealedSecret
from alga_ext.telemetry import logger
from functions.runner.imports.call_secrets import SecretBox
from functions.runner.records import Records
from functions.runner.sandbox.protocol.messages import LogLine, Metric
from tests.support.runner_fixture import call

SECRET = "p/ss&word<42>"
HASH = "sha256:" + "0" * 64


class Lines(logging.Handler):
    """Keeps each line as the runner's logger writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logger("runner").registered_formatter)
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger("runner").addHandler(handler)
    yield handler
    logging.getLogger("runner").removeHandler(handler)


class Unsealer:
    def unseal(self, sealed: bytes, context: Any) -> bytes:  # noqa: ARG002 - part of the port
        return SECRET.encode()


def records(*, with_secret: bool = False) -> Records:
    request = call(HASH, grants=ExecuteGrants(secrets={"KEY": []}))
    request.secret_envelope = [SealedSecret(name="KEY", sealed_b64="AA==", version=1)]
    box = SecretBox(request, Unsealer(), lambda: 0.0, lambda: 5.0)
    if with_secret:
        held = box.find("KEY")
        assert held is not None
        box.value(held)
    return Records(request.context, "ab" * 16, box)


def logged(lines: Lines, text: str, *, with_secret: bool = False) -> tuple[str, dict[str, Any]]:
    """Log one line of a guest; return the line as it was written, and as JSON."""
    before = len(lines.written)
    made = records(with_secret=with_secret)
    made.log(LogLine("info", "guest", text))
    assert made.lost == 0
    (written,) = lines.written[before:]
    document: dict[str, Any] = json.loads(written, parse_constant=pytest.fail)
    return written, document


SPECIAL = [
    "[" * 2_000,
    '{"a":' * 500,
    "NaN",
    "Infinity",
    "null",
    "true",
    "12",
    '"\\ud800"',
    "\ud800",
    '{"level":"CRITICAL","message":"forged","service":"registry"}',
    "\x1b[31mred\x1b[0m\r\n2026-01-01 forged line",
    "\0\x08\x7f\x85\u2028\u2029\ufeff",
    "%s %(message)s {0} {level}",
    "",
]


@pytest.mark.parametrize("text", SPECIAL, ids=range(len(SPECIAL)))
def test_a_line_is_logged_as_the_text_it_is(lines: Lines, text: str) -> None:
    written, document = logged(lines, text)

    assert document["message"] == text.encode("utf-8", "replace").decode()
    assert document["level"] == "INFO"
    assert "\n" not in written
    assert "\x1b" not in written


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.text(st.characters(), max_size=80) | json_values.map(json.dumps))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_guest_logs_is_one_valid_line_of_its_text(lines: Lines, text: str) -> None:
    written, document = logged(lines, text)

    assert document["message"] == text.encode("utf-8", "replace").decode()
    assert "\n" not in written


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"key": SECRET}),
        json.dumps({"key": SECRET}).replace("/", "\\/"),
        json.dumps({"key": SECRET}).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
        '"' + "".join(f"\\u{ord(letter):04x}" for letter in SECRET) + '"',
    ],
    ids=["plain JSON", "as PHP writes it", "as Go writes it", "every letter escaped"],
)
def test_a_secret_in_json_text_is_not_decoded_into_the_clear(lines: Lines, text: str) -> None:
    written, document = logged(lines, text, with_secret=True)

    assert SECRET not in written
    assert SECRET not in str(document["message"])


def test_a_metrics_names_and_values_are_scrubbed_and_the_line_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    made = records(with_secret=True)
    made.metric(Metric(f"n {SECRET}", 1.0, "Count", [(SECRET, f"{SECRET}!"), ("half", "\ud800")]))

    (written,) = capsys.readouterr().out.splitlines()
    assert SECRET not in written
    assert json.loads(written)["ext_dimensions"] == {"[secret KEY]": "[secret KEY]!", "half": "?"}


def test_a_fault_of_logging_never_reaches_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "the disk is full"
        raise OSError(message)

    made = records()
    monkeypatch.setattr("functions.runner.records.logger", fail)
    monkeypatch.setattr("builtins.print", fail)
    made.log(LogLine("error", "guest", "x"))
    made.metric(Metric("n", 1.0, "Count", []))

    assert made.lost == 2


def test_the_labels_of_a_line_name_the_call(lines: Lines) -> None:
    _, document = logged(lines, "hello")

    assert {"tenant_id", "install_id", "request_id", "trace_id"} <= document.keys()
    assert document["guest"] is True
