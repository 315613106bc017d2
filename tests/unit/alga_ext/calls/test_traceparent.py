"""The header ``traceparent``: what is read from it, and what is written."""

import pytest

from alga_ext.calls.traceparent import trace_id_of, traceparent

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("flags", ["00", "01", "ff"])
def test_the_trace_id_of_a_valid_header_is_read(flags: str) -> None:
    assert trace_id_of(f"00-{TRACE}-{PARENT}-{flags}") == TRACE


@pytest.mark.parametrize(
    "value",
    [
        "",
        TRACE,
        f"01-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}0-01",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_a_header_that_is_not_valid_has_no_trace_id(value: str) -> None:
    assert trace_id_of(value) is None


def test_what_is_written_is_valid_and_of_the_same_trace() -> None:
    assert traceparent(TRACE, PARENT) == f"00-{TRACE}-{PARENT}-01"
    assert trace_id_of(traceparent(TRACE, PARENT)) == TRACE
