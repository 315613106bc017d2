"""The log lines of a call as they travel and are stored: bounded, whole lines, the middle first to go."""

import base64
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.calls.log_lines import (
    LINES_LIMIT_BYTES,
    PACKED_LIMIT_CHARS,
    UNPACKED_LIMIT_BYTES,
    CallLog,
    KeptLine,
    compress,
    decompress,
    pack,
    unpack,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def lines(*texts: str) -> list[KeptLine]:
    return [KeptLine(at, "info", "guest", text) for at, text in enumerate(texts)]


@given(st.lists(TEXTS, max_size=8), st.integers(0, 5), st.lists(TEXTS, max_size=8))
def test_lines_come_back_as_they_were_packed(first: list[str], dropped: int, last: list[str]) -> None:
    log = CallLog(first=lines(*first), dropped=dropped, last=lines(*last))

    assert unpack(pack(log)) == log


def test_nul_and_control_characters_come_back() -> None:
    log = CallLog(first=lines("a\0b\x1b[31m\x7f\u2028￿"))

    assert unpack(pack(log)) == log


@given(st.lists(TEXTS, min_size=1, max_size=30), st.integers(0, 400))
def test_what_does_not_fit_is_dropped_as_whole_lines_from_the_middle(texts: list[str], limit_bytes: int) -> None:
    log = CallLog(first=lines(*texts))

    kept = log.within(limit_bytes)

    assert kept.text_bytes <= limit_bytes
    assert kept.count + kept.dropped == len(texts)
    assert kept.first == log.first[: len(kept.first)]
    assert kept.last == log.first[len(texts) - len(kept.last) :]


def test_lines_that_are_dropped_twice_are_counted_once_each() -> None:
    log = CallLog(first=lines(*"abcdefgh"))

    assert log.within(6).within(3).dropped == 5


def test_text_that_does_not_compress_is_packed_within_the_limit() -> None:
    noise = random.Random(1)
    texts = ["".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(1_000)) for _ in range(87)]

    packed = pack(CallLog(first=lines(*texts)))

    kept = unpack(packed)
    assert len(packed) <= PACKED_LIMIT_CHARS
    assert (kept.first[0].text, kept.last[-1].text, kept.count + kept.dropped) == (texts[0], texts[-1], 87)
    assert kept.count > 40


def test_the_largest_log_of_control_characters_can_be_read() -> None:
    log = CallLog(first=lines(*["\x01" * 8_192] * (LINES_LIMIT_BYTES // 8_192), *[""] * 1_000))

    assert unpack(pack(log)) == log


@pytest.mark.parametrize("limit_chars", [0, 20, 60, 100, 400])
def test_a_limit_below_the_smallest_log_is_kept_too(limit_chars: int) -> None:
    assert len(pack(CallLog(first=lines(*[f"line {n}" for n in range(99)])), limit_chars)) <= limit_chars


def test_lines_without_text_are_dropped_when_they_do_not_fit() -> None:
    packed = pack(CallLog(first=lines(*[""] * 1_000)), 100)

    assert unpack(packed) == CallLog(dropped=1_000)


def test_a_line_of_the_platform_comes_last() -> None:
    whole = CallLog(first=lines("a", "b")).with_line("warn", "and this")
    cut = CallLog(first=lines("a"), dropped=1, last=lines("c")).with_line("warn", "and this")

    assert whole.first[-1] == cut.last[-1].__class__(1, "warn", "platform", "and this")
    assert [line.text for line in cut.last] == ["c", "and this"]


def bomb() -> bytes:
    unpacked = zlib.compressobj(9)
    return b"".join(unpacked.compress(b'{"first":[[0,"info","guest","' + b"a" * 2**20) for _ in range(64)) + (
        unpacked.flush()
    )


def test_lines_that_unpack_to_more_than_the_limit_are_refused() -> None:
    with pytest.raises(ValueError, match=f"more than {UNPACKED_LIMIT_BYTES} bytes"):
        decompress(bomb())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "end too early"),
        (b"plain text", "not valid zlib"),
        (compress(CallLog(first=lines("a" * 99)))[:-9], "end too early"),
        (zlib.compress(b"[]"), "not a valid document"),
        (zlib.compress(b'{"first":[[0,"debug","guest","a"]]}'), "not a valid document"),
        (zlib.compress(b'{"first":[[0,"info","me","a"]]}'), "not a valid document"),
        (zlib.compress(b'{"first":[[-1,"info","guest","a"]]}'), "not a valid document"),
        (zlib.compress(b'{"dropped":-1}'), "not a valid document"),
        (zlib.compress(b'{"first":[[0,"info","guest","\xff"]]}'), "not a valid document"),
    ],
    ids=["nothing", "text", "cut", "list", "level", "source", "time", "count", "encoding"],
)
def test_what_is_not_a_log_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decompress(data)


def test_what_is_not_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="not valid base64"):
        unpack("…")
    with pytest.raises(ValueError, match="not valid zlib"):
        unpack(base64.b64encode(b"plain text").decode())
