"""Source maps: the numbers and the places, held against an encoder of the test's own."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tools.guests.javascript import readable
from tools.guests.source_map import SourceMap

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
FOLDER = Path("/extension")


def vlq(number: int) -> str:
    """Encode a number as base64 VLQ."""
    rest = -number << 1 | 1 if number < 0 else number << 1
    text = ""
    while True:
        rest, digit = rest >> 5, rest & 31
        text += DIGITS[digit | 32 if rest else digit]
        if not rest:
            return text


def encoded(lines: list[list[tuple[int, int, int, int]]]) -> str:
    """Encode, for each line of a bundle, its segments: column, source, line, column."""
    before = [0, 0, 0]
    texts = []
    for segments in lines:
        column, parts = 0, []
        for at, *place in segments:
            relative = [at - column, *(now - then for now, then in zip(place, before, strict=True))]
            parts.append("".join(map(vlq, relative)))
            column, before = at, place
        texts.append(",".join(parts))
    return ";".join(texts)


numbers = st.integers(0, 100_000)
segments = st.lists(st.tuples(numbers, st.integers(0, 2), numbers, numbers), max_size=5, unique_by=lambda s: s[0])


@settings(max_examples=100, derandomize=True)
@given(st.lists(segments.map(sorted), max_size=5))
def test_every_place_is_found_from_its_column_up_to_the_next(lines: list[list[tuple[int, int, int, int]]]) -> None:
    sources = [FOLDER / name for name in ("a.ts", "b.ts", "c.ts")]
    found = SourceMap(sources, encoded(lines))
    for row, line in enumerate(lines, 1):
        for at, source, source_line, source_column in line:
            assert found.place(row, at + 1) == (sources[source], source_line + 1, source_column + 1)
        if line:
            assert found.place(row, line[-1][0] + 50) == found.place(row, line[-1][0] + 1)
            assert line[0][0] == 0 or found.place(row, line[0][0]) is None
        else:
            assert found.place(row, 1) is None
    assert found.place(len(lines) + 1, 1) is None


def test_places_are_translated_and_frames_of_hidden_code_are_dropped() -> None:
    lines = [[(0, 0, 9, 4)], [(0, 1, 0, 0)]]
    found = SourceMap([FOLDER / "server" / "a.ts", Path("/platform/router.ts")], encoded(lines))
    output = "Error: bad\n    at f (/guest.js:1:7)\n    at get (/guest.js:2:3)\n    at g (/guest.js:77:1)"

    said = found.translate(output, "guest.js", within=FOLDER, hidden=[Path("/platform")])

    assert said == "Error: bad\n    at f (server/a.ts:10:5)\n    at g (/guest.js:77:1)"


def test_what_a_tool_says_of_itself_is_dropped() -> None:
    output = (
        "file:///tools/componentize.js:365\n    throw new Error(err);\n          ^\n\n"
        "Error: Failed to initialize component (wizer (/tools/wizer)):\nException while evaluating top-level script\n"
        "guest.js:2:10 TypeError: mine\n"
        "    at componentize (file:///tools/componentize.js:365:11)\n\nNode.js v20.20.2"
    )
    assert readable(output) == "guest.js:2:10 TypeError: mine"
