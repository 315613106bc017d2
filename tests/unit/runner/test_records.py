"""A guest's log lines: text that is never interpreted, without secrets, for the record of the call and nowhere else."""

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.calls.envelope import ExecuteGrants, SealedSecret
from alga_ext.calls.log_lines import KeptLine, unpack
from functions.runner.imports.call_secrets import SecretBox
from functions.runner.records import Records
from functions.runner.sandbox.protocol.messages import LogLine, Metric, Unfinished
from tests.support.runner_fixture import call

SECRET = "p/ss&word<42>"
HASH = "sha256:" + "0" * 64


class Unsealer:
    def unseal(self, sealed: bytes, context: Any) -> bytes:  # noqa: ARG002 - part of the port
        return SECRET.encode()


def records(*, with_secret: bool = False, declared: dict[str, str] | None = None) -> Records:
    request = call(HASH, grants=ExecuteGrants(secrets={"KEY": []}))
    request.secret_envelope = [SealedSecret(name="KEY", sealed_b64="AA==", version=1)]
    box = SecretBox(request, Unsealer(), lambda: 0.0, lambda: 5.0)
    if with_secret:
        held = box.find("KEY")
        assert held is not None
        box.value(held)
    return Records(box, declared or {}, time.monotonic_ns())


def lines_of(made: Records) -> list[KeptLine]:
    packed = made.kept.packed()
    return unpack(packed).first if packed else []


def kept(text: str, *, with_secret: bool = False) -> KeptLine:
    """Take one line of a guest; return what is kept of it."""
    made = records(with_secret=with_secret)
    made.log(LogLine("info", "guest", text))
    (line,) = lines_of(made)
    return line


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
def test_a_line_is_kept_as_the_text_it_is(text: str) -> None:
    line = kept(text)

    assert line.text == text.encode("utf-8", "replace").decode()
    assert (line.level, line.source) == ("info", "guest")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.text(st.characters(), max_size=80) | json_values.map(json.dumps))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_guest_logs_is_one_line_of_its_text(text: str) -> None:
    assert kept(text).text == text.encode("utf-8", "replace").decode()


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
def test_a_secret_in_json_text_is_not_decoded_into_the_clear(text: str) -> None:
    assert SECRET not in kept(text, with_secret=True).text


def test_no_secret_is_made_of_text_that_was_not_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.runner.test_records.SECRET", "p?ss&word<42>")
    assert kept("p\ud800ss&word<42>", with_secret=True).text == "[secret KEY]"


def test_nothing_that_a_guest_writes_is_in_the_platforms_log(capsys: pytest.CaptureFixture[str]) -> None:
    made = records()
    for level in ("info", "warn", "error"):
        made.log(LogLine(level, "guest", "hello"))
    made.explain("http.fetch refused: host a.test is not granted")
    made.close()
    assert len(lines_of(made)) == 4
    assert capsys.readouterr().out == ""


# --- metrics ---


def test_dropped_metrics_are_counted_and_told() -> None:
    made = records(declared={"orders": "Count"})
    for number in range(3):
        made.metric(Metric(f"name-{number}", 1.0, "", []))
    made.metric(Metric("orders", 2.0, "", []))

    made.close()
    (line,) = lines_of(made)
    text = "3 metrics were dropped: the manifest does not declare their names under 'metrics'"
    assert (line.text, line.level, line.source) == (text, "warn", "platform")
    assert made.counts == {"metrics.emit": 4, "metrics.emit.dropped": 3}
    assert [total.name for total in made.metrics.totals()] == ["orders"]


def test_nothing_is_said_when_no_metric_was_dropped() -> None:
    made = records()
    made.close()
    assert lines_of(made) == []


# --- why something was refused ---


def test_a_bounded_number_of_refusals_is_explained() -> None:
    made = records()
    for number in range(100):
        made.explain(f"http.fetch refused: reason {number}")

    messages = [line.text for line in lines_of(made)]
    assert messages[0] == "http.fetch refused: reason 0"
    assert messages[19] == "http.fetch refused: reason 19 (the last of 20 refusals that are told in one call)"
    assert len(messages) == 20


def test_a_refusal_that_comes_again_is_counted_and_told_at_the_end() -> None:
    made = records()
    for text in ("a refused", "b refused", "a refused", "a refused"):
        made.explain(text)
    made.close()

    assert [line.text for line in lines_of(made)] == ["a refused", "b refused", "a refused (3 times in this call)"]


def test_an_explanation_is_scrubbed_in_any_case_and_is_a_line_of_the_platform() -> None:
    made = records(with_secret=True)
    made.explain(f"http.fetch refused: host {SECRET.upper()}.test is not granted")

    (line,) = lines_of(made)
    assert (line.text, line.source) == ("http.fetch refused: host [secret KEY].test is not granted", "platform")


def test_the_bytes_of_lines_that_were_written_are_counted_in_utf_8() -> None:
    made = records()
    made.log(LogLine("info", "guest", "grüße"))
    made.log(LogLine("error", "stderr", "no"))
    assert made.log_bytes == len("grüße".encode()) + len("no")


def test_a_line_of_the_platform_does_not_count_as_the_guests() -> None:
    made = records()
    made.explain("http.fetch was refused")
    assert made.log_bytes == 0


def test_a_line_over_the_limit_of_lines_does_not_count() -> None:
    made = records()
    for _ in range(1_100):
        made.log(LogLine("info", "guest", "x"))
    assert made.log_bytes == 1_050


def told(made: Records) -> list[tuple[str, str]]:
    return [(line.source, line.text) for line in lines_of(made)]


def test_a_line_that_a_killed_sandbox_did_not_finish_is_kept() -> None:
    made = records()
    made.log(Unfinished("info", "stdout", "wo"))
    made.log(Unfinished("info", "stdout", "work"))
    made.log(Unfinished("error", "stderr", "bro"))
    made.end_lines()
    assert told(made) == [("stdout", "work"), ("stderr", "bro")]
    assert made.log_bytes == len("workbro")
    assert list(made.errors) == ["bro"]


def test_a_line_that_was_finished_is_kept_once() -> None:
    made = records()
    made.log(Unfinished("info", "stdout", "wo"))
    made.log(LogLine("info", "stdout", "work"))
    made.end_lines()
    assert told(made) == [("stdout", "work")]


def test_the_secrets_in_an_unfinished_line_are_removed() -> None:
    made = records(with_secret=True)
    made.log(Unfinished("info", "stdout", f"key {SECRET}"))
    made.end_lines()
    assert told(made) == [("stdout", "key [secret KEY]")]


def test_a_hostile_sandbox_keeps_no_more_unfinished_lines_than_there_are_streams() -> None:
    made = records()
    for number in range(2_000):
        made.log(Unfinished("info", f"stream-{number}", "x"))
    made.log(Unfinished("info", "stdout", "x"))
    made.end_lines()
    assert told(made) == [("stdout", "x")]
