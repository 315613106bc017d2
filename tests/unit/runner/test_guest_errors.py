"""What a guest wrote before it failed is found, bounded and cleaned, whatever it wrote."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.envelope import RefusedCall
from functions.runner.guest_errors import ASYNC_PYTHON, CUT, report, shown_refusal

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


PANICKED = "thread '<unnamed>' (1) panicked at src/lib.rs:100:10:"
NOTE = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"


def told(*lines: str) -> tuple[str, str, str]:
    """Error, stack and other output of a report on these lines."""
    found = report(lines, scrub)
    assert found is not None
    return found.error, found.stack, found.stderr


def quickjs(thrown: str) -> tuple[str, str, str]:
    return told("before", "", PANICKED, f"Failed to call 'handler': {thrown}", NOTE)


@pytest.mark.parametrize(
    ("thrown", "error", "stack"),
    [
        (
            'Exception(Exception { message: Some("no \\"x\\""), stack: Some("at a\\n  at b") })',
            'no "x"',
            "at a\n  at b",
        ),
        ('Exception(Exception { message: Some("m"), stack: None })', "m", ""),
        ('Exception(Exception { message: None, stack: Some("at a") })', "", "at a"),
        ('Value(String(Ok("plain")))', "plain", ""),
        ('Value(String(Ok("a")))x', "The handler threw a value that is not an Error.", ""),
        ('x Value(String(Ok("a")))', 'x Value(String(Ok("a")))', ""),
        (
            'x Exception(Exception { message: Some("m"), stack: None })',
            'x Exception(Exception { message: Some("m"), stack: None })',
            "",
        ),
        ("Value(Int(7))", "The handler threw a value that is not an Error.", ""),
        ("Something(Else)", "Something(Else)", ""),
    ],
)
def test_what_quickjs_threw_is_told(thrown: str, error: str, stack: str) -> None:
    assert quickjs(thrown) == (error, stack, "before")


@pytest.mark.parametrize(
    ("escaped", "character"),
    [
        (r"\u{41}", "A"),
        (r"\u{1f600}", "\U0001f600"),
        (r"\u{10ffff}", "\U0010ffff"),
        (r"\u{110000}", "\ufffd"),
        (r"\u{1234567}", "u{1234567}"),
        (r"\u{}", "u{}"),
        (r"\n", "\n"),
        (r"\t", "\t"),
        (r"\r", "\ufffd"),
        (r"\0", "\ufffd"),
        (r"\'", "'"),
        (r"\\", "\\"),
    ],
)
def test_an_escape_of_rust_is_read(escaped: str, character: str) -> None:
    assert quickjs(f'Value(String(Ok("a{escaped}b")))')[0] == f"a{character}b"


@pytest.mark.parametrize(
    "line", [f"x {PANICKED}", f"{PANICKED} and more", "thread '<unnamed>' panicked at :", "thread x panicked at a:1:"]
)
def test_a_line_that_only_resembles_a_panic_is_output(line: str) -> None:
    assert told(line, "text") == ("", "", f"{line}\ntext")


def test_a_mark_says_where_a_text_was_cut() -> None:
    assert CUT == "…"
    assert told(PANICKED, "ä" * 1_000)[0] == "ä" * 510 + "…"


@pytest.mark.parametrize(("length", "cut"), [(2_048, False), (2_049, True)])
def test_a_stack_has_at_most_2048_bytes(length: int, *, cut: bool) -> None:
    stack = quickjs(f'Exception(Exception {{ message: Some("m"), stack: Some("{"s" * length}") }})')[1]
    assert (len(stack.encode()), stack.endswith(CUT)) == (2_048, cut)


def test_a_panic_after_a_printed_traceback_is_told_itself() -> None:
    lines = ["Traceback (most recent call last):", "  frame", "E: caught"]
    assert told(*lines, PANICKED, "broken") == ("broken", "src/lib.rs:100:10", "\n".join(lines))


def test_a_traceback_without_frames_has_its_exception() -> None:
    lines = ["Traceback (most recent call last):", "E: x", PANICKED, "Python function threw an unexpected exception"]
    assert told(*lines) == ("E: x", "", "")


def test_the_empty_line_before_a_panic_is_no_output() -> None:
    assert told("one", "two", PANICKED, "broken", NOTE) == ("broken", "src/lib.rs:100:10", "one\ntwo")
    assert told(PANICKED, "broken", NOTE, "after") == ("broken", "src/lib.rs:100:10", "")


def test_the_last_traceback_of_python_is_told_with_its_frames() -> None:
    frames = ['  File "app.py", line 7, in handler', "    total()", '  File "app.py", line 3, in total', "    raise"]
    old = ["Traceback (most recent call last):", '  File "old.py", line 1', "KeyError: 'old'"]
    lines = ["hello", *old, "Traceback (most recent call last):", *frames, "ValueError: empty", "in May"]
    assert told(*lines, "", PANICKED, "Python function threw an unexpected exception", NOTE) == (
        "ValueError: empty\nin May",
        "\n".join(frames),
        "\n".join(["hello", *old]),
    )


def test_a_python_exception_without_a_traceback_is_told_as_the_panic_is() -> None:
    message = "Python function threw an unexpected exception"
    assert told("hello", "", PANICKED, message, NOTE) == (message, "src/lib.rs:100:10", "hello")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("AttributeError(\"'coroutine' object has no attribute 'status'\")", ASYNC_PYTHON),
        ("AttributeError('no status')", "The handler's answer cannot be used: AttributeError('no status')"),
    ],
)
def test_an_answer_that_python_cannot_return_is_told(value: str, error: str) -> None:
    fault = (
        f"called `Result::unwrap()` on an `Err` value: PyErr {{ type: <class 'x'>, value: {value}, traceback: None }}"
    )
    assert told("hello", "", PANICKED, fault, NOTE) == (error, "", "hello")


ABORT = "Redirecting call to abort() to mozalloc_abort"


def test_an_error_of_starlingmonkey_is_told_without_the_engines_frames() -> None:
    lines = [
        "hello",
        "Error: no orders",
        "Stack:",
        "  total@guest.js:3:9",
        "  x@initializer.js:12:1",
        "  handler@guest.js:7:1",
    ]
    stack = "  total@guest.js:3:9\n  handler@guest.js:7:1"
    assert told(*lines, "", "", ABORT) == ("Error: no orders", stack, "hello")
    assert told(*lines, "", ABORT) == ("Error: no orders", stack, "hello")
    assert told(*lines[:2], *lines[3:], ABORT) == ("Error: no orders", stack, "hello")


def test_an_abort_with_nothing_before_it_has_no_error() -> None:
    assert report(["", ABORT], scrub) is None
    assert told("  at a", ABORT) == ("", "  at a", "")
    assert told("Stack:", "  at a", ABORT) == ("", "  at a", "")


def test_a_stack_of_python_keeps_its_innermost_frames_and_others_their_outermost_are_cut() -> None:
    frames = [f"  frame {number:04}" for number in range(400)]
    python = [
        "Traceback (most recent call last):",
        *frames,
        "E",
        PANICKED,
        "Python function threw an unexpected exception",
    ]
    assert (told(*python)[1].startswith(CUT), told(*python)[1].endswith("frame 0399")) == (True, True)
    monkey = ["Error", *frames, ABORT]
    assert (told(*monkey)[1].startswith("  frame 0000"), told(*monkey)[1].endswith(CUT)) == (True, True)


@pytest.mark.parametrize(("length", "cut"), [(2_048, False), (2_049, True)])
def test_other_output_keeps_its_end_up_to_2048_bytes(length: int, *, cut: bool) -> None:
    output = told("a" + "x" * (length - 1))[2]
    assert (len(output.encode()), output.startswith(CUT), output.startswith("a")) == (2_048, cut, not cut)


@pytest.mark.parametrize(("length", "cut"), [(1_024, False), (1_025, True)])
def test_an_error_keeps_its_begin_up_to_1024_bytes(length: int, *, cut: bool) -> None:
    error = told(PANICKED, "a" + "x" * (length - 1))[0]
    assert (len(error.encode()), error.endswith(CUT), error.startswith("a")) == (1_024, cut, True)


@pytest.mark.parametrize(("length", "cut"), [(512, False), (513, True)])
def test_a_refusals_reason_has_at_most_512_bytes(length: int, *, cut: bool) -> None:
    shown = shown_refusal(RefusedCall(capability="cap:http.fetch", reason="x" * length), scrub)

    assert shown is not None
    assert len(shown.reason.encode()) == 512
    assert shown.reason.endswith(CUT) is cut


def test_no_refusal_stays_none() -> None:
    assert shown_refusal(None, scrub) is None
