"""Limit how long a call waits for name resolution, servers and key services, and how many threads each install uses."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Answer = TypeVar("Answer")

_TOO_LONG: Final = "the work did not finish before the call's deadline"


class Workers:
    """Threads for work that has no deadline of its own: the system's resolver, slow servers, key services.

    A thread that is given up continues until its own socket times out. At most ``limit`` threads run at the same time,
    and at most ``share`` of them for one install. So an extension that repeatedly calls servers that do not answer
    cannot use up the runner's threads and descriptors, and cannot delay other extensions.
    """

    def __init__(self, limit: int, share: int) -> None:
        self.limit = limit
        self.share = share
        self._freed = threading.Condition()
        self._busy: dict[str, int] = {}

    def within(self, install_id: str, timeout_s: float, work: Callable[[], Answer]) -> Answer:
        """Return what ``work`` returns, or raise what it raises, unless it takes longer than ``timeout_s`` seconds.

        Raises:
            TimeoutError: the work took longer, or no thread was free in that time.
        """
        until_s = time.monotonic() + timeout_s
        with self._freed:
            if not self._freed.wait_for(lambda: self._is_free(install_id), max(timeout_s, 0)):
                raise TimeoutError(_TOO_LONG)
            self._busy[install_id] = self._busy.get(install_id, 0) + 1
        outcome: list[Answer] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                failure.append(error)
            finally:
                self._free(install_id)

        thread = threading.Thread(target=run, name="within", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system cannot start another thread
            self._free(install_id)
            raise TimeoutError(_TOO_LONG) from error
        thread.join(max(until_s - time.monotonic(), 0))
        if outcome:
            return outcome[0]
        if failure:
            raise failure[0]
        raise TimeoutError(_TOO_LONG)

    def _is_free(self, install_id: str) -> bool:
        return sum(self._busy.values()) < self.limit and self._busy.get(install_id, 0) < self.share

    def _free(self, install_id: str) -> None:
        with self._freed:
            left = self._busy[install_id] - 1
            if left:
                self._busy[install_id] = left
            else:
                del self._busy[install_id]
            self._freed.notify_all()


# Name lookups and keys have threads of their own: requests to servers that hang must not delay them.
REQUESTS: Final = Workers(limit=64, share=16)
LOOKUPS: Final = Workers(limit=32, share=8)
KEYS: Final = Workers(limit=16, share=4)
