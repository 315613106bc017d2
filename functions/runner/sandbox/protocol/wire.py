"""What the parent and the sandbox child say to each other: length-prefixed MessagePack over one socket pair.

Each side checks the length before it reads and the schema before it believes. The talk alternates: the parent sends
``Run`` or ``Warm``, the child answers any number of ``LogLine``, ``Metric`` and ``HostCall`` (each ``HostCall`` waits
for one ``HostAnswer``) and then exactly one ``Done`` or ``Failed``.
"""

import os
import select
import time
from typing import Any, Final

import msgspec

FRAME_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""Larger than any allowed body or batch; a longer frame is a fault of the sender."""

OVERDUE_EXIT_STATUS: Final = 70
"""How a child exits that ended itself because its call went on long past its deadline (``ticker``)."""

_HEADER_BYTES: Final = 4
_BUFFER_BYTES: Final = 64 * 1024

Pair = tuple[str, str]


class Configure(msgspec.Struct, array_like=True, tag=0):
    """Parent to child, once, first: resource limits and the cache budget. The child confines itself and says Ready."""

    data_limit_bytes: int
    component_budget_bytes: int
    read_only_paths: list[str]


class Artifact(msgspec.Struct, array_like=True, frozen=True):
    """A verified cwasm: its key (which names its content), where it lies, and its size."""

    key: str
    path: str
    size_bytes: int


class Limits(msgspec.Struct, array_like=True):
    """Limits of one call; the deadline is of CLOCK_MONOTONIC, which all processes of a machine share."""

    deadline_ns: int
    memory_bytes: int
    fuel: int
    response_bytes: int


class Request(msgspec.Struct, array_like=True):
    """The guest's ``http-request``."""

    method: str
    url: str
    headers: list[Pair]
    body: bytes | None


class User(msgspec.Struct, array_like=True):
    """The guest's ``user-data-v2``."""

    tenant_id: str
    client_name: str
    user_id: str
    user_email: str
    user_name: str
    user_type: str
    client_id: str | None
    additional_fields: list[Pair]


class Run(msgspec.Struct, array_like=True, tag=1):
    """Parent to child: one call. ``context`` is ``context-data`` in field order."""

    artifact: Artifact
    context: tuple[str | None, str, str, str | None, str | None]
    request: Request
    providers: list[str]
    config: dict[str, str]
    user: User | None
    limits: Limits


class Warm(msgspec.Struct, array_like=True, tag=2):
    """Parent to child: load a component and instantiate it once, without calling it."""

    artifact: Artifact
    limits: Limits


class HostAnswer(msgspec.Struct, array_like=True, tag=3):
    """Parent to child: a host import's result as a value of its type, or a reason to trap the guest."""

    value: Any = None
    trap: str | None = None


class Ready(msgspec.Struct, array_like=True, tag=4):
    """Child to parent, once: what confines it, and what could not be applied and why."""

    applied: list[str]
    missing: list[str]


class HostCall(msgspec.Struct, array_like=True, tag=5):
    """Child to parent: a host import (``interface.function``) with its arguments."""

    name: str
    arguments: msgspec.Raw


class LogLine(msgspec.Struct, array_like=True, tag=6):
    """Child to parent: one line for the log of the invocation."""

    level: str
    source: str
    text: str


class Metric(msgspec.Struct, array_like=True, tag=7):
    """Child to parent: one number of the extension's own."""

    name: str
    value: float
    unit: str
    dimensions: list[Pair]


class Figures(msgspec.Struct, array_like=True):
    """What a call used, as the child measured it.

    ``fuel`` is None when it was not read. ``host_calls`` counts the imports as the child saw them; ``loads`` counts
    components loaded since the child began; ``evicted`` names those it has dropped since its last message.
    """

    cpu_ns: int = 0
    memory_peak_bytes: int = 0
    fuel: int | None = None
    process_cpu_ns: int = 0
    loads: int = 0
    host_calls: dict[str, int] = {}
    evicted: list[str] = []


class Done(msgspec.Struct, array_like=True, tag=8):
    """Child to parent: the guest's response, not yet checked."""

    status: int
    headers: list[Pair]
    body: bytes | None
    figures: Figures


class Failed(msgspec.Struct, array_like=True, tag=9):
    """Child to parent: why there is no response; ``code`` is one of the execute envelope's.

    ``message`` is for the caller, ``cause`` for the operator's log: the engine's words, which name files of the host.
    """

    code: str
    message: str
    figures: Figures
    cause: str = ""


ToChild = Configure | Run | Warm | HostAnswer
FromChild = Ready | HostCall | LogLine | Metric | Done | Failed

TO_CHILD: Final = msgspec.msgpack.Decoder(ToChild)
FROM_CHILD: Final = msgspec.msgpack.Decoder(FromChild)
_ENCODER: Final = msgspec.msgpack.Encoder()


class Closed(Exception):
    """The other side is gone."""


class Malformed(Exception):
    """The other side broke the protocol: a frame too long, or one that does not fit its schema."""


class Channel:
    """Frames over a stream descriptor, which it owns.

    With ``until_ns`` set (CLOCK_MONOTONIC) and the descriptor non-blocking, every wait ends there; the child, whose
    descriptor blocks, waits for ever.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.until_ns = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._out = bytearray(_BUFFER_BYTES)

    def send(self, message: ToChild | FromChild) -> None:
        """Send one frame.

        Raises:
            Closed: the other side is gone.
            TimeoutError: it does not read.
            Malformed: the frame would be too long; nothing was sent.
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
        """Return the payload of the next frame; a memoryview is valid until the next call.

        Raises:
            Closed, Malformed: see the classes.
            TimeoutError: nothing came in time.
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

    def close(self) -> None:
        """Close the descriptor; the other side sees the end of the stream."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _fill(self, size: int) -> None:
        """Have at least ``size`` unread bytes in the buffer."""
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

    def _wait(self, event: int) -> None:
        self._poll.modify(self.descriptor, event)
        left_ms = (self.until_ns - time.monotonic_ns()) / 1_000_000
        if left_ms <= 0 or not self._poll.poll(left_ms):
            message = "the other side did not answer in time"
            raise TimeoutError(message)
