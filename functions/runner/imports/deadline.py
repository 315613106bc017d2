"""Waiting for names, servers and keys no longer than a call lasts."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Answer = TypeVar("Answer")

THREADS_LIMIT: Final = 64
_THREADS: Final = threading.BoundedSemaphore(THREADS_LIMIT)
_TOO_LONG: Final = "the work took longer than the call has left"


def within(timeout_s: float, work: Callable[[], Answer]) -> Answer:
    """Return what ``work`` returns, or raise what it raises, unless it takes longer.

    The work runs in a thread of its own, because the system's resolver, slow servers and key services know no
    deadline. One that is given up goes on by itself until its own socket's timeout ends it; at most ``THREADS_LIMIT``
    do at once, so that guests that call dead name servers again and again do not use up the runner's threads and
    descriptors.

    Raises:
        TimeoutError: it took longer, or no thread was free for that long.
    """
    until_s = time.monotonic() + timeout_s
    if not _THREADS.acquire(timeout=max(timeout_s, 0)):
        raise TimeoutError(_TOO_LONG)
    outcome: list[Answer] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            failure.append(error)
        finally:
            _THREADS.release()

    thread = threading.Thread(target=run, name="within", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system gives no thread
        _THREADS.release()
        raise TimeoutError(_TOO_LONG) from error
    thread.join(max(until_s - time.monotonic(), 0))
    if outcome:
        return outcome[0]
    if failure:
        raise failure[0]
    raise TimeoutError(_TOO_LONG)
