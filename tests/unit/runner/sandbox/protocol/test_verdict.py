"""Why a guest ended."""

import pytest

from functions.runner.sandbox.protocol.verdict import Verdict, judge, out_of_memory

MIB = 1 << 20


def code(text: str, *, exit_status: int | None = None, past: bool = False, used: int = 0) -> str:
    return judge(text, exit_status, past_deadline=past, memory_bytes=used, limit_bytes=100 * MIB).code


def message(text: str) -> str:
    return judge(text, None, past_deadline=False, memory_bytes=0, limit_bytes=MIB).message


def test_an_interrupt_is_a_timeout() -> None:
    assert code("error\n\nCaused by:\n    wasm trap: interrupt") == "guest_timeout"


def test_spent_fuel_is_out_of_fuel() -> None:
    assert code("Caused by:\n    wasm trap: all fuel consumed by WebAssembly") == "guest_out_of_fuel"


def test_a_trap_close_to_the_memory_limit_is_out_of_memory() -> None:
    assert code("wasm trap: wasm `unreachable` instruction executed", used=90 * MIB) == "guest_out_of_memory"


def test_a_trap_below_the_memory_limit_is_a_trap() -> None:
    assert code("wasm trap: wasm `unreachable` instruction executed", used=89 * MIB) == "guest_trapped"


def test_a_component_that_starts_with_more_than_its_limit_is_out_of_memory() -> None:
    assert code("memory minimum size of 4000 pages exceeds memory limits") == "guest_out_of_memory"


def test_too_many_memories_are_not_out_of_memory() -> None:
    assert code("Caused by:\n    resource limit exceeded: memory count too high at 11") == "guest_trapped"


def test_an_error_after_the_deadline_is_a_timeout() -> None:
    assert code("python exception", past=True) == "guest_timeout"


def test_exit_is_a_trap_that_names_the_status() -> None:
    verdict = judge("exited", 3, past_deadline=False, memory_bytes=0, limit_bytes=MIB)
    assert (verdict.code, "status 3" in verdict.message) == ("guest_trapped", True)


def test_the_message_names_the_trap() -> None:
    assert message("error\n  0: 0x1 - f\n\nCaused by:\n    wasm trap: integer divide by zero\n") == (
        "The extension trapped: integer divide by zero."
    )


def test_the_message_names_the_innermost_cause_when_there_is_no_trap() -> None:
    assert message("top\n\nCaused by:\n    0: middle\n    1: innermost reason") == (
        "The extension trapped: innermost reason."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown"),
        ("\n \n", "unknown"),
        ("first\nsecond", "first"),
        ("\n  first\nsecond", "first"),
        ("top\n\nCaused by:\n    innermost\n\n", "innermost"),
        ("top\n\nCaused by:\n\n", "top"),
        ("0: at 12: no such index", "at 12: no such index"),
        ("at 12: no such index", "at 12: no such index"),
        ("no such index...", "no such index"),
        ("wasm trap: no such index.", "no such index"),
        ("cannot read /var/task/lambda.py", "cannot read …"),
        ("Caused by:\n  no /tmp/alga/x.cwasm here", "no … here"),
        ("no read/write at /", "no read/write at /"),
    ],
)
def test_the_message_has_the_reason_in_one_line_without_paths_of_this_machine(text: str, reason: str) -> None:
    assert message(text) == f"The extension trapped: {reason}."


def test_a_reason_is_cut_after_300_characters() -> None:
    assert (message("a" * 300), message("a" * 301)) == (f"The extension trapped: {'a' * 300}.",) * 2


def test_more_data_than_one_call_may_pass_is_a_trap_that_says_so_however_much_memory_is_used() -> None:
    text = "Caused by:\n    too much data is being copied"

    assert code(text, used=99 * MIB) == "guest_trapped"
    assert "more data" in message(text)


def test_a_guest_that_exits_with_zero_has_still_not_answered() -> None:
    assert code("wasm trap: interrupt", exit_status=0) == "guest_trapped"


def test_out_of_memory_names_the_limit_in_mebibytes() -> None:
    assert out_of_memory(128 * MIB) == Verdict(
        "guest_out_of_memory", "The extension needed more memory than its limit of 128 MiB."
    )


def test_an_interrupt_of_memories_over_the_limit_together_is_out_of_memory() -> None:
    found = judge(
        "wasm trap: interrupt", None, past_deadline=False, memory_bytes=0, limit_bytes=MIB, beyond_memory=True
    )
    assert found.code == "guest_out_of_memory"
