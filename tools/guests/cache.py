"""Cache builds by the hash of their inputs; safe when several processes build at the same time."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.guests.places import CACHE


def built(shelf: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return the cached folder of ``key``; build it first if it does not exist.

    Args:
        shelf: kind of build, a folder below the cache.
        key: hash of the inputs.
        build: fills the empty folder that it gets. If it raises, the exception is passed on and nothing is cached.

    The folder appears under its name only when it is complete: it is filled elsewhere and renamed. A second process
    that needs the same key waits for the first and then uses its result.
    """
    place = CACHE / shelf / key
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with only_one(place.with_name(f".{key}.lock")):
        if place.is_dir():
            return place
        work = Path(tempfile.mkdtemp(prefix=f".{key[:12]}-", dir=place.parent))
        try:
            build(work)
            work.chmod(0o755)
            work.rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return place


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system releases it when the process dies."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
