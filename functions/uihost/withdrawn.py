"""Tell which bundles are withdrawn, by the signed list that the registry keeps in the object store.

The UI host has no database, and the store is untrusted. So a bundle is shown only under a list that was verified and
has not expired (docs/adr/0019-state-in-the-token-and-a-signed-list.md).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from alga_ext.errors import PlatformError
from alga_ext.platform_metrics import WITHDRAWN_LIST_STALE
from alga_ext.stores import object_keys
from alga_ext.stores.objects import ObjectReader
from alga_ext.telemetry import alarm, logger
from alga_ext.trust.list_lifetime import REFRESH_S
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.withdrawn_list import WithdrawnList, verify_list

RETRY_S: Final = 1.0
"""How long to wait after a failed read while there is no list that can be used."""


class WithdrawnBundles:
    """The newest list that this process has read. It is read again after ``REFRESH_S``, when a request needs it.

    Args:
        objects: holds the list.
        trust: returns the current trust bundle.
        lifetime: for how long a list is used at most, even when it was signed for longer.
        now: returns the present instant.
        monotonic_s: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        objects: ObjectReader,
        trust: Callable[[], TrustBundle],
        lifetime: timedelta,
        now: Callable[[], datetime],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._trust = trust
        self._lifetime = lifetime
        self._now = now
        self._monotonic_s = monotonic_s
        self._accepted: WithdrawnList | None = None
        self._accepted_under: TrustBundle | None = None
        self._read_again_s = float("-inf")

    def current(self) -> WithdrawnList:
        """Return a verified list that has not expired.

        1. A new trust bundle ends the list that was accepted under the old one, because the key that signed the list
           may be revoked. The list is then read anew.
        2. After ``REFRESH_S`` the list is read again. A list that is older than the accepted one is ignored. While the
           stored list cannot be read or verified, the accepted list is used.
        3. No list is used past its expiry, or for longer than ``lifetime``.

        Raises:
            PlatformError: ``policy_unavailable`` when there is no such list, or the trust bundle cannot be read.
        """
        trust = self._trust()
        if trust is not self._accepted_under:  # (1)
            self._accepted, self._accepted_under, self._read_again_s = None, trust, float("-inf")
        if self._monotonic_s() >= self._read_again_s:  # (2)
            self._refresh(trust)
        accepted = self._accepted
        if accepted is None or self._now() >= self._ends(accepted):  # (3)
            raise PlatformError("policy_unavailable", "It cannot be checked what is withdrawn; try again later.")
        return accepted

    def _refresh(self, trust: TrustBundle) -> None:
        """Read and verify the stored list, accept it unless it is an older one, and raise the alarm for an old list."""
        try:
            found = verify_list(self._objects.get(object_keys.withdrawn_list()), trust, self._now())
        except PlatformError as error:
            _log("the list of withdrawn versions cannot be read", code=error.code, why=error.detail)
        else:
            self._accept(found)
        accepted, now = self._accepted, self._now()
        usable = accepted is not None and now < self._ends(accepted)
        self._read_again_s = self._monotonic_s() + (REFRESH_S if usable else RETRY_S)
        if accepted is not None and (now - accepted.issued_at) * 2 > self._ends(accepted) - accepted.issued_at:
            alarm(
                "uihost",
                WITHDRAWN_LIST_STALE,
                "the list of withdrawn versions is older than half its lifetime",
                now,
                issued_at=accepted.issued_at.isoformat(),
                expires_at=accepted.expires_at.isoformat(),
                sequence=accepted.sequence,
            )

    def _accept(self, found: WithdrawnList) -> None:
        known = self._accepted
        if known is not None and (found.sequence, found.issued_at) < (known.sequence, known.issued_at):
            _log(
                "the stored list of withdrawn versions is older than the accepted one, and is ignored",
                stored_sequence=found.sequence,
                stored_issued_at=found.issued_at,
                accepted_sequence=known.sequence,
                accepted_issued_at=known.issued_at,
            )
            return
        self._accepted = found

    def _ends(self, accepted: WithdrawnList) -> datetime:
        return min(accepted.expires_at, accepted.issued_at + self._lifetime)


def _log(message: str, **fields: Any) -> None:
    logger("uihost").error(message, extra={name: str(value) for name, value in fields.items()})
