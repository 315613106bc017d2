"""Host imports answered in the child: logs are bounded, metrics are checked."""

from typing import Any

import pytest

from functions.runner.sandbox.child import local_imports
from functions.runner.sandbox.protocol.messages import LogLine, Metric, Unfinished


class Sink:
    """Keeps what is emitted."""

    run: Any = None

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.unfinished: list[str] = []

    def emit(self, message: LogLine | Metric) -> None:
        if isinstance(message, Unfinished):
            self.unfinished.append(message.text)
        else:
            self.lines.append(message)


@pytest.fixture
def sink() -> Sink:
    return Sink()


def test_output_becomes_one_line_for_each_line(sink: Sink) -> None:
    log = local_imports.Log(sink)
    log.output("stdout", b"a\nb")
    log.output("stdout", b"c\nd")
    log.flush()
    assert [line.text for line in sink.lines] == ["a", "bc", "d"]


def test_what_is_written_of_an_unfinished_line_is_sent_at_once(sink: Sink) -> None:
    log = local_imports.Log(sink)
    log.output("stdout", b"a\nb")
    log.output("stdout", b"c")
    log.output("stdout", b"\n")
    assert sink.unfinished == ["b", "bc"]
    assert [line.text for line in sink.lines] == ["a", "bc"]


def test_a_guest_that_writes_byte_by_byte_sends_a_bounded_number_of_messages(sink: Sink) -> None:
    log = local_imports.Log(sink)
    for _ in range(3_000):
        log.output("stderr", b"x")
    log.flush()
    assert len(sink.unfinished) == 1_000
    assert [line.text for line in sink.lines] == ["x" * 3_000]


def test_the_two_streams_do_not_mix(sink: Sink) -> None:
    log = local_imports.Log(sink)
    log.output("stdout", b"out")
    log.output("stderr", b"err\n")
    log.flush()
    assert [(line.source, line.text, line.level) for line in sink.lines] == [
        ("stderr", "err", "error"),
        ("stdout", "out", "info"),
    ]


def test_bytes_that_are_no_text_are_replaced(sink: Sink) -> None:
    local_imports.Log(sink).output("stdout", b"\xff\n")
    assert sink.lines[0].text == "\ufffd"


def test_a_line_longer_than_the_limit_is_cut_and_marked(sink: Sink) -> None:
    local_imports.Log(sink).line("info", "guest", "ä" * 10_000)
    text = sink.lines[0].text
    assert text.endswith(local_imports.TRUNCATED)
    assert len(text.removesuffix(local_imports.TRUNCATED).encode()) <= local_imports.LOG_LINE_LIMIT_BYTES


def test_a_stream_without_newlines_is_cut_into_lines(sink: Sink) -> None:
    log = local_imports.Log(sink)
    for _ in range(100):
        log.output("stdout", b"x" * 1_000)
    assert max(len(line.text) for line in sink.lines) <= local_imports.LOG_LINE_LIMIT_BYTES + len(
        local_imports.TRUNCATED
    )


def test_a_flood_ends_after_a_thousand_lines_with_a_mark(sink: Sink) -> None:
    log = local_imports.Log(sink)
    for number in range(5_000):
        log.line("info", "guest", str(number))
    assert len(sink.lines) == local_imports.LOG_LINES_LIMIT + 1
    assert sink.lines[-1].text.endswith(local_imports.TRUNCATED)


@pytest.mark.parametrize(
    ("name", "value"), [("", 1.0), ("x" * 129, 1.0), ("m", float("nan")), ("m", float("inf")), ("m", float("-inf"))]
)
def test_what_cannot_be_a_metric_is_dropped(name: str, value: float) -> None:
    assert local_imports.metric(name, value, "count", []) is None


def test_dimensions_beyond_the_tenth_are_dropped() -> None:
    found = local_imports.metric("m", 1.0, "count", [(str(n), "v") for n in range(20)])
    assert found is not None
    assert len(found.dimensions) == local_imports.METRIC_DIMENSIONS_LIMIT


def test_output_after_the_last_line_is_dropped(sink: Sink) -> None:
    log = local_imports.Log(sink)
    for _ in range(local_imports.LOG_LINES_LIMIT + 1):
        log.line("info", "guest", "x")
    log.output("stdout", b"more\n")
    assert "more" not in [line.text for line in sink.lines]


def test_a_long_line_below_the_limit_is_whole(sink: Sink) -> None:
    text = "x" * (local_imports.LOG_LINE_LIMIT_BYTES - 1)
    local_imports.Log(sink).line("info", "guest", text)
    assert [line.text for line in sink.lines] == [text]
