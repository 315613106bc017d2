"""Length-prefixed MessagePack frames over a socket pair, used by the parent and the sandbox child.

Each side checks the length of a frame before reading it, and the schema of its message before using it.
"""

import os
import select
import time
from typing import Final

import msgspec

from functions.runner.sandbox.protocol.messages import FromChild, ToChild

FRAME_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""Larger than any allowed body or batch. A longer frame is a fault of the sender."""

_HEADER_BYTES: Final = 4
_BUFFER_BYTES: Final = 64 * 1024
_ENCODER: Final = msgspec.msgpack.Encoder()


class Closed(Exception):
    """The other side has closed the connection or ended."""


class Malformed(Exception):
    """A frame is too long, or its message does not match the protocol."""


class Channel:
    """Sends and receives frames over a stream descriptor, which it owns.

    The parent uses a non-blocking descriptor and sets ``until_ns`` (nanoseconds of CLOCK_MONOTONIC): every wait ends at
    that time. The child's descriptor is blocking, so the child waits without a limit.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.until_ns = 0
        self._poll = select.poll()
        self._polled = select.POLLIN
        self._poll.register(descriptor, self._polled)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._out = bytearray(_BUFFER_BYTES)

    def send(self, message: ToChild | FromChild) -> None:
        """Send one frame.

        Raises:
            Closed: the other side has closed the connection.
            TimeoutError: the other side did not read in time.
            Malformed: the frame would be too long. Nothing was sent.
        """
        out = self._out
        _ENCODER.encode_into(message, out, _HEADER_BYTES)
        size = len(out) - _HEADER_BYTES
        if size > _BUFFER_BYTES:
            self._out = bytearray(_BUFFER_BYTES)
        if size > FRAME_LIMIT_BYTES:
            text = f"a frame of {size} bytes; at most {FRAME_LIMIT_BYTES} are allowed"
            raise Malformed(text)
        out[:_HEADER_BYTES] = size.to_bytes(_HEADER_BYTES, "little")
        try:
            sent = os.write(self.descriptor, out)
            if sent < len(out):
                self._send_rest(memoryview(out), sent)
        except BlockingIOError:
            self._send_rest(memoryview(out), 0)
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed from error

    def receive(self) -> memoryview | bytearray:
        """Return the payload of the next frame. If it is a memoryview, it is valid until the next call.

        Raises:
            Closed: the other side has closed the connection.
            Malformed: the frame is too long.
            TimeoutError: no complete frame arrived in time.
        """
        self._fill(_HEADER_BYTES)
        header_end = self._start + _HEADER_BYTES
        size = int.from_bytes(self._view[self._start : header_end], "little")
        if size > FRAME_LIMIT_BYTES:
            text = f"a frame of {size} bytes; at most {FRAME_LIMIT_BYTES} are allowed"
            raise Malformed(text)
        self._start = header_end
        if size > _BUFFER_BYTES:
            return self._receive_large(size)
        self._fill(size)
        frame = self._view[self._start : self._start + size]
        self._start += size
        return frame

    def has_input(self) -> bool:
        """Tell whether there are bytes to receive, or the other side has closed the connection. This does not wait."""
        self._expect(select.POLLIN)
        return self._start != self._end or bool(self._poll.poll(0))

    def close(self) -> None:
        """Close the descriptor. The other side then reads the end of the stream."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _fill(self, size: int) -> None:
        """Read until the buffer has at least ``size`` unread bytes."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start + size > _BUFFER_BYTES:
            rest = self._end - self._start
            self._buffer[:rest] = self._buffer[self._start : self._end]
            self._start, self._end = 0, rest
        while self._end - self._start < size:
            self._end += self._read_into(self._view[self._end :])

    def _receive_large(self, size: int) -> bytearray:
        frame = bytearray(size)
        have = min(self._end - self._start, size)
        frame[:have] = self._view[self._start : self._start + have]
        self._start += have
        view = memoryview(frame)
        while have < size:
            have += self._read_into(view[have:])
        return frame

    def _read_into(self, view: memoryview) -> int:
        while True:
            try:
                count = os.readv(self.descriptor, [view])
            except BlockingIOError:
                self._wait(select.POLLIN)
                continue
            except OSError as error:
                raise Closed from error
            if not count:
                raise Closed
            return count

    def _send_rest(self, view: memoryview, sent: int) -> None:
        while sent < len(view):
            try:
                sent += os.write(self.descriptor, view[sent:])
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError as error:
                raise Closed from error

    def _expect(self, event: int) -> None:
        """Poll for this event from now on."""
        if event != self._polled:
            self._poll.modify(self.descriptor, event)
            self._polled = event

    def _wait(self, event: int) -> None:
        self._expect(event)
        left_ms = (self.until_ns - time.monotonic_ns()) / 1_000_000
        if left_ms <= 0 or not self._poll.poll(left_ms):
            message = "the other side did not answer in time"
            raise TimeoutError(message)
