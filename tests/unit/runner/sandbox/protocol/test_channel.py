"""Frames between parent and child."""

import os
import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from functions.runner.sandbox.protocol.channel import FRAME_LIMIT_BYTES, Channel, Closed, Malformed
from functions.runner.sandbox.protocol.messages import FROM_CHILD, LogLine


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    left, right = socket.socketpair()
    left.setblocking(False)
    channels = Channel(left.detach()), Channel(right.detach())
    channels[0].until_ns = time.monotonic_ns() + 2_000_000_000
    yield channels
    for channel in channels:
        channel.close()


@pytest.mark.parametrize("size", [0, 1, 60_000, 65_500, 65_536, 70_000, 1_000_000])
def test_a_frame_of_any_size_arrives_as_it_was_sent(ends: tuple[Channel, Channel], size: int) -> None:
    parent, child = ends
    sender = threading.Thread(target=child.send, args=(LogLine("info", "guest", "x" * size),))
    sender.start()
    assert FROM_CHILD.decode(parent.receive()) == LogLine("info", "guest", "x" * size)
    sender.join()


def test_frames_that_arrive_together_are_told_apart(ends: tuple[Channel, Channel]) -> None:
    parent, child = ends
    lines = [LogLine("info", "guest", str(number) * 50) for number in range(500)]

    def send() -> None:
        for line in lines:
            child.send(line)

    sender = threading.Thread(target=send)
    sender.start()
    received = [FROM_CHILD.decode(parent.receive()) for _ in lines]
    sender.join()
    assert received == lines


def test_a_frame_that_arrives_byte_by_byte_is_put_together(ends: tuple[Channel, Channel]) -> None:
    parent, child = ends
    payload = msgspec.msgpack.encode(LogLine("info", "guest", "hello"))

    def drip() -> None:
        for byte in len(payload).to_bytes(4, "little") + payload:
            os.write(child.descriptor, bytes([byte]))
            time.sleep(0.001)

    sender = threading.Thread(target=drip)
    sender.start()
    assert FROM_CHILD.decode(parent.receive()) == LogLine("info", "guest", "hello")
    sender.join()


def test_a_length_beyond_the_limit_is_malformed_before_anything_is_read(ends: tuple[Channel, Channel]) -> None:
    parent, child = ends
    os.write(child.descriptor, (FRAME_LIMIT_BYTES + 1).to_bytes(4, "little"))
    with pytest.raises(Malformed):
        parent.receive()


def test_a_frame_too_long_is_not_sent(ends: tuple[Channel, Channel]) -> None:
    parent, child = ends
    with pytest.raises(Malformed):
        child.send(LogLine("info", "guest", "x" * (FRAME_LIMIT_BYTES + 1)))
    child.send(LogLine("info", "guest", "after"))
    assert FROM_CHILD.decode(parent.receive()) == LogLine("info", "guest", "after")


def test_the_end_of_the_other_side_is_noticed(ends: tuple[Channel, Channel]) -> None:
    parent, child = ends
    child.close()
    with pytest.raises(Closed):
        parent.receive()


@pytest.mark.parametrize("size", [10, 4_000_000])
def test_nothing_can_be_sent_to_a_side_that_has_ended(ends: tuple[Channel, Channel], size: int) -> None:
    parent, child = ends
    child.close()
    with pytest.raises(Closed):
        parent.send(LogLine("info", "guest", "x" * size))


def test_an_end_in_the_middle_of_a_frame_is_noticed(ends: tuple[Channel, Channel]) -> None:
    parent, child = ends
    os.write(child.descriptor, (100).to_bytes(4, "little") + b"half")
    child.close()
    with pytest.raises(Closed):
        parent.receive()


def test_silence_ends_at_the_deadline(ends: tuple[Channel, Channel]) -> None:
    parent, _ = ends
    parent.until_ns = time.monotonic_ns() + 50_000_000
    with pytest.raises(TimeoutError):
        parent.receive()


def test_half_a_frame_and_silence_end_at_the_deadline(ends: tuple[Channel, Channel]) -> None:
    parent, child = ends
    os.write(child.descriptor, (100).to_bytes(4, "little") + b"half")
    parent.until_ns = time.monotonic_ns() + 50_000_000
    with pytest.raises(TimeoutError):
        parent.receive()


def test_a_reader_that_does_not_read_ends_at_the_deadline(ends: tuple[Channel, Channel]) -> None:
    parent, _ = ends
    parent.until_ns = time.monotonic_ns() + 50_000_000
    with pytest.raises(TimeoutError):
        parent.send(LogLine("info", "guest", "x" * 4_000_000))


@pytest.mark.parametrize(
    "payload", [b"", b"\x90", b"\xc1", b"\x92\x06\x01", b"[]", b"\x93\x63\x01\x02", bytes(range(160, 200))]
)
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        FROM_CHILD.decode(payload)
