"""Find a guest's own error in what it wrote before it failed, for the extension's developer (pure).

An engine reports an uncaught exception on stderr, in a form of its own and among messages of its own:

- QuickJS and CPython run inside a Rust program, which panics. QuickJS puts the exception into the panic's message.
  CPython writes its traceback before the panic.
- StarlingMonkey writes the exception and its stack, and aborts.
- A guest in Rust panics with the developer's own message and place.

What is found here was written by the guest, so it may be anything. It is bounded, well-formed and without secrets.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from alga_ext.calls.envelope import GuestReport, RefusedCall

ERROR_LIMIT_BYTES: Final = 1_024
STACK_LIMIT_BYTES: Final = 2_048
STDERR_LIMIT_BYTES: Final = 2_048
REASON_LIMIT_BYTES: Final = 512
CUT: Final = "…"
"""Stands where a text was cut."""

ASYNC_PYTHON: Final = (
    "The handler is async, but the platform cannot wait for it. Remove 'async' and 'await': every call of the host "
    "returns its result directly."
)
_NOT_AN_ERROR: Final = "The handler threw a value that is not an Error."

_PANIC = re.compile(r"thread '[^']*' (?:\(\d+\) )?panicked at (.+):$")
_PANIC_END: Final = "note: run with `RUST_BACKTRACE=1`"
_QUICKJS: Final = "Failed to call 'handler': "
_STRING: Final = r'Some\("((?:[^"\\]|\\.)*)"\)'
_QUICKJS_ERROR = re.compile(rf"Exception\(Exception {{ message: (?:{_STRING}|None), stack: (?:{_STRING}|None) }}\)$")
_QUICKJS_TEXT = re.compile(r'Value\(String\(Ok\("((?:[^"\\]|\\.)*)"\)\)\)$')
_PYTHON: Final = "Python function threw an unexpected exception"
_PYTHON_ANSWER: Final = "called `Result::unwrap()` on an `Err` value: PyErr {"
_TRACEBACK: Final = "Traceback (most recent call last):"
_ABORT: Final = "Redirecting call to abort() to mozalloc_abort"
_STACK: Final = "Stack:"
_ENGINE_FRAME = re.compile(r"\binitializer\.js:\d+")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_PLAIN_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
# Control characters, line separators, marks that reorder text, and lone surrogates. Tabs and newlines stay.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class _Found(NamedTuple):
    """An error, its stack, and the lines that are neither.

    A stack that is too long loses its outermost frames: those at its start when ``innermost_last``.
    """

    error: str
    stack: str
    rest: list[str]
    innermost_last: bool = False


def report(lines: Iterable[str], scrub: Callable[[str], str]) -> GuestReport | None:
    """Return what a guest reported before it failed, or None when it reported nothing.

    Args:
        lines: the last lines of the guest's error output and error log, in order.
        scrub: removes the secrets of the call from a text.
    """
    found = _find(list(lines))
    stack = _cut_start if found.innermost_last else _cut_end
    made = GuestReport(
        error=_cut_end(_safe(found.error.strip(), scrub), ERROR_LIMIT_BYTES),
        stack=stack(_safe(found.stack.strip("\n"), scrub), STACK_LIMIT_BYTES),
        stderr=_cut_start(_safe("\n".join(found.rest).strip("\n"), scrub), STDERR_LIMIT_BYTES),
    )
    return made if made.error or made.stack or made.stderr else None


def shown_refusal(refused: RefusedCall | None, scrub: Callable[[str], str]) -> RefusedCall | None:
    """Return the last refused host call with a reason that is bounded, well-formed and without secrets."""
    if refused is None:
        return None
    reason = _cut_end(_safe(refused.reason, scrub), REASON_LIMIT_BYTES)
    return RefusedCall(capability=refused.capability, reason=reason)


def _find(lines: list[str]) -> _Found:
    for index in range(len(lines) - 1, -1, -1):
        if panic := _PANIC.match(lines[index]):
            return _of_panic(lines, index, panic[1])
        if lines[index] == _ABORT:
            return _of_abort(lines[:index])
    return _Found("", "", lines)


def _of_panic(lines: list[str], at: int, place: str) -> _Found:
    """Return the error of a panic whose first line is ``lines[at]``."""
    end = next((i for i in range(at, len(lines)) if lines[i].startswith(_PANIC_END)), len(lines))
    message = "\n".join(lines[at + 1 : end])
    before = lines[:at]
    if message.startswith(_QUICKJS):
        return _Found(*_of_quickjs(message.removeprefix(_QUICKJS)), before)
    if message == _PYTHON and _TRACEBACK in before:
        return _of_traceback(before)
    if message.startswith(_PYTHON_ANSWER):
        fault = message.removeprefix(_PYTHON_ANSWER).partition(" value: ")[2].rpartition(", traceback: ")[0]
        is_async = "'coroutine' object" in fault
        return _Found(ASYNC_PYTHON if is_async else f"The handler's answer cannot be used: {fault}", "", before)
    return _Found(message, place, before)


def _of_quickjs(thrown: str) -> tuple[str, str]:
    if error := _QUICKJS_ERROR.match(thrown):
        return _unescaped(error[1] or ""), _unescaped(error[2] or "")
    if text := _QUICKJS_TEXT.match(thrown):
        return _unescaped(text[1]), ""
    return (_NOT_AN_ERROR if thrown.startswith("Value(") else thrown), ""


def _of_traceback(lines: list[str]) -> _Found:
    """Return the last traceback: its frames, which are indented, and the exception after them."""
    start = len(lines) - 1 - lines[::-1].index(_TRACEBACK)
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
    return _Found("\n".join(lines[end:]), "\n".join(lines[start + 1 : end]), lines[:start], innermost_last=True)


def _of_abort(lines: list[str]) -> _Found:
    """Return the error that StarlingMonkey wrote before it aborted: one line, and the stack after it."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    at = len(lines)
    while at and lines[at - 1].startswith(" "):
        at -= 1
    frames = [line for line in lines[at:] if not _ENGINE_FRAME.search(line)]
    if at and lines[at - 1] == _STACK:
        at -= 1
    return _Found(lines[at - 1] if at else "", "\n".join(frames), lines[: max(0, at - 1)])


def _unescaped(text: str) -> str:
    """Return the content of a string literal as Rust writes it for debugging."""

    def character(escape: re.Match[str]) -> str:
        if escape[1] is None:
            return _PLAIN_ESCAPES.get(escape[2], escape[2])
        number = int(escape[1], 16)
        return chr(number) if number <= 0x10FFFF else "\N{REPLACEMENT CHARACTER}"

    return _ESCAPE.sub(character, text)


def _safe(text: str, scrub: Callable[[str], str]) -> str:
    """Return a text that is well-formed, without control characters and without secrets.

    It is scrubbed before control characters are replaced, because a secret may contain some, and again afterwards,
    because what is sent must be what was scrubbed.
    """
    return scrub(_UNSAFE.sub("\N{REPLACEMENT CHARACTER}", scrub(text)))


def _cut_end(text: str, limit_bytes: int) -> str:
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    return data[: limit_bytes - len(CUT.encode())].decode(errors="ignore") + CUT


def _cut_start(text: str, limit_bytes: int) -> str:
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    return CUT + data[len(CUT.encode()) - limit_bytes :].decode(errors="ignore")
