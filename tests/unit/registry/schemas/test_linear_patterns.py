"""Patterns that strangers write are run by a linear-time engine, and each is compiled once."""

import pytest

from functions.registry.schemas import linear_patterns
from functions.registry.schemas.linear_patterns import Pattern, PatternError, found


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("b", "abc", True), ("^b", "abc", False), ("b$", "abc", False), ("", "", True), ("a", "\ud800", False)],
)
def test_a_pattern_is_found_anywhere_in_a_text(pattern: str, text: str, expected: bool) -> None:
    assert found(pattern, text) is expected
    assert Pattern(pattern).found(text) is expected


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "(?x)a", "a{5001}"])
def test_a_pattern_that_is_not_run_is_an_error_and_not_a_miss(pattern: str) -> None:
    with pytest.raises(PatternError):
        found(pattern, "ab")


@pytest.mark.parametrize(("text", "steps"), [("", 3), ("a", 6), ("é", 9), ("\ud800", 6)])
def test_a_match_takes_positions_times_bytes(text: str, steps: int) -> None:
    assert Pattern("abc").steps(text) == steps


def test_the_last_256_patterns_are_kept() -> None:
    kept = [linear_patterns._kept(f"kept {number}") for number in range(256)]

    assert [linear_patterns._kept(f"kept {number}") for number in range(256)] == kept
    found("one more", "")
    assert linear_patterns._kept("kept 1") is kept[1]
    assert linear_patterns._kept("kept 0") is not kept[0]
