"""The messages of the evaluation worker, and the frames that carry them: a length, then MessagePack.

Schemas and configurations travel as JSON text, because MessagePack has no integers beyond 64 bits.
"""

import socket
import time
from collections.abc import Callable
from io import FileIO
from typing import Final

import msgspec

FRAME_LIMIT_BYTES: Final = 10 * 1024 * 1024
"""Larger than a UI file with two variants that are each smaller than it."""

_HEADER_BYTES: Final = 4


class TooLargeError(ValueError):
    """A message is larger than ``FRAME_LIMIT_BYTES``. Nothing was sent."""


class CheckSchema(msgspec.Struct, tag=True):
    """Check a manifest's ``config``. The answer is a ``Verdict``."""

    schema: bytes


class CheckConfig(msgspec.Struct, tag=True):
    """Check a configuration against a schema that was accepted. The answer is a ``Verdict``."""

    schema: bytes
    config: bytes


class CheckData(msgspec.Struct, tag=True):
    """Check the data of events against schemas that were accepted. The answer is ``Verdicts``.

    ``data`` has the place of a schema in ``schemas``, and a document.
    """

    schemas: list[bytes]
    data: list[tuple[int, bytes]]


class Compress(msgspec.Struct, tag=True):
    """Compress a UI file with brotli (quality 0–11) and gzip (level 1–9). The answer is a ``Compressed``."""

    data: bytes
    brotli_quality: int
    gzip_level: int


class Ready(msgspec.Struct, tag=True):
    """The worker has started and imported what it needs."""


class Verdict(msgspec.Struct, tag=True):
    """The fault that was found, or None."""

    fault: str | None


class Verdicts(msgspec.Struct, tag=True):
    """The fault of each document, or None."""

    faults: list[str | None]


class Compressed(msgspec.Struct, tag=True):
    """The compressed variants of a file."""

    brotli: bytes
    gzip: bytes


Request = CheckSchema | CheckConfig | CheckData | Compress
Answer = Ready | Verdict | Verdicts | Compressed

REQUESTS: Final = msgspec.msgpack.Decoder(Request)
ANSWERS: Final = msgspec.msgpack.Decoder(Answer)
_ENCODER: Final = msgspec.msgpack.Encoder()


def send(connection: socket.socket, message: Request | Answer, until_s: float | None = None) -> None:
    """Send one message over a socket.

    Args:
        connection: a stream.
        message: the message.
        until_s: when to give up, in seconds of ``time.monotonic``; None waits without limit.

    Raises:
        TimeoutError: the other side did not read in time.
        OSError: the other side has closed the connection.
        TooLargeError: the message is larger than ``FRAME_LIMIT_BYTES``. Nothing was sent.
    """
    frame = _frame(message)
    connection.settimeout(_left_s(until_s))
    connection.sendall(frame)


def receive(connection: socket.socket, until_s: float | None = None) -> bytes:
    """Return the payload of the next message of a socket.

    Raises:
        TimeoutError: no complete message arrived in time.
        EOFError: the other side has closed the connection.
        ValueError: the message is larger than ``FRAME_LIMIT_BYTES``.
    """

    def read_into(view: memoryview) -> int:
        connection.settimeout(_left_s(until_s))
        return connection.recv_into(view)

    return _payload(read_into)


def write(stream: FileIO, message: Request | Answer) -> None:
    """Write one message to an unbuffered file, which needs no system call but ``write``.

    Raises:
        OSError: the other side has closed the connection.
        TooLargeError: the message is larger than ``FRAME_LIMIT_BYTES``. Nothing was written.
    """
    view = memoryview(_frame(message))
    while view:
        view = view[stream.write(view) :]


def read(stream: FileIO) -> bytes:
    """Return the payload of the next message of an unbuffered file, which needs no system call but ``read``.

    Raises:
        EOFError: the other side has closed the connection.
        ValueError: the message is larger than ``FRAME_LIMIT_BYTES``.
    """
    return _payload(stream.readinto)


def _frame(message: Request | Answer) -> bytes:
    payload = _ENCODER.encode(message)
    if len(payload) > FRAME_LIMIT_BYTES:
        text = f"a message of {len(payload)} bytes; at most {FRAME_LIMIT_BYTES} are allowed"
        raise TooLargeError(text)
    return len(payload).to_bytes(_HEADER_BYTES, "little") + payload


def _payload(read_into: Callable[[memoryview], int]) -> bytes:
    size = int.from_bytes(_exactly(read_into, _HEADER_BYTES), "little")
    if size > FRAME_LIMIT_BYTES:
        text = f"a message of {size} bytes; at most {FRAME_LIMIT_BYTES} are allowed"
        raise ValueError(text)
    return bytes(_exactly(read_into, size))


def _exactly(read_into: Callable[[memoryview], int], size: int) -> bytearray:
    data = bytearray(size)
    view, have = memoryview(data), 0
    while have < size:
        count = read_into(view[have:])
        if count == 0:
            raise EOFError
        have += count
    return data


def _left_s(until_s: float | None) -> float | None:
    if until_s is None:
        return None
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
