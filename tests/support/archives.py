"""Bundle archives for tests: honest ones from files, and hostile ones header by header."""

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import zstandard

BLOCK = 512
END = bytes(2 * BLOCK)


def compressed(content: bytes, level: int = 3) -> bytes:
    """One zstd frame with a checksum, as a streaming encoder writes it."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=False)
    sink = io.BytesIO()
    with compressor.stream_writer(sink, closefd=False) as stream:
        stream.write(content)
    return sink.getvalue()


def compressed_stream(pieces: Iterable[bytes], path: Path, level: int = 3) -> Path:
    """Like ``compressed``, for content that is too large to hold."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=False)
    with path.open("wb") as sink, compressor.stream_writer(sink, closefd=False) as stream:
        for piece in pieces:
            stream.write(piece)
    return path


def header(
    name: str | bytes, size: int = 0, kind: bytes = b"0", *, link: bytes = b"", magic: bytes = b"ustar\x0000"
) -> bytes:
    """One ustar header with a right checksum."""
    raw = name if isinstance(name, bytes) else name.encode()
    fields = bytearray(BLOCK)
    fields[0 : len(raw)] = raw
    fields[100:108] = b"0000644\0"
    fields[108:124] = b"0000000\x000000000\0"
    fields[124:136] = b"%011o\0" % size
    fields[136:148] = b"%011o\0" % 0
    fields[156:157] = kind
    fields[157 : 157 + len(link)] = link
    fields[257:265] = magic
    return sealed(fields)


def sealed(fields: bytes | bytearray) -> bytes:
    """The header with its checksum put right."""
    block = bytearray(fields)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: str | bytes, data: bytes = b"x", kind: bytes = b"0") -> bytes:
    """A header with its padded content."""
    return header(name, len(data), kind) + padded(data)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def pax(records: Mapping[str, str | bytes]) -> bytes:
    """A PAX extended header."""
    return member("././@PaxHeader", b"".join(pax_record(name, value) for name, value in records.items()), b"x")


def pax_record(name: str, value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    rest = b" %s=%s\n" % (name.encode(), raw)
    size = len(rest) + 1
    while size != len(str(size)) + len(rest):
        size = len(str(size)) + len(rest)
    return str(size).encode() + rest


def bundle(*members: bytes, end: bytes = END) -> io.BytesIO:
    """A compressed archive of members, ready to be read."""
    return io.BytesIO(compressed(b"".join(members) + end))


def bundle_of(files: Mapping[str, bytes]) -> io.BytesIO:
    """An honest archive of files, written by the standard library."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return io.BytesIO(compressed(sink.getvalue()))


def zeros(size: int) -> Iterator[bytes]:
    """``size`` zero bytes in pieces."""
    piece = bytes(1 << 20)
    while size > 0:
        yield piece[:size]
        size -= len(piece)
