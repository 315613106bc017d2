"""What a pattern costs per byte of text, counted from its source."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.registry.schemas.linear_patterns import POSITIONS_LIMIT, Pattern, PatternError
from functions.registry.schemas.pattern_cost import UncountableError, positions

_atoms = st.sampled_from(
    ["a", "ä", ".", r"\d", r"\{", r"\x41", "[ab]", "[^]x]", "[]x]", "[a[bc]]", "[[:alpha:]]", r"[\]a]"]
)


@st.composite
def _counted(draw: st.DrawFn, depth: int = 3) -> tuple[str, int]:
    """A pattern, and how many positions it has at least."""
    if depth == 0:
        return draw(_atoms), 1
    parts = draw(st.lists(_counted(depth - 1), min_size=1, max_size=3))
    opening = draw(st.sampled_from(["(", "(?:", "(?P<n>", "(?<n>", "(?i:", "(?s-i:"]))
    joined = draw(st.sampled_from(["", "|"])).join(text for text, _ in parts)
    times = draw(st.integers(1, 4))
    least = draw(st.integers(0, times))
    repetition = draw(st.sampled_from(["", f"{{{times}}}", f"{{{least},{times}}}", "*", "+", "?", f"{{{times},}}"]))
    factor = times if "{" in repetition else 1
    text = f"{opening}{joined}){repetition}".replace("<n>", f"<n{draw(st.integers(0, 10**9))}>")
    return text, sum(count for _, count in parts) * factor


@settings(derandomize=True, max_examples=300)
@given(_counted())
def test_no_position_is_missed_however_groups_classes_and_repetitions_are_nested(found: tuple[str, int]) -> None:
    pattern, least = found

    assert positions(pattern) >= least
    assert positions(pattern) <= 5 * least  # and the count is not so coarse that ordinary patterns are refused


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("", 0),
        ("^$", 0),
        ("abc", 3),
        ("a{3}", 3),
        ("a{2,5}", 5),
        ("a{2,}", 2),
        ("a{ 2 , 3 }", 3),
        ("a{0}", 1),
        ("(a{3}){4}", 12),
        ("a{3}{4}", 12),
        ("(){1000}", 1000),
        ("(a|bc){10}", 30),
        ("[ab]*a(?:[ab]{200}){100}c", 20_003),
        ("[^]]{7}", 7),
        ("[--]{3}", 3),
        ("[a[^]b]c]{9}", 9),
        (r"[\w]{2}", 20),
        (r"[a\W\d]{2}", 20),
        (r"\p{Greek}{3}", 30),
        (r"\P{Greek}{3}", 30),
        (r"\pL{3}", 13),
        (r"\d{3}", 3),
        (r"\x{41}{3}", 3),
        (r"\u{41}{3}", 3),
        (r"\U{41}{3}", 3),
        (r"\x{41", 1),
        ("\\", 1),
        ("(?i)a{4}", 4),
        ("(?i)", 0),
        ("a(?i)", 1),
        ("(a(?i)b){3}", 6),
        ("a(?i:){3}", 4),
        ("(?-x:a)", 1),
        ("(?i-x:a{3}){2}", 6),
        ("a{}", 1),
        ("a{,4}", 4),
        ("a{10000000000}", 10_000_000_000),
        ("a{b}", 4),
        ("xyz|^*+?$", 3),
        ("[a", 1),
        ("[^]", 1),
        ("[a]]{3}", 4),
        ("[-]]{3}", 4),
        ("[[a]b]{3}", 3),
        ("(a(b(c", 3),
        ("a)b", 2),
        ("(ab)){3}", 6),
    ],
)
def test_repetitions_are_written_out(pattern: str, count: int) -> None:
    assert positions(pattern) == count


@pytest.mark.parametrize("pattern", ["(?x)a # [", "(?ix)a", "(?x:a)", "(?x-i:a)", "((?x)a)"])
def test_a_pattern_with_comments_is_refused_because_they_may_hide_repetitions(pattern: str) -> None:
    with pytest.raises(UncountableError):
        positions(pattern)
    with pytest.raises(PatternError):
        Pattern(pattern)


def test_a_pattern_over_the_limit_is_refused_with_limit_and_actual() -> None:
    assert Pattern(f"a{{{1000}}}" * 5).positions == POSITIONS_LIMIT == 5_000
    with pytest.raises(PatternError, match=r"has 5001 positions .* at most 5000 are allowed"):
        Pattern("a{1000}" * 5 + "b")


@settings(derandomize=True, max_examples=300)
@given(st.text("ab(){}[]^-|*+?\\,0123:<>xiPpw$. ", max_size=14))
def test_any_text_is_counted_or_refused(pattern: str) -> None:
    try:
        assert Pattern(pattern).positions >= 0
    except PatternError:
        return


def test_a_repetition_that_does_not_close_is_read_once() -> None:
    """An expression that goes back would try each way to share the blanks out: minutes for this text."""
    assert positions("a{" + " " * 4_000) == 4_002
    assert positions("a{1" + " " * 4_000 + ",") == 4_004
