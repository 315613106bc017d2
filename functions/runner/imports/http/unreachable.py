"""Remember for a short time the addresses that accepted no connection, so that others of the same name are tried first.

The memory belongs to the process and is shared by all calls. It only changes the order in which addresses are tried.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Final

REMEMBERED_FOR_S: Final = 30.0
REMEMBERED_LIMIT: Final = 256


class Unreachable:
    """Addresses that accepted no connection in the last ``REMEMBERED_FOR_S`` seconds, at most ``REMEMBERED_LIMIT``.

    Args:
        monotonic_s: returns the time of a monotonic clock, in seconds.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._until_s: dict[tuple[str, int], float] = {}

    def add(self, address: str, port: int) -> None:
        """Remember that an address and port accepted no connection. The oldest entry makes room."""
        with self._lock:
            self._until_s.pop((address, port), None)
            while len(self._until_s) >= REMEMBERED_LIMIT:
                del self._until_s[next(iter(self._until_s))]
            self._until_s[address, port] = self._monotonic_s() + REMEMBERED_FOR_S

    def last(self, addresses: Iterable[str], port: int) -> list[str]:
        """Return the addresses in the same order, but those that are remembered come last."""
        now_s = self._monotonic_s()
        with self._lock:
            return sorted(addresses, key=lambda address: self._until_s.get((address, port), 0.0) > now_s)


def connect_timeout_s(left_s: float, addresses_left: int, most_s: float) -> float:
    """Return how long to wait for a connection, in seconds.

    The last address may use all the time that is left, and the others share half of it, so that one that does not
    answer leaves time for the next one and its response.

    Args:
        left_s: until the call's deadline.
        addresses_left: addresses that have not been tried, this one included.
        most_s: the longest time for any address.
    """
    return min(most_s, left_s if addresses_left == 1 else left_s / (2 * addresses_left))
