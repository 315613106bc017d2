"""Work folders on local disk that belong to one process or one job; folders of killed processes are removed.

Lambda keeps ``/tmp`` when it starts a function again after a crash or a timeout. Only the killed process knew its
files, so no other code would count, evict or remove them. Each folder therefore contains a lock file that its owner
keeps locked while it lives. A process that claims a new folder removes the folders whose lock is free.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alga_ext.ids import is_uuid, new_id

_CLAIMS: Final = "claims.lock"
_ALIVE: Final = "alive.lock"


def claim_folder(base: Path) -> Path:
    """Make a folder below ``base`` for the life of this process, and remove the folders of processes that have ended.

    An open file descriptor holds the folder's lock. No child process inherits this descriptor.

    Args:
        base: made when it is missing. Other files and folders in it are kept.

    Raises:
        OSError: the folder cannot be made.
    """
    folder, _ = _claim(base)
    return folder


@contextmanager
def job_folder(kind: str) -> Iterator[Path]:
    """Make a folder for one job and remove it afterwards; first remove the folders of killed jobs of this kind.

    Args:
        kind: name for such jobs. Their folders are below ``alga-ext/{kind}`` in the temporary folder.

    Raises:
        OSError: the folder cannot be made.
    """
    import tempfile  # the runner claims a folder of its own at each start, and needs none for jobs

    folder, lock = _claim(Path(tempfile.gettempdir(), "alga-ext", kind))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _claim(base: Path) -> tuple[Path, int]:
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _claiming(base):
        for left in base.iterdir():
            # A new folder is locked before ``claims.lock`` is released, so a folder without a held lock is left over.
            if is_uuid(left.name) and not _is_alive(left):
                shutil.rmtree(left, ignore_errors=True)  # a folder that cannot be removed must not fail the job
        own = base / new_id()
        own.mkdir(mode=0o700)
        return own, _lock(own / _ALIVE)


@contextmanager
def _claiming(base: Path) -> Iterator[None]:
    """Hold the lock for claims, so that no other process removes a new folder before its own lock is held."""
    descriptor = os.open(base / _CLAIMS, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """Lock a file and return the descriptor that holds the lock, or raise ``BlockingIOError``."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_alive(folder: Path) -> bool:
    try:
        os.close(_lock(folder / _ALIVE))
    except OSError:  # the lock is held, or the file belongs to another user
        return True
    return False
