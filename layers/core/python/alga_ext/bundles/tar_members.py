"""Read the members of a tar archive from hostile bytes.

``tarfile`` is not safe for this: it keeps every member and every extended header in memory, follows chains of headers
by recursion, treats a broken header as the end of the archive, and lets headers override sizes. A bundle needs only
plain files and folders with a path and a size. So this module reads only those and refuses everything else, with the
kind of member in the error. The format is POSIX ustar, with PAX ``path`` records or GNU long names for long paths.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from alga_ext.errors import PlatformError

_BLOCK_BYTES: Final = 512
_EXTENSION_LIMIT_BYTES: Final = 8 * 1024
_RECORDS_LIMIT: Final = 64
_ZEROS: Final = bytes(_BLOCK_BYTES)

_FILE_KINDS: Final = (b"0", b"\0")
_FOLDER_KIND: Final = b"5"
_PAX_KIND: Final = b"x"
_LONG_NAME_KIND: Final = b"L"
_REFUSED_KINDS: Final = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"7": "a contiguous file",
    b"S": "a sparse file",
    b"K": "a long link name",
    b"g": "a global header",
}


class Source(Protocol):
    """Provides the archive's bytes in order."""

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes; fewer only at the end."""
        ...

    def skip(self, size: int) -> int:
        """Skip ``size`` bytes and return how many were skipped; fewer only at the end."""
        ...


class Member(NamedTuple):
    """A file or folder of the archive, as named in its header; only the form of the header has been checked."""

    path: str
    size: int
    is_folder: bool


def read_members(source: Source, wanted: Callable[[Member], bool]) -> Iterator[tuple[Member, bytes]]:
    """Yield the wanted files with their content, in the archive's order.

    Args:
        source: the decompressed archive.
        wanted: called for every member, including folders, before its content is read. It returns whether to yield the
            member, and it may raise. A folder is never yielded.

    Raises:
        PlatformError: ``bundle_invalid`` when the archive is not well-formed or ends too early; ``bundle_unsafe`` for
            a member that is not a plain file or a folder, and for data after the archive's end.
    """
    name: str | None = None
    extended = False
    while (header := _block(source)) != _ZEROS:
        kind, size = _check(header)
        if kind in (_PAX_KIND, _LONG_NAME_KIND):
            if extended:
                raise _invalid("one member has two extended headers")
            name, extended = _extended_name(source, kind, size), True
            continue
        member = Member(_name(header) if name is None else name, size, kind == _FOLDER_KIND)
        name, extended = None, False
        if member.is_folder and size:
            raise _invalid("a folder has content")
        if wanted(member) and not member.is_folder:
            yield member, _content(source, size)
        elif source.skip(_padded(size)) < _padded(size):
            raise _truncated()
    if extended:
        raise _invalid("an extended header belongs to no member")
    _check_end(source)


def _block(source: Source) -> bytes:
    block = source.read(_BLOCK_BYTES)
    if len(block) < _BLOCK_BYTES:
        raise _truncated()
    return block


def _check(header: bytes) -> tuple[bytes, int]:
    """Check a header's form and checksum and return its kind and size."""
    kind = header[156:157]
    if header[257:263] not in (b"ustar\0", b"ustar "):
        raise _invalid("a header is not in the ustar format")
    if _octal(header[148:156]) != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        raise _invalid("a header's checksum is wrong")
    if kind in _REFUSED_KINDS:
        raise PlatformError(
            "bundle_unsafe", f"The bundle contains {_REFUSED_KINDS[kind]}; only plain files are allowed."
        )
    if kind not in (*_FILE_KINDS, _FOLDER_KIND, _PAX_KIND, _LONG_NAME_KIND):
        raise PlatformError(
            "bundle_unsafe", f"The bundle contains a member of the unknown kind {kind!r}; only plain files are allowed."
        )
    return kind, _octal(header[124:136])


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or not all(ord("0") <= digit <= ord("7") for digit in digits):
        raise _invalid("a number in a header is not octal")
    return int(digits, 8)


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _extended_name(source: Source, kind: bytes, size: int) -> str | None:
    if size > _EXTENSION_LIMIT_BYTES:
        detail = f"The bundle has an extended header of {size} bytes; at most {_EXTENSION_LIMIT_BYTES} are allowed."
        raise PlatformError("bundle_unsafe", detail)
    data = _content(source, size)
    return _text(data.removesuffix(b"\0")) if kind == _LONG_NAME_KIND else _pax_path(data)


def _pax_path(data: bytes) -> str | None:
    r"""Return the ``path`` from PAX records (``"%d %s=%s\n"``; the number is the length of the whole record)."""
    path: str | None = None
    start = 0
    for _ in range(_RECORDS_LIMIT):
        if start == len(data):
            return path
        digits, space, _ = data[start : start + 6].partition(b" ")
        end = start + int(digits) if space and digits.isdigit() else start
        keyword, equals, value = data[start + len(digits) + 1 : end].partition(b"=")
        if not equals or not value.endswith(b"\n") or end > len(data):
            raise _invalid("an extended header is not well-formed")
        if keyword in (b"size", b"linkpath", b"hdrcharset") or keyword.startswith(b"GNU.sparse"):
            shown = keyword[:40].decode("ascii", "replace")
            raise PlatformError("bundle_unsafe", f"The bundle contains an extended header that sets {shown!r}.")
        if keyword == b"path":
            path = _text(value.removesuffix(b"\n"))
        start = end
    raise _invalid(f"an extended header has more than {_RECORDS_LIMIT} records")


def _content(source: Source, size: int) -> bytes:
    data = source.read(size)
    padding = _padded(size) - size
    if len(data) < size or source.skip(padding) < padding:
        raise _truncated()
    return data


def _check_end(source: Source) -> None:
    """Check that only zeros are left, and at least one more block of them."""
    if _block(source) != _ZEROS:
        raise _trailing_data()
    while data := source.read(64 * 1024):
        if data.strip(b"\0"):
            raise _trailing_data()


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise PlatformError("bundle_unsafe", "The bundle contains a path that is not UTF-8.") from None


def _padded(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES


def _trailing_data() -> PlatformError:
    return PlatformError("bundle_unsafe", "The bundle contains data after the end of its archive.")


def _truncated() -> PlatformError:
    return _invalid("it ends too early")


def _invalid(why: str) -> PlatformError:
    return PlatformError("bundle_invalid", f"The bundle is not a tar archive: {why}.")
