"""Collect the log lines of one call, which go to its record with the answer (ADR 0041)."""

import time
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

from alga_ext.calls import log_lines
from alga_ext.calls.log_lines import LEVELS, LINES_LIMIT_BYTES, SOURCES, CallLog, KeptLine, Level, Source
from functions.runner.imports.call_secrets import SecretBox
from functions.runner.sandbox.child.local_imports import TRUNCATED

_FIRST_LIMIT_BYTES: Final = LINES_LIMIT_BYTES // 4
"""How much text of the beginning is kept. The rest of the room is for the latest lines."""
_WITHHELD: Final = "[withheld: the value of secret {} in another form]"


class KeptLines:
    """The lines of one call. When they are too large, the oldest after the beginning are dropped and counted.

    Args:
        secrets: the call's secrets.
        started_ns: when the call began, in nanoseconds of CLOCK_MONOTONIC.
    """

    def __init__(self, secrets: SecretBox, started_ns: int) -> None:
        self._secrets = secrets
        self._started_ns = started_ns
        self._first: list[KeptLine] = []
        self._last: deque[tuple[KeptLine, int]] = deque()
        self._first_bytes = 0
        self._last_bytes = 0
        self._dropped = 0

    def add(self, level: str, source: str, text: str, size_bytes: int) -> None:
        """Add a line.

        Args:
            level, source: as the sandbox said, so they may be anything.
            text: well-formed, and without the secrets that the call has used until now.
            size_bytes: of ``text`` in UTF-8.
        """
        line = KeptLine(
            (time.monotonic_ns() - self._started_ns) // 1_000_000,
            cast("Level", level) if level in LEVELS else "info",
            cast("Source", source) if source in SOURCES else "sandbox",
            text,
        )
        if not self._last and self._first_bytes + size_bytes <= _FIRST_LIMIT_BYTES:
            self._first.append(line)
            self._first_bytes += size_bytes
            return
        self._last.append((line, size_bytes))
        self._last_bytes += size_bytes
        while self._first_bytes + self._last_bytes > LINES_LIMIT_BYTES:
            self._last_bytes -= self._last.popleft()[1]
            self._dropped += 1

    def packed(self) -> str:
        """Return the lines as they are sent; an empty text when there are none.

        Secrets are removed once more, and last: a line may have been written before the call used the secret in it.
        """
        if not self._first and not self._last:
            return ""
        first, last = self._first, [line for line, _ in self._last]
        texts = without_secrets([line.text for line in (*first, *last)], self._secrets)
        lines = [
            KeptLine(line.at_ms, line.level, line.source, text)
            for line, text in zip((*first, *last), texts, strict=True)
        ]
        split = len(first) if self._dropped else len(lines)
        log = CallLog(first=lines[:split], dropped=self._dropped, last=lines[split:])
        return log_lines.pack(log.within(LINES_LIMIT_BYTES))  # the mark of a secret may be longer than the secret


def scrubbed(text: str, secrets: SecretBox) -> str:
    """Return one line without the values that the call has used until now, also where the line was cut."""
    if text.endswith(TRUNCATED):
        return secrets.scrub_cut(text.removesuffix(TRUNCATED)) + TRUNCATED
    return secrets.scrub(text)


def without_secrets(texts: Sequence[str], secrets: SecretBox) -> list[str]:
    """Return texts that a person outside of the platform may read.

    Values are replaced in any case. A text that has a long value in another form, such as base64 (see ``Echoes``), is
    withheld as a whole. When such a value is found only across texts, all of them are withheld.
    """
    values = secrets.used()
    if not values:
        return list(texts)
    from functions.runner.imports.http.echoes import Echoes  # which a call without secrets does not need

    shown = [secrets.scrub_any_case(scrubbed(text, secrets)) for text in texts]
    echoes = Echoes(values)
    if echoes.found_in("\n".join(shown).encode()) is None:
        return shown
    found = [echoes.found_in(text.encode()) for text in shown]
    shown = [_WITHHELD.format(name) if name else text for name, text in zip(found, shown, strict=True)]
    across = echoes.found_in("\n".join(shown).encode())
    return [_WITHHELD.format(across)] * len(shown) if across else shown
