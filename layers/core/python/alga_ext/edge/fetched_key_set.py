"""The key set that the host application publishes at a URL, fetched and kept for a stated time (docs/adr/0036)."""

import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from alga_ext.edge.key_set import Key, KeySet, parse_key_set
from alga_ext.errors import PlatformError
from alga_ext.stores.http_requests import Connections, HttpError

CURRENT_S: Final = 300
"""How old a key set may get before it is fetched again."""
USABLE_S: Final = 3_600
"""How old it may get while it cannot be fetched."""
FAILURE_PAUSE_S: Final = 10
"""How long after a failure the URL is asked again. Until then, no call waits for it."""
UNKNOWN_KEY_PAUSE_S: Final = 30
"""How long after the last request an unknown key id may cause another one."""
SIZE_LIMIT_BYTES: Final = 256 * 1024
_READ_TIMEOUT_S: Final = 2.0
_HEADERS: Final = {"accept": "application/jwk-set+json, application/json", "user-agent": "alga-extensions"}


class FetchedKeySet:
    """Finds keys in the key set at a URL. Threads may share it.

    Args:
        url: http or https.
        wall_s: the wall clock, in seconds. It counts the time during which a function is frozen.
        monotonic_s: a clock that is never set, in seconds.
    """

    def __init__(
        self, url: str, wall_s: Callable[[], float] = time.time, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._connections = Connections()
        self._elapsed_s = _Elapsed(wall_s, monotonic_s)
        self._fetching = threading.Lock()
        self._fetched: _Fetched | None = None
        self._asked_s = float("-inf")
        self._failure: Exception | None = None

    def find(self, key_id: str | None) -> Key | None:
        """Return the key that a token names (see ``KeySet.find``), or None when the current key set has no such key.

        Raises:
            PlatformError: ``policy_unavailable`` when there is no key set of the last hour, or when the one that is
                used does not have the key and is not current, so that the key may be a new one.
        """
        keys = self._usable().keys
        key = keys.find(key_id)
        if key is None and key_id is not None:
            self._fetch(UNKNOWN_KEY_PAUSE_S, wait=True)
            latest = self._usable()
            key = latest.keys.find(key_id)
            if key is None and self._elapsed_s() - latest.at_s >= CURRENT_S:
                raise self._unavailable()
        return key

    def check(self) -> None:
        """Check that there is a key set that may be used; fetch it when that is due.

        Raises:
            PlatformError: ``policy_unavailable``.
        """
        self._usable()

    def _usable(self) -> "_Fetched":
        """Return the last good key set, after an attempt to fetch a newer one when that is due."""
        if self._age_s() >= CURRENT_S:
            self._fetch(FAILURE_PAUSE_S, wait=self._age_s() >= USABLE_S)
        fetched = self._fetched
        if fetched is None or self._age_s() >= USABLE_S:
            raise self._unavailable()
        return fetched

    def _age_s(self) -> float:
        fetched = self._fetched
        return float("inf") if fetched is None else self._elapsed_s() - fetched.at_s

    def _fetch(self, pause_s: float, *, wait: bool) -> None:
        """Ask the URL, unless it was asked in the last ``pause_s`` seconds, and keep its answer if that is good.

        One thread asks. With ``wait``, the others wait for the answer; without, they go on with the old key set.
        """
        if self._elapsed_s() - self._asked_s < pause_s or not self._fetching.acquire(blocking=wait):
            return
        try:
            at_s = self._elapsed_s()
            if at_s - self._asked_s >= pause_s:  # no other thread has asked meanwhile
                try:
                    self._fetched = _Fetched(parse_key_set(self._read()), at_s)
                    self._failure = None
                except (HttpError, ValueError) as error:
                    self._failure = error
                    self._log(error)
                finally:
                    self._asked_s = self._elapsed_s()
        finally:
            self._fetching.release()

    def _read(self) -> bytes:
        """Return the body of the URL's answer.

        Raises:
            HttpError: there is no answer.
            ValueError: it is not a success, or too large.
        """
        response = self._connections.request("GET", self._url, headers=_HEADERS, read_timeout_s=_READ_TIMEOUT_S)
        try:
            body = response.read(SIZE_LIMIT_BYTES + 1) if response.status == 200 else b""
        finally:
            response.close()
        if response.status != 200:
            message = f"it has status {response.status}, not 200"
            raise ValueError(message)
        if len(body) > SIZE_LIMIT_BYTES:
            message = f"it has more than {SIZE_LIMIT_BYTES} bytes"
            raise ValueError(message)
        return body

    def _log(self, error: Exception) -> None:
        from alga_ext.telemetry import logger  # seldom needed

        fetched = self._fetched
        age_s = None if fetched is None else round(self._elapsed_s() - fetched.at_s)
        message = "the key set for tokens cannot be read from AUTH_JWKS_URL"
        logger("tokens").warning(message, extra={"reason": str(error), "last_good_age_s": age_s})

    def _unavailable(self) -> PlatformError:
        detail = "The key set for tokens cannot be read; try again later."
        return PlatformError("policy_unavailable", detail, cause=self._failure)


class _Fetched(NamedTuple):
    """A good key set, and when it was asked for, on the clock ``_Elapsed``."""

    keys: KeySet
    at_s: float


class _Elapsed:
    """Seconds that have passed since the start, counted between any two readings by the clock that shows more.

    The monotonic clock may not count the time during which a function is frozen. The wall clock may be set: when it is
    set forward, a key set only ages faster; when it is set back, the monotonic clock goes on counting.
    """

    def __init__(self, wall_s: Callable[[], float], monotonic_s: Callable[[], float]) -> None:
        self._clocks = (wall_s, monotonic_s)
        self._lock = threading.Lock()
        self._read = (wall_s(), monotonic_s())
        self._elapsed_s = 0.0

    def __call__(self) -> float:
        with self._lock:
            wall_s, monotonic_s = (clock() for clock in self._clocks)
            self._elapsed_s += max(wall_s - self._read[0], monotonic_s - self._read[1], 0.0)
            self._read = (wall_s, monotonic_s)
            return self._elapsed_s
