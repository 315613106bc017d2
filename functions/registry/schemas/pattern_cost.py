"""Count what a regular expression costs per byte of text, from its source alone (pure).

The linear-time engine writes a counted repetition out: ``(?:[ab]{200}){100}`` becomes 20,000 positions, and in the
worst case each byte of a text visits each of them. So positions × bytes limits the time of a match, and the positions
alone limit the time to compile the pattern.
"""

import re
from typing import Final

LARGE_CLASS_POSITIONS: Final = 10
"""What ``\\w`` and ``\\p{…}`` count: in Unicode they are automata of several hundred states."""

# Possessive, so that no text makes the search for a repetition go back.
_REPETITION: Final = re.compile(r"\{\s*+([0-9]*+)\s*+(?:,\s*+([0-9]*+)\s*+)?\}")
_FLAGS: Final = re.compile(r"\(\?([A-Za-z]*)(?:-[A-Za-z]*)?[:)]")
_NAME: Final = re.compile(r"\(\?P?<[^>]*>")
_BRACED_ESCAPE: Final = re.compile(r"\\[pPxuU]\{[^}]*\}?")
_LARGE_ESCAPES: Final = frozenset("wWpP")


class UncountableError(ValueError):
    """The pattern's positions cannot be counted from its source."""


def positions(pattern: str) -> int:
    """Return how many positions the engine gives a pattern, with all repetitions written out; rather more than fewer.

    Args:
        pattern: a pattern that the engine can run, so its groups and classes are closed.

    Raises:
        UncountableError: it uses the flag ``x``, under which comments may contain unbalanced brackets.
    """
    return _Counter(pattern).total()


class _Counter:
    """Reads a pattern once from left to right. Each open group has the sum of its parts, and its last part."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._sums = [0]
        self._last = [0]

    def total(self) -> int:
        while self._at < len(self._pattern):
            self._step(self._pattern[self._at])
        return sum(self._sums) + sum(self._last)

    def _step(self, mark: str) -> None:
        if mark == "(":
            self._open()
        elif mark == ")":
            self._at += 1
            self._close()
        elif mark == "[":
            self._add(self._class())
        elif mark == "\\":
            self._add(self._escape())
        elif found := _REPETITION.match(self._pattern, self._at):
            self._at = found.end()
            self._last[-1] *= max([1, *(int(number) for number in found.groups() if number)])
        elif mark in "*+?|^$":
            self._at += 1
        else:
            self._at += 1
            self._add(1)

    def _add(self, count: int) -> None:
        """Add a part. Repetitions that follow multiply only this one."""
        self._sums[-1] += self._last[-1]
        self._last[-1] = count

    def _open(self) -> None:
        flags = _FLAGS.match(self._pattern, self._at)
        if flags is not None and "x" in flags.group(1):
            message = f"{self._pattern[:100]!r} uses the flag x, which is not supported"
            raise UncountableError(message)
        if flags is not None:
            self._at = flags.end()
            if self._pattern[self._at - 1] == ")":  # flags for the rest of the group: no group of their own
                return
        else:
            named = _NAME.match(self._pattern, self._at)
            self._at = named.end() if named is not None else self._at + 1
        self._sums.append(0)
        self._last.append(0)

    def _close(self) -> None:
        count = self._sums.pop() + self._last.pop()
        if not self._sums:  # more closed than opened: the engine refuses such a pattern
            self._sums, self._last = [0], [0]
        self._add(max(1, count))

    def _escape(self) -> int:
        """Skip an escape and return its positions."""
        letter = self._pattern[self._at + 1 : self._at + 2]
        braced = _BRACED_ESCAPE.match(self._pattern, self._at)
        self._at = braced.end() if braced is not None else self._at + 2
        return LARGE_CLASS_POSITIONS if letter in _LARGE_ESCAPES else 1

    def _class(self) -> int:
        """Skip a bracketed class, which may contain others, and return its positions."""
        count, depth = 1, 0
        while self._at < len(self._pattern):
            mark = self._pattern[self._at]
            if mark == "\\":
                count = max(count, self._escape())
                continue
            self._at += 1
            if mark == "[":
                depth += 1
                self._skip_first()
            elif mark == "]":
                depth -= 1
                if depth == 0:
                    break
        return count

    def _skip_first(self) -> None:
        """Skip what may follow an opening bracket literally: ``^``, and a ``]`` directly after it."""
        for literal in "^]":
            if self._pattern.startswith(literal, self._at):
                self._at += 1
