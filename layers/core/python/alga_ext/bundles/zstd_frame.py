"""Decompress one zstd frame block by block from hostile bytes.

The library's own stream reader is not safe for this. It reads ahead and cannot tell where in these bytes the frame
ends, so it misses data that is hidden after the frame. It also does not limit a decompression bomb. The frame format
(RFC 8878) is simple, so this module reads each block exactly. A block decompresses to at most 128 KiB, and the frame
must end where the source ends.
"""

from collections.abc import Iterator
from typing import Final, Protocol

import zstandard

from alga_ext.errors import PlatformError

WINDOW_LIMIT_BYTES: Final = 64 * 1024 * 1024
BLOCKS_LIMIT: Final = 65_536
"""An encoder normally fills its blocks of 128 KiB. An archive with more blocks than this is made to use up time."""

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_BLOCK_LIMIT_BYTES: Final = 128 * 1024
_RLE: Final = 1
_RESERVED: Final = 3


class Readable(Protocol):
    """A source of bytes. Fewer bytes than requested do not mean that it has ended; zero bytes do."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes."""
        ...


def unfold(source: Readable) -> Iterator[bytes]:
    """Decompress the one frame in ``source`` and yield its content in pieces of at most 128 KiB.

    Raises:
        PlatformError: ``bundle_invalid`` for bytes that are not one complete zstd frame, or that need a dictionary or
            a window over ``WINDOW_LIMIT_BYTES``; ``bundle_unsafe`` for data after the frame, and for more than
            ``BLOCKS_LIMIT`` blocks.
    """
    frame = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT_BYTES).decompressobj()
    try:
        header, has_checksum = _header(source)
        yield frame.decompress(header)
        for block in _blocks(source):
            yield frame.decompress(block)
        if has_checksum:
            yield frame.decompress(_exactly(source, 4))
    except zstandard.ZstdError as error:
        raise _invalid(str(error)) from None
    if not frame.eof:
        raise _invalid("its frame does not end")
    if source.read(1):
        raise PlatformError("bundle_unsafe", "The bundle contains data after the end of its compressed frame.")


def _header(source: Readable) -> tuple[bytes, bool]:
    """Return the bytes of the frame header, and whether the frame ends with a checksum."""
    start = _exactly(source, 5)
    if start[:4] != _MAGIC:
        raise _invalid("it does not begin with a zstd frame")
    descriptor = start[4]
    single_segment, has_checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
    if descriptor & 0x18:
        raise _invalid("a reserved bit of its header is set")
    if descriptor & 0x03:
        raise _invalid("it needs a dictionary")
    size_code = descriptor >> 6
    size_bytes = (1 if single_segment else 0, 2, 4, 8)[size_code]
    rest = _exactly(source, (0 if single_segment else 1) + size_bytes)
    window = int.from_bytes(rest, "little") if single_segment else _window(rest[0])
    if window > WINDOW_LIMIT_BYTES:
        raise _invalid(f"its window is {window} bytes; at most {WINDOW_LIMIT_BYTES} are allowed")
    return start + rest, has_checksum


def _window(descriptor: int) -> int:
    base = 1 << (10 + (descriptor >> 3))
    return base + (base >> 3) * (descriptor & 0x07)


def _blocks(source: Readable) -> Iterator[bytes]:
    for _ in range(BLOCKS_LIMIT):
        header = _exactly(source, 3)
        fields = int.from_bytes(header, "little")
        is_last, kind, size = fields & 1, fields >> 1 & 3, fields >> 3
        if kind == _RESERVED or size > _BLOCK_LIMIT_BYTES:
            raise _invalid("one of its blocks is not well-formed")
        yield header + _exactly(source, 1 if kind == _RLE else size)
        if is_last:
            return
    raise PlatformError("bundle_unsafe", f"The bundle's frame has more than {BLOCKS_LIMIT} blocks; pack it again.")


def _exactly(source: Readable, size: int) -> bytes:
    data = source.read(size)
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            raise _invalid("it ends too early")
        data += more
    return data


def _invalid(why: str) -> PlatformError:
    return PlatformError("bundle_invalid", f"The bundle is not a zstd-compressed archive: {why}.")
