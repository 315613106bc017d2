"""The log lines of one call: what a guest wrote, and what the platform refused it (ADR 0041).

They travel and are stored as zlib (RFC 1950) of one JSON document, a ``CallLog``. Where they do not fit, whole lines
are dropped from the middle: the beginning says what the call was about, and the end why it failed. Unpacking is
bounded, because a few bytes of zlib can stand for gigabytes.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable
from typing import Annotated, Final, Literal, get_args

import msgspec

LINES_LIMIT_BYTES: Final = 256 * 1024
"""How much text of a call is kept, in UTF-8."""
PACKED_LIMIT_CHARS: Final = 176 * 1024
"""The most base64 that our runner sends. A queue message of 256 KiB has room for it beside everything else."""
UNPACKED_LIMIT_BYTES: Final = 2 * 1024 * 1024
"""More than ``LINES_LIMIT_BYTES`` take as JSON, which writes a control character with six bytes."""

_FIRST_SHARE: Final = 0.25
"""The part of the kept text that comes from the beginning of a log from which lines were dropped."""
_COMPRESSION: Final = 6

Level = Literal["info", "warn", "error"]
Source = Literal["guest", "stdout", "stderr", "platform", "sandbox"]
DroppedFor = Literal["call_limit", "day_limit"]
LEVELS: Final[frozenset[str]] = frozenset(get_args(Level))
SOURCES: Final[frozenset[str]] = frozenset(get_args(Source))


class KeptLine(msgspec.Struct, array_like=True, frozen=True):
    """One line.

    Attributes:
        at_ms: when the runner received it, in milliseconds after the call began in its sandbox.
        level: how severe it is.
        source: ``guest`` for the log import, ``stdout`` and ``stderr`` for the streams, ``platform`` for what the
            platform says to the developer, ``sandbox`` for a fault of the sandbox.
        text: without secrets. It may contain control characters.
    """

    at_ms: Annotated[int, msgspec.Meta(ge=0)]
    level: Level
    source: Source
    text: str


class CallLog(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The lines of a call in order: ``first``, then ``dropped`` lines that are not kept, then ``last``.

    ``over_day_limit`` is set by the recorder when it keeps no line, because its install has reached the limit of a day.
    """

    first: list[KeptLine] = []
    dropped: Annotated[int, msgspec.Meta(ge=0)] = 0
    last: list[KeptLine] = []
    over_day_limit: bool = False

    @property
    def count(self) -> int:
        """How many lines are kept."""
        return len(self.first) + len(self.last)

    @property
    def text_bytes(self) -> int:
        """How much text is kept, in UTF-8."""
        return sum(len(line.text.encode()) for line in (*self.first, *self.last))

    @property
    def dropped_for(self) -> DroppedFor | None:
        """Which limit lines were dropped for: that of a call, or that of its install and day. None: none were."""
        if not self.dropped:
            return None
        return "day_limit" if self.over_day_limit else "call_limit"

    def with_line(self, level: Level, text: str) -> "CallLog":
        """Return the log with a line of the platform at its end."""
        ends = (self.last or self.first)[-1:]
        line = KeptLine(ends[0].at_ms if ends else 0, level, "platform", text)
        if self.dropped:
            return CallLog(first=self.first, dropped=self.dropped, last=[*self.last, line])
        return CallLog(first=[*self.first, *self.last, line])

    def within(self, limit_bytes: int) -> "CallLog":
        """Return the log with at most ``limit_bytes`` of text. Whole lines are dropped from the middle."""
        if self.text_bytes <= limit_bytes:
            return self
        first = _fitting(self.first, int(limit_bytes * _FIRST_SHARE))
        room = limit_bytes - sum(len(line.text.encode()) for line in first)
        rest = self.last if self.dropped else self.first[len(first) :]
        last = _fitting(reversed(rest), room)[::-1]
        return CallLog(first=first, dropped=self.dropped + self.count - len(first) - len(last), last=last)


def _fitting(lines: Iterable[KeptLine], limit_bytes: int) -> list[KeptLine]:
    fitting = []
    for line in lines:
        limit_bytes -= len(line.text.encode())
        if limit_bytes < 0:
            break
        fitting.append(line)
    return fitting


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(CallLog)


def compress(log: CallLog) -> bytes:
    """Return a log as zlib of its JSON document."""
    return zlib.compress(_ENCODER.encode(log), _COMPRESSION)


def decompress(data: bytes) -> CallLog:
    """Return the log that ``compress`` was given.

    Raises:
        ValueError: it is not such a log, or it has more than ``UNPACKED_LIMIT_BYTES``. No more than that is unpacked.
    """
    unpacking = zlib.decompressobj()
    try:
        document = unpacking.decompress(data, UNPACKED_LIMIT_BYTES + 1)
    except zlib.error as error:
        message = f"the log lines are not valid zlib data: {error}"
        raise ValueError(message) from None
    if len(document) > UNPACKED_LIMIT_BYTES:
        message = f"the log lines have more than {UNPACKED_LIMIT_BYTES} bytes when they are unpacked"
        raise ValueError(message)
    if not unpacking.eof:
        message = "the log lines end too early"
        raise ValueError(message)
    try:
        return _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"the log lines are not a valid document: {error}"
        raise ValueError(message) from None


def pack(log: CallLog, limit_chars: int = PACKED_LIMIT_CHARS) -> str:
    """Return a log as base64 of its compressed form, with at most ``limit_chars`` characters.

    Lines are dropped until it fits. The result is empty when not even their number fits.
    """
    while True:
        packed = base64.b64encode(compress(log)).decode()
        if len(packed) <= limit_chars:
            return packed
        if log.count == 0:
            return ""
        # Text compresses unevenly, so this may need to be repeated. Each round keeps less, at last no line.
        log = log.within(log.text_bytes * limit_chars * 9 // (len(packed) * 10)) if log.text_bytes else _without(log)


def _without(log: CallLog) -> CallLog:
    return CallLog(dropped=log.dropped + log.count)


def unpack(packed: str) -> CallLog:
    """Return the log that ``pack`` was given, without the lines that did not fit.

    Raises:
        ValueError: see ``decompress``; or it is not base64.
    """
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        message = "the log lines are not valid base64"
        raise ValueError(message) from None
    return decompress(data)
