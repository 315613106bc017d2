"""A folder of this process's own for artifacts; what processes left that have ended is removed.

Lambda keeps ``/tmp`` when it starts a runner again after a crash, and nobody would count or evict files of which only
the last process knew. Each process therefore works in a folder of its own and holds a lock in it as long as it lives.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alga_ext.ids import new_id

_CLAIMS: Final = "claims.lock"
_ALIVE: Final = "alive.lock"


def claim_folder(base: Path) -> Path:
    """Make a folder below ``base`` for this process and remove those of processes that have ended.

    The lock in it is held by a descriptor that stays open, and that no child process inherits.

    Args:
        base: made when it is missing; what is not ours in it stays.

    Raises:
        OSError: the folder cannot be made.
    """
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _claiming(base):
        for left in base.iterdir():
            _remove_if_left_behind(left)
        own = base / new_id()
        own.mkdir(mode=0o700)
        _lock(own / _ALIVE)
    return own


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


def _remove_if_left_behind(left: Path) -> None:
    """Remove artifacts that no process owns, if they are; what cannot be removed costs room, not the start."""
    if left.suffix in (".cwasm", ".partial"):  # from before processes had folders
        left.unlink(missing_ok=True)
    elif (left / _ALIVE).exists() and not _is_alive(left):
        shutil.rmtree(left, ignore_errors=True)


def _is_alive(folder: Path) -> bool:
    try:
        os.close(_lock(folder / _ALIVE))
    except OSError:  # held, or another user's
        return True
    return False
