"""Limit how long a call waits for name resolution, servers and key services."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Answer = TypeVar("Answer")

THREADS_LIMIT: Final = 64
_THREADS: Final = threading.BoundedSemaphore(THREADS_LIMIT)
_TOO_LONG: Final = "the work did not finish before the call's deadline"


def within(timeout_s: float, work: Callable[[], Answer]) -> Answer:
    """Return what ``work`` returns, or raise what it raises, unless it takes longer than ``timeout_s`` seconds.

    The work runs in a separate thread, because the system's resolver, slow servers and key services have no deadline.
    A thread that is given up continues until its own socket times out. At most ``THREADS_LIMIT`` such threads run at
    the same time: guests that repeatedly call name servers that do not answer must not use up the runner's threads and
    descriptors.

    Raises:
        TimeoutError: the work took longer, or no thread was free in that time.
    """
    until_s = time.monotonic() + timeout_s
    if not _THREADS.acquire(timeout=max(timeout_s, 0)):
        raise TimeoutError(_TOO_LONG)
    outcome: list[Answer] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)
        finally:
            _THREADS.release()

    thread = threading.Thread(target=run, name="within", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system cannot start another thread
        _THREADS.release()
        raise TimeoutError(_TOO_LONG) from error
    thread.join(max(until_s - time.monotonic(), 0))
    if outcome:
        return outcome[0]
    if failure:
        raise failure[0]
    raise TimeoutError(_TOO_LONG)
