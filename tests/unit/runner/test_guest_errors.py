"""What a guest wrote before it failed is found, bounded and cleaned, whatever it wrote."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.envelope import RefusedCall
from functions.runner.guest_errors import CUT, report, shown_refusal

SECRET = "sk-live-7f3a91c2d4"
# Lines that the engines write, so that generated outputs come near each form.
ENGINE_LINES = (
    "thread '<unnamed>' (1) panicked at src/lib.rs:100:10:",
    "thread 'main' panicked at src/lib.rs:1:2:",
    "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
    'Failed to call \'handler\': Exception(Exception { message: Some("a\\n\\u{41}"), stack: Some("at b") })',
    "Failed to call 'handler': Value(String(Ok(\"text\")))",
    "Failed to call 'handler': Exception(Exception { message: None, stack: None })",
    "Python function threw an unexpected exception",
    "called `Result::unwrap()` on an `Err` value: PyErr { type: x, value: 'coroutine' object, traceback: None }",
    "Traceback (most recent call last):",
    '  File "app.py", line 7, in total',
    "ValueError: the list of orders is empty",
    "Redirecting call to abort() to mozalloc_abort",
    "Stack:",
    "  handler@guest.js:1:2",
    "  x@initializer.js:12",
    "",
)
LINES = st.lists(
    st.one_of(
        st.sampled_from(ENGINE_LINES),
        st.text(st.characters(), max_size=40),
        st.sampled_from(["\x1b[31m", "\ud800", "\u202e", "\u2028", SECRET, "ä" * 3_000, "\x00", "(" * 500]),
    ),
    max_size=12,
)


def scrub(text: str) -> str:
    return text.replace(SECRET, "[secret KEY]")


@given(LINES)
def test_a_report_is_bounded_well_formed_and_without_secrets(lines: list[str]) -> None:
    found = report(lines, scrub)
    if found is None:
        return
    for text, limit_bytes in ((found.error, 1_024), (found.stack, 2_048), (found.stderr, 2_048)):
        assert len(text.encode()) <= limit_bytes  # a lone surrogate would fail here
        assert SECRET not in text
        assert all(character in "\t\n" or unicodedata.category(character) != "Cc" for character in text)
        assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029") & set(text)


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=10), min_size=1, max_size=5))
def test_output_without_an_engines_error_is_told_as_it_is(lines: list[str]) -> None:
    found = report(lines, scrub)

    assert found is not None
    assert (found.error, found.stack, found.stderr) == ("", "", "\n".join(lines))


@pytest.mark.parametrize("lines", [[], [""], ["", ""]])
def test_a_guest_that_wrote_nothing_has_no_report(lines: list[str]) -> None:
    assert report(lines, scrub) is None


def test_a_panic_of_rust_is_told_with_its_place() -> None:
    found = report(["before", "", "thread '<unnamed>' panicked at src/lib.rs:3:5:", "no orders", "in May"], scrub)

    assert found is not None
    assert (found.error, found.stack, found.stderr) == ("no orders\nin May", "src/lib.rs:3:5", "before")


def test_the_last_error_is_told_when_there_are_two() -> None:
    panic = "thread 'main' panicked at src/lib.rs:1:1:"
    found = report([panic, "first", panic.replace("1:1", "2:2"), "second"], scrub)

    assert found is not None
    assert (found.error, found.stack) == ("second", "src/lib.rs:2:2")


def test_a_secret_that_escapes_had_hidden_is_removed() -> None:
    written = "Failed to call 'handler': Value(String(Ok(\"key sk-live\\u{2d}7f3a91c2d4\")))"
    found = report(["thread 'main' panicked at src/lib.rs:1:1:", written], scrub)

    assert found is not None
    assert found.error == "key [secret KEY]"


@pytest.mark.parametrize(("length", "cut"), [(512, False), (513, True)])
def test_a_refusals_reason_has_at_most_512_bytes(length: int, *, cut: bool) -> None:
    shown = shown_refusal(RefusedCall(capability="cap:http.fetch", reason="x" * length), scrub)

    assert shown is not None
    assert len(shown.reason.encode()) == 512
    assert shown.reason.endswith(CUT) is cut


def test_no_refusal_stays_none() -> None:
    assert shown_refusal(None, scrub) is None
