"""The messages as they are written: arrays that begin with the number of their kind, with fields in a fixed order.

Fields may be added at the end of a message, so only the beginning is compared.
"""

from typing import Any

import msgspec
import pytest

from functions.runner.sandbox.protocol.messages import (
    FROM_CHILD,
    OVERDUE_EXIT_STATUS,
    TO_CHILD,
    Configure,
    Done,
    Failed,
    Figures,
    GuestRequest,
    GuestUser,
    HostAnswer,
    HostCall,
    LogLine,
    Metric,
    Program,
    Ready,
    Refused,
    Run,
    RunLimits,
    Unfinished,
    Warm,
)

PROGRAM, LIMITS = Program("key", "/x.cwasm", 10), RunLimits(1, 2, 3, 4)
REQUEST = GuestRequest("GET", "/a", [("a", "b")], b"body")
USER = GuestUser("acme", "Acme", "u", "u@acme.test", "Una", "client", None, [("x", "y")])
FIGURES = Figures(5, 6, None, 7, {"storage.get": 1})
WRITTEN_PROGRAM, WRITTEN_LIMITS = ["key", "/x.cwasm", 10], [1, 2, 3, 4]
WRITTEN_REQUEST = ["GET", "/a", [["a", "b"]], b"body"]
WRITTEN_USER = ["acme", "Acme", "u", "u@acme.test", "Una", "client", None, [["x", "y"]]]
WRITTEN_FIGURES = [5, 6, None, 7, {"storage.get": 1}]
CONTEXT = (None, "t", "e", None, None)

TO_THE_CHILD = [
    (Configure(9, ["/usr"]), [0, 9, ["/usr"]]),
    (
        Run(PROGRAM, CONTEXT, REQUEST, ["cap:log.emit"], {"k": "v"}, USER, LIMITS),
        [1, WRITTEN_PROGRAM, [*CONTEXT], WRITTEN_REQUEST, ["cap:log.emit"], {"k": "v"}, WRITTEN_USER, WRITTEN_LIMITS],
    ),
    (Warm(PROGRAM, LIMITS), [2, WRITTEN_PROGRAM, WRITTEN_LIMITS]),
    (HostAnswer([1], "trap"), [3, [1], "trap"]),
]
FROM_THE_CHILD = [
    (Ready(["a"], ["b"]), [4, ["a"], ["b"]]),
    (HostCall("storage.get", msgspec.Raw(b"\x91\x01")), [5, "storage.get", [1]]),
    (LogLine("info", "guest", "text"), [6, "info", "guest", "text"]),
    (Unfinished("info", "stdout", "te"), [11, "info", "stdout", "te"]),
    (Metric("m", 1.5, "Count", [("a", "b")]), [7, "m", 1.5, "Count", [["a", "b"]]]),
    (Done(200, [("a", "b")], b"body", FIGURES), [8, 200, [["a", "b"]], b"body", WRITTEN_FIGURES]),
    (Failed("guest_trapped", "text", FIGURES, "cause"), [9, "guest_trapped", "text", WRITTEN_FIGURES, "cause"]),
    (Refused("storage.get"), [10, "storage.get"]),
]


def begins_with(found: Any, expected: Any) -> bool:
    """Tell whether lists, at every depth, begin with the members of those expected."""
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) >= len(expected)
            and all(begins_with(*pair) for pair in zip(found, expected, strict=False))
        )
    return bool(found == expected)


@pytest.mark.parametrize(
    ("message", "written"), [*TO_THE_CHILD, *FROM_THE_CHILD], ids=lambda value: type(value).__name__
)
def test_a_message_is_an_array_that_begins_with_its_kind(message: Any, written: list[Any]) -> None:
    assert begins_with(msgspec.msgpack.decode(msgspec.msgpack.encode(message)), written)


@pytest.mark.parametrize("message", [message for message, _ in TO_THE_CHILD], ids=lambda value: type(value).__name__)
def test_the_child_reads_what_the_parent_wrote(message: Any) -> None:
    assert TO_CHILD.decode(msgspec.msgpack.encode(message)) == message


@pytest.mark.parametrize("message", [message for message, _ in FROM_THE_CHILD], ids=lambda value: type(value).__name__)
def test_the_parent_reads_what_the_child_wrote(message: Any) -> None:
    assert FROM_CHILD.decode(msgspec.msgpack.encode(message)) == message


@pytest.mark.parametrize("message", [message for message, _ in TO_THE_CHILD], ids=lambda value: type(value).__name__)
def test_the_parent_takes_no_message_that_only_it_may_send(message: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        FROM_CHILD.decode(msgspec.msgpack.encode(message))


def test_what_was_not_measured_counts_as_nothing() -> None:
    figures = Figures()

    assert (figures.cpu_ns, figures.memory_peak_bytes, figures.process_cpu_ns) == (0, 0, 0)
    assert (figures.fuel, figures.host_calls) == (None, {})


def test_a_child_that_ends_itself_overdue_exits_with_70() -> None:
    assert OVERDUE_EXIT_STATUS == 70
