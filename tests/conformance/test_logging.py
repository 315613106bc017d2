"""What guests say and count: that the call answers, and what was written down where the suite can see it."""

from typing import Any

import pytest

from tests.conformance.conftest import EVERY_GUEST
from tests.conformance.envelopes import code_of
from tests.conformance.guest import Guest
from tests.conformance.port import Line, Said

KIB = 1024
LEVELS = ["info", "warn", "error"]


def said_by(guest: Guest, function: str, *arguments: Any, request_id: str, **given: Any) -> Said | None:
    """Have a guest say something; return what was written down, or None where that cannot be seen."""
    assert guest.call(function, *arguments, request_id=request_id, **given) is None
    return guest.runner.said(request_id)


@pytest.fixture
def request_id(request: pytest.FixtureRequest) -> str:
    return f"conformance-{abs(hash(request.node.nodeid)):x}"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "text", ["plain", "", "ünï 🦊", 'with "quotes" and {braces}', "two\nlines\r\n", "nul\0 and \x1b[31m"]
)
def test_a_line_is_written_with_its_level(guest: Guest, level: str, text: str, request_id: str) -> None:
    said = said_by(guest, f"logging.log-{level}", text, request_id=request_id)
    assert said is None or said.lines == [Line(level, "guest", text)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_line_without_the_capability_is_dropped(guest: Guest, level: str, request_id: str) -> None:
    said = said_by(guest, f"logging.log-{level}", "text", request_id=request_id, without="cap:log.emit")
    assert said is None or said.lines == []


def test_a_line_over_8_kib_is_cut_and_the_cut_is_marked(guest: Guest, request_id: str) -> None:
    said = said_by(guest, "logging.log-info", "ü" * 8 * KIB, request_id=request_id)
    if said is not None:
        (line,) = said.lines
        assert line.text.startswith("ü" * 4_000)
        assert len(line.text.encode()) < 8 * KIB + 100
        assert "truncated" in line.text


def test_a_thousand_lines_are_written_and_the_rest_is_marked_as_left_out(guest: Guest, request_id: str) -> None:
    said = said_by(guest, "logging.log-info", "again", times=1_500, request_id=request_id)
    if said is not None:
        assert said.lines[:1_000] == [Line("info", "guest", "again")] * 1_000
        assert len(said.lines) == 1_001
        assert "truncated" in said.lines[-1].text


def test_what_a_guest_said_before_it_trapped_is_kept(guest: Guest, request_id: str) -> None:
    if guest.name == "wat":
        pytest.skip("this guest says nothing of its own accord")
    response = guest.run(method="GET", path="/throw", query="message=last-words", request_id=request_id)
    assert code_of(response) == "guest_trapped"
    said = guest.runner.said(request_id)
    if said is not None:
        assert any("last-words" in line.text and line.source == "stderr" for line in said.lines)


@pytest.mark.parametrize("guest", ["cpython"], indirect=True)
def test_what_a_guest_writes_to_its_streams_becomes_lines(guest: Guest, request_id: str) -> None:
    response = guest.run(
        method="GET", path="/print", query="stdout=one%0Atw%C3%B6&stderr=bad%0A", request_id=request_id
    )
    assert response.error is None
    said = guest.runner.said(request_id)
    if said is not None:
        assert [line for line in said.lines if line.source == "stdout"] == [
            Line("info", "stdout", "one"), Line("info", "stdout", "twö"),
        ]  # fmt: skip
        assert [line for line in said.lines if line.source == "stderr"] == [Line("error", "stderr", "bad")]


@pytest.mark.parametrize("value", [0.0, 1.5, -2.0, 1e280, 5e-324])
def test_a_metric_is_counted(guest: Guest, value: float, request_id: str) -> None:
    arguments = ("orders", value, "Count", [("region", "eu"), ("ünï", "🦊")])
    said = said_by(guest, "metrics.emit", *arguments, request_id=request_id)
    assert said is None or said.metrics == {"orders": value}


@pytest.mark.parametrize("unit", ["Count", "Milliseconds", "", "no unit of ours", "🦊"])
def test_a_metric_may_have_any_unit(guest: Guest, unit: str, request_id: str) -> None:
    said = said_by(guest, "metrics.emit", "orders", 1.0, unit, [], request_id=request_id)
    assert said is None or said.metrics == {"orders": 1.0}


@pytest.mark.parametrize(("name", "value"), [("", 1.0), ("n" * 1_000, 1.0), ("x", float("inf")), ("x", float("nan"))])
@pytest.mark.parametrize("guest", ["wat"], indirect=True)  # JSON knows neither of the last two
def test_what_can_be_no_metric_is_dropped(guest: Guest, name: str, value: float, request_id: str) -> None:
    said = said_by(guest, "metrics.emit", name, value, "Count", [], request_id=request_id)
    assert said is None or said.metrics == {}


@pytest.mark.parametrize("name", ["orders2", "Orders", "orders ", "a b", "x\n", "ü", "orders\0"])
def test_a_metric_that_the_manifest_does_not_declare_is_dropped_and_counted(
    guest: Guest, name: str, request_id: str
) -> None:
    response = guest.ask("metrics.emit", name, 1.0, "Count", [], times=3, request_id=request_id)
    said = guest.runner.said(request_id)
    assert response.usage.host_calls == {"metrics.emit": 3, "metrics.emit.dropped": 3}
    assert said is None or said.metrics == {}


def test_a_metric_without_the_capability_is_dropped(guest: Guest, request_id: str) -> None:
    said = said_by(guest, "metrics.emit", "orders", 1.0, "Count", [], request_id=request_id, without="cap:metrics.emit")
    assert said is None or said.metrics == {}


@pytest.mark.parametrize("guest", EVERY_GUEST, indirect=True)
@pytest.mark.parametrize("function", ["logging.log-info", "metrics.emit"])
def test_each_is_counted_as_a_host_call(guest: Guest, function: str) -> None:
    arguments: tuple[Any, ...] = ("text",) if function == "logging.log-info" else ("orders", 1.0, "Count", [])
    assert guest.ask(function, *arguments, times=7).usage.host_calls == {function: 7}
