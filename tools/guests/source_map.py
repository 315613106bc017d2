"""Find the place in the sources that a place in a bundled script comes from (source map, ECMA-426)."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_DIGITS: Final = {
    character: value
    for value, character in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}


class _Segment(NamedTuple):
    """Where a piece of a bundle's line comes from; lines and columns count from 0."""

    column: int
    source: int
    source_line: int
    source_column: int


class SourceMap:
    """The source map of one bundled script.

    Args:
        sources: paths of the sources.
        mappings: the map's text.
    """

    def __init__(self, sources: list[Path], mappings: str) -> None:
        self._sources = sources
        self._mappings = mappings
        self._lines = list(_segments(mappings))

    @classmethod
    def read(cls, script: Path) -> "SourceMap":
        """Read the map that esbuild wrote beside a script."""
        document = json.loads(script.with_name(f"{script.name}.map").read_text("utf-8"))
        return cls([(script.parent / source).resolve() for source in document["sources"]], document["mappings"])

    def text(self, script: str) -> str:
        """Return the map of a script as JSON that ``parse`` reads, with the whole paths of its sources."""
        document = {"file": script, "sources": [str(source) for source in self._sources], "mappings": self._mappings}
        return json.dumps(document)

    @classmethod
    def parse(cls, text: str) -> "tuple[str, SourceMap]":
        """Return the script's name and the map that ``text`` gave."""
        document = json.loads(text)
        return document["file"], cls([Path(source) for source in document["sources"]], document["mappings"])

    def place(self, line: int, column: int) -> tuple[Path, int, int] | None:
        """Return source, line and column (from 1) of a place in the script (from 1); None when it has no source."""
        segments = self._lines[line - 1] if 0 < line <= len(self._lines) else []
        at = bisect_right(segments, column - 1, key=lambda segment: segment.column) - 1
        if at < 0:
            return None
        segment = segments[at]
        return self._sources[segment.source], segment.source_line + 1, segment.source_column + 1

    def translate(self, text: str, script: str, *, within: Path, hidden: Sequence[Path]) -> str:
        """Replace every place of ``script`` in a tool's output by its source; drop stack frames in other code.

        Args:
            text: the output.
            script: the script's file name.
            within: the extension's folder; sources in it are named relative to it.
            hidden: folders whose stack frames are dropped.
        """
        place = re.compile(rf"[\w./-]*\b{re.escape(script)}:(\d+):(\d+)")
        lines = []
        for line in text.splitlines():
            places = [self.place(int(row), int(column)) for row, column in place.findall(line)]
            frame = line.startswith("  ")
            if frame and any(found and any(found[0].is_relative_to(folder) for folder in hidden) for found in places):
                continue
            lines.append(place.sub(lambda match: self._named(match, within), line))
        return "\n".join(lines)

    def _named(self, match: re.Match[str], within: Path) -> str:
        found = self.place(int(match[1]), int(match[2]))
        if found is None:
            return match.group()
        source, line, column = found
        name = source.relative_to(within) if source.is_relative_to(within) else Path(source.name)
        return f"{name.as_posix()}:{line}:{column}"


def _segments(mappings: str) -> Iterator[list[_Segment]]:
    """Decode mappings: a list of segments for each line. Every number but the column is relative over all lines."""
    source = line = column = 0
    for text in mappings.split(";"):
        at = 0
        found = []
        for fields in map(_numbers, filter(None, text.split(","))):
            at += fields[0]
            if len(fields) > 1:
                source, line, column = source + fields[1], line + fields[2], column + fields[3]
                found.append(_Segment(at, source, line, column))
        yield found


def _numbers(text: str) -> list[int]:
    """Decode base64 VLQ: five bits a digit, lowest first, with a bit for "more follows"; the lowest bit is the sign."""
    numbers = []
    value = shift = 0
    for character in text:
        digit = _DIGITS[character]
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            numbers.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return numbers
