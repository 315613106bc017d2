"""Folders on local disk that end with their process, or with the job in it; what the killed left is removed.

Lambda keeps ``/tmp`` when it starts a function again after a crash or a timeout, and nobody would count, evict or
remove files of which only the last process knew. Each folder therefore holds a lock as long as its owner lives, and
who claims the next one removes those whose lock is free.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alga_ext.ids import is_uuid, new_id

_CLAIMS: Final = "claims.lock"
_ALIVE: Final = "alive.lock"


def claim_folder(base: Path) -> Path:
    """Make a folder below ``base`` for the life of this process and remove those of processes that have ended.

    The lock in it is held by a descriptor that stays open, and that no child process inherits.

    Args:
        base: made when it is missing; what is not ours in it stays.

    Raises:
        OSError: the folder cannot be made.
    """
    folder, _ = _claim(base)
    return folder


@contextmanager
def job_folder(kind: str) -> Iterator[Path]:
    """Give a folder for one job and remove it after; what jobs of this kind left when they were killed goes first.

    Args:
        kind: a plain name for such jobs; folders lie below ``alga-ext`` in the temporary folder.

    Raises:
        OSError: the folder cannot be made.
    """
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
            # Whoever makes one locks it before anybody else looks, so without a lock it was being removed.
            if is_uuid(left.name) and not _is_alive(left):
                shutil.rmtree(left, ignore_errors=True)  # what cannot be removed costs room, not the job
        own = base / new_id()
        own.mkdir(mode=0o700)
        return own, _lock(own / _ALIVE)


@contextmanager
def _claiming(base: Path) -> Iterator[None]:
    """Keep others from taking a folder for left behind before its lock is held."""
    descriptor = os.open(base / _CLAIMS, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """Take the lock of a file and return the descriptor that holds it, or raise ``BlockingIOError``."""
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
    except OSError:  # held, or another user's
        return True
    return False
