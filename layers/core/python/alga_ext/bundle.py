"""The bundle archive: ``bundle.tar.zst``, packed the same way every time and read as hostile input.

Packing sorts files and fixes owner, mode and time, so the same tree gives the same bytes and the same content
hash. Reading streams: counts, sizes, ratio and window are bounded before anything is kept, and only plain files
with safe relative paths pass (no links, devices, absolute or hidden paths).
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

import zstandard

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.paths import PathError, check_relative

ARCHIVE_LIMIT_BYTES: Final = 200 * 1024 * 1024
_LEVEL: Final = 10
_WINDOW_LIMIT_BYTES: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 1 << 20


class Quota(NamedTuple):
    """Bounds of what an archive may unfold to."""

    files: int = 5_000
    file_bytes: int = 128 * 1024 * 1024
    total_bytes: int = 512 * 1024 * 1024
    ratio: int = 200
    """Unfolded bytes per archive byte, counted after the first 16 MiB."""


DEFAULT_QUOTA: Final = Quota()


class Entry(NamedTuple):
    """One file of a bundle: its path and its bytes."""

    path: str
    data: bytes


def pack(folder: Path, archive: Path) -> ContentHash:
    """Pack every file below ``folder`` into a new archive and return its content hash.

    Hidden files and folders are left out. The archive is written beside its final name and moved there, so a
    failure leaves no half of it.

    Raises:
        PlatformError: ``bundle_unsafe`` for a link, a special file or a path a bundle may not hold;
            ``bundle_too_large``.
    """
    files = sorted(_files_below(folder), key=lambda pair: pair[0])
    part = archive.with_name(archive.name + ".part")
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=False, threads=0)
    with (
        part.open("wb") as out,
        compressor.stream_writer(out, closefd=False) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, source in files:
            data = source.read_bytes()
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(data), 0o644, 0
            tar.addfile(info, io.BytesIO(data))
    size = part.stat().st_size
    if size > ARCHIVE_LIMIT_BYTES:
        part.unlink()
        raise PlatformError("bundle_too_large", _too_large("The archive", size, ARCHIVE_LIMIT_BYTES))
    part.replace(archive)
    return content_hash_of(archive)


def content_hash_of(archive: Path) -> ContentHash:
    """Return the content hash of an archive file: ``sha256:`` and hex of its bytes."""
    with archive.open("rb") as file:
        return ContentHash("sha256:" + hashlib.file_digest(file, "sha256").hexdigest())


def content_hash_of_bytes(data: bytes) -> ContentHash:
    """Return the content hash of archive bytes."""
    return ContentHash("sha256:" + hashlib.sha256(data).hexdigest())


def read_entries(
    archive: IO[bytes], quota: Quota = DEFAULT_QUOTA, keep: Callable[[str], bool] | None = None
) -> Iterator[Entry]:
    """Stream the files of an archive, in the archive's order.

    Args:
        archive: the compressed bytes; read once, from its present position.
        quota: what it may unfold to; checked while reading, so a bomb costs no more than the quota.
        keep: which paths to yield; the others are checked and skipped without being held in memory.

    Raises:
        PlatformError: ``bundle_invalid`` for what is no such archive; ``bundle_unsafe`` for an entry that is not
            allowed; ``bundle_too_large`` for a broken quota.
    """
    counted = _Counted(archive, quota)
    seen: set[str] = set()
    try:
        with tarfile.open(fileobj=counted, mode="r|", errorlevel=2) as tar:
            for member in tar:
                if member.isdir():
                    _checked(member.name.rstrip("/"))
                    continue
                path = _admit(member, seen, quota)
                if keep is not None and not keep(path):
                    continue
                source = tar.extractfile(member)
                if source is None:
                    raise PlatformError("bundle_invalid", f"{path!r} cannot be read from the archive.")
                data = source.read()
                if len(data) != member.size:
                    raise PlatformError("bundle_invalid", f"{path!r} ends before its size of {member.size} bytes.")
                yield Entry(path, data)
            counted.drain()
    except (
        tarfile.TarError,
        zstandard.ZstdError,
        EOFError,
        ValueError,
        OverflowError,
        UnicodeError,
        MemoryError,
    ) as error:
        detail = f"The bundle is not a zstd-compressed tar archive: {type(error).__name__}."
        raise PlatformError("bundle_invalid", detail, cause=error) from None
    if not seen:
        raise PlatformError("bundle_invalid", "The bundle holds no file.")


def read_index(archive: IO[bytes], quota: Quota = DEFAULT_QUOTA) -> list[str]:
    """Return the paths in an archive, sorted; the same refusals as ``read_entries``."""
    paths: list[str] = []

    def note(path: str) -> bool:
        paths.append(path)
        return False

    for _ in read_entries(archive, quota, note):
        pass  # note() refuses every entry, so there is none to look at
    return sorted(paths)


def extract(archive: IO[bytes], folder: Path, subtree: str = "", quota: Quota = DEFAULT_QUOTA) -> list[str]:
    """Write the files below ``subtree`` (such as ``ui/``) into ``folder`` and return their paths, sorted.

    ``folder`` must be empty; when it fails, what it wrote stays there for the caller to remove.
    """
    if any(folder.iterdir()):
        message = "the folder to extract into must be empty"
        raise ValueError(message)
    written = []
    for entry in read_entries(archive, quota, lambda path: path.startswith(subtree)):
        target = folder.joinpath(*entry.path.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(entry.data)
        written.append(entry.path)
    return sorted(written)


class _Counted(io.RawIOBase):
    """The decompressed stream, ended with an error as soon as the quota is broken."""

    def __init__(self, archive: IO[bytes], quota: Quota) -> None:
        self._source = _Tally(archive)
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT_BYTES)
        self._stream = decompressor.stream_reader(
            cast("IO[bytes]", self._source), read_across_frames=False, closefd=False
        )
        self._quota = quota
        self._unfolded = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(_CHUNK_BYTES if size < 0 else size)
        self._unfolded += len(data)
        if self._unfolded > self._quota.total_bytes:
            raise PlatformError(
                "bundle_too_large", _too_large("The unfolded bundle", self._unfolded, self._quota.total_bytes)
            )
        allowed = self._source.count * self._quota.ratio + 16 * 1024 * 1024
        if self._unfolded > allowed:
            raise PlatformError(
                "bundle_too_large", f"The bundle unfolds to more than {self._quota.ratio} times its size."
            )
        return data

    def drain(self) -> None:
        """Read to the end, so that the frame's checksum is verified and nothing is hidden behind the archive."""
        while data := self.read(_CHUNK_BYTES):
            if data.strip(b"\0"):
                raise PlatformError("bundle_unsafe", "The bundle holds data behind the end of its archive.")
        if self._source.read(1):
            raise PlatformError("bundle_unsafe", "The bundle holds data behind the end of its compressed frame.")


class _Tally(io.RawIOBase):
    """Counts the compressed bytes read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.count += len(data)
        return data


def _admit(member: tarfile.TarInfo, seen: set[str], quota: Quota) -> str:
    if not member.isreg() or member.issparse():
        raise PlatformError(
            "bundle_unsafe", f"{member.name[:100]!r} is a link or special file; bundles hold plain files only."
        )
    path = _checked(member.name)
    folded = path.casefold()
    if folded in seen:
        raise PlatformError("bundle_unsafe", f"{path!r} stands in the bundle twice (letter case does not count).")
    seen.add(folded)
    if len(seen) > quota.files:
        raise PlatformError("bundle_too_large", f"The bundle has more than {quota.files} files.")
    if member.size > quota.file_bytes:
        raise PlatformError("bundle_too_large", _too_large(f"{path!r}", member.size, quota.file_bytes))
    return path


def _checked(path: str) -> str:
    try:
        return check_relative(path)
    except PathError as error:
        raise PlatformError("bundle_unsafe", f"The bundle's {error}.") from None


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    for source in folder.rglob("*"):
        relative = source.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if source.is_symlink() or not (source.is_dir() or source.is_file()):
            raise PlatformError(
                "bundle_unsafe", f"{relative.as_posix()!r} is a link or special file; replace it by a plain file."
            )
        if source.is_file():
            yield _checked(relative.as_posix()), source


def _too_large(what: str, actual: int, limit: int) -> str:
    return f"{what} is {actual} bytes; at most {limit} are allowed."
