"""The bundle archive ``bundle.tar.zst``: pack it reproducibly, and read it as hostile input.

Packing sorts the files and uses a fixed owner, mode and time. So the same files give the same bytes and the same
content hash. Reading is a stream: the number of members, sizes, compression ratio and zstd window are checked before
a file is kept in memory. Only plain files with safe relative paths are accepted (no links, devices, absolute or hidden
paths).
``alga_ext.bundles.zstd_frame`` reads the zstd frame; ``alga_ext.bundles.tar_members`` reads the tar archive.
"""

import hashlib
import io
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import zstandard

from alga_ext.bundles.paths import PathError, check_relative
from alga_ext.bundles.tar_members import Member, read_members
from alga_ext.bundles.zstd_frame import unfold
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash

ARCHIVE_LIMIT_BYTES: Final = 200 * 1024 * 1024
_LEVEL: Final = 10
_RATIO_GRACE_BYTES: Final = 16 * 1024 * 1024


class Quota(NamedTuple):
    """Limits for the decompressed content of an archive."""

    files: int = 5_000
    """Files and folders together."""
    file_bytes: int = 128 * 1024 * 1024
    total_bytes: int = 512 * 1024 * 1024
    ratio: int = 200
    """Decompressed bytes per compressed byte. The first 16 MiB of decompressed bytes are not counted."""


DEFAULT_QUOTA: Final = Quota()


class Entry(NamedTuple):
    """One file of a bundle: its path and its content."""

    path: str
    data: bytes


def pack(folder: Path, archive: Path) -> ContentHash:
    """Pack every file below ``folder`` into a new archive and return its content hash.

    Hidden files and folders are left out. So is the archive itself when it is in the folder. The archive is written to
    a ``.part`` file next to its final name and then renamed, so a failure leaves no incomplete archive.

    Raises:
        PlatformError: ``bundle_unsafe`` for a link, a special file or a path that a bundle may not contain;
            ``bundle_too_large`` for an archive over a limit; ``bundle_invalid`` when there is no file.
    """
    files = sorted(_files_below(folder), key=lambda pair: pair[0])
    part = archive.with_name(archive.name + ".part")
    try:
        own = (archive.resolve(), part.resolve())
        _write([pair for pair in files if pair[1].resolve() not in own], part)
        if (size := part.stat().st_size) > ARCHIVE_LIMIT_BYTES:
            raise PlatformError("bundle_too_large", _too_large("The archive", size, ARCHIVE_LIMIT_BYTES))
        with part.open("rb") as written:
            read_index(written)  # refuse now what the platform would refuse after the upload
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)
    return content_hash_of(archive)


def content_hash_of(archive: Path) -> ContentHash:
    """Return the content hash of an archive file: ``sha256:`` and the hex SHA-256 of its bytes."""
    with archive.open("rb") as file:
        return ContentHash("sha256:" + hashlib.file_digest(file, "sha256").hexdigest())


def content_hash_of_bytes(data: bytes) -> ContentHash:
    """Return the content hash of archive bytes."""
    return ContentHash("sha256:" + hashlib.sha256(data).hexdigest())


def read_entries(
    archive: IO[bytes], quota: Quota = DEFAULT_QUOTA, keep: Callable[[str], bool] | None = None
) -> Iterator[Entry]:
    """Yield the files of an archive one by one, in the archive's order.

    Args:
        archive: the compressed bytes. They are read once, from the current position.
        quota: limits for the decompressed content. They are checked while reading, so a decompression bomb uses no more
            than the quota.
        keep: returns whether to yield a path. Other files are checked and skipped without being held in memory.

    Raises:
        PlatformError: ``bundle_invalid`` when it is not a valid bundle archive; ``bundle_unsafe`` for an entry that is
            not allowed; ``bundle_too_large`` when a limit of the quota is exceeded.
    """
    contents = _KnownPaths(quota)

    def wanted(member: Member) -> bool:
        contents.admit(member)
        return keep is None or (not member.is_folder and keep(member.path))

    for member, data in read_members(_Decompressed(archive, quota), wanted):
        yield Entry(member.path, data)
    if not contents.files:
        raise PlatformError("bundle_invalid", "The bundle contains no file.")


def read_index(archive: IO[bytes], quota: Quota = DEFAULT_QUOTA) -> list[str]:
    """Return the paths in an archive, sorted; raises the same errors as ``read_entries``."""
    paths: list[str] = []

    def note(path: str) -> bool:
        paths.append(path)
        return False

    for _ in read_entries(archive, quota, note):
        pass  # note() returns False for every path, so no entry is yielded
    return sorted(paths)


def extract(archive: IO[bytes], folder: Path, subtree: str = "", quota: Quota = DEFAULT_QUOTA) -> list[str]:
    """Write the files below ``subtree`` (such as ``ui/``) into ``folder`` and return their paths, sorted.

    ``folder`` must be empty. After an error, the files written so far stay there, and the caller must remove them.
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


class _Decompressed:
    """The decompressed archive as a ``tar_members.Source``; raises an error as soon as a quota is exceeded."""

    def __init__(self, archive: IO[bytes], quota: Quota) -> None:
        self._compressed = _ByteCounter(archive)
        self._pieces = unfold(self._compressed)
        self._quota = quota
        self._decompressed_bytes = 0
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        return b"".join(self._take(size))

    def skip(self, size: int) -> int:
        return sum(len(piece) for piece in self._take(size))

    def _take(self, size: int) -> Iterator[memoryview]:
        while size > 0 and (self._piece or self._refill()):
            taken, self._piece = self._piece[:size], self._piece[size:]
            size -= len(taken)
            yield taken

    def _refill(self) -> bool:
        """Decompress the next piece that is not empty; return whether there is one."""
        for piece in self._pieces:
            self._decompressed_bytes += len(piece)
            self._check_quota()
            if piece:
                self._piece = memoryview(piece)
                return True
        return False

    def _check_quota(self) -> None:
        total, ratio = self._quota.total_bytes, self._quota.ratio
        if self._decompressed_bytes > total:
            raise PlatformError(
                "bundle_too_large", _too_large("The decompressed bundle", self._decompressed_bytes, total)
            )
        if self._decompressed_bytes > self._compressed.count * ratio + _RATIO_GRACE_BYTES:
            raise PlatformError("bundle_too_large", f"The bundle decompresses to more than {ratio} times its size.")


class _ByteCounter:
    """Counts the compressed bytes read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.count = 0

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self.count += len(data)
        return data


class _KnownPaths:
    """The paths found in the archive so far; refuses a path that appears twice or is both a file and a folder.

    Paths are compared without regard to letter case, because some file systems ignore it.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._members = 0
        self.files: set[str] = set()
        self._folders: set[str] = set()

    def admit(self, member: Member) -> None:
        """Add a member, or raise ``bundle_unsafe`` or ``bundle_too_large``."""
        self._members += 1
        if self._members > self._quota.files:
            raise PlatformError("bundle_too_large", f"The bundle has more than {self._quota.files} files and folders.")
        path = _checked(member.path.removesuffix("/") if member.is_folder else member.path)
        folded = unicodedata.normalize("NFC", path.casefold())
        above = [folded[:at] for at, character in enumerate(folded) if character == "/"]
        if folded in self.files:
            raise PlatformError("bundle_unsafe", f"{path!r} is in the bundle twice (letter case does not count).")
        if (folded in self._folders and not member.is_folder) or not self.files.isdisjoint(above):
            raise PlatformError("bundle_unsafe", f"{path!r} is both a file and a folder (letter case does not count).")
        self._folders.update(above)
        (self._folders if member.is_folder else self.files).add(folded)
        if member.size > self._quota.file_bytes:
            raise PlatformError("bundle_too_large", _too_large(f"{path!r}", member.size, self._quota.file_bytes))


def _write(files: list[tuple[str, Path]], archive: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=False, threads=0)
    with (
        archive.open("wb") as out,
        compressor.stream_writer(out, closefd=False) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, source in files:
            data = source.read_bytes()
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(data), 0o644, 0
            tar.addfile(info, io.BytesIO(data))


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
                "bundle_unsafe", f"{relative.as_posix()!r} is a link or special file; replace it with a plain file."
            )
        if source.is_file():
            yield _checked(relative.as_posix()), source


def _too_large(what: str, actual: int, limit: int) -> str:
    return f"{what} is {actual} bytes; at most {limit} are allowed."
