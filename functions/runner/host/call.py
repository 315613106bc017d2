"""What a host import may know of the call it serves."""

import time
from typing import NamedTuple

from alga_ext.execute import ExecuteRequest


class Call(NamedTuple):
    """One call in hand: the authorised envelope and its one deadline (CLOCK_MONOTONIC)."""

    request: ExecuteRequest
    providers: frozenset[str]
    deadline_ns: int

    @property
    def tenant_id(self) -> str:
        """The tenant whose call this is."""
        return self.request.context.tenant_id

    @property
    def install_id(self) -> str:
        """The install whose call this is."""
        return self.request.context.install_id

    def left_ms(self) -> int:
        """Return the milliseconds before the deadline; 0 when it is over."""
        return max(0, (self.deadline_ns - time.monotonic_ns()) // 1_000_000)
