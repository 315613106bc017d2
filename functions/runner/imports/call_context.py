"""What a host import may know of the call it serves."""

import time
from collections.abc import Callable
from typing import Final

from alga_ext.calls.envelope import ExecuteRequest
from functions.runner.imports.call_secrets import SecretBox, Unsealer
from functions.runner.imports.egress_ledger import Ledger
from functions.runner.sandbox.protocol.verdict import Verdict

_LEAST_MS: Final = 1


class CallContext:
    """One call in hand: the authorised envelope, its one deadline, and what it uses of the world.

    Args:
        request: the envelope.
        providers: the granted capabilities, canonical.
        deadline_ns: of CLOCK_MONOTONIC.
        unsealer: opens sealed secrets; None when this platform has no unsealing key.
        now_s: epoch seconds.

    Attributes:
        secrets: the call's secrets.
        ledger: the call's egress.
        failure: set when the platform, not the guest, decides how the call ends.
    """

    def __init__(
        self,
        request: ExecuteRequest,
        providers: frozenset[str],
        deadline_ns: int,
        unsealer: Unsealer | None,
        now_s: Callable[[], float],
    ) -> None:
        self.request = request
        self.providers = providers
        self.deadline_ns = deadline_ns
        self.secrets = SecretBox(request, unsealer, now_s, self.left_s)
        self.ledger = Ledger()
        self.failure: Verdict | None = None

    @property
    def tenant_id(self) -> str:
        """The tenant whose call this is."""
        return self.request.context.tenant_id

    @property
    def install_id(self) -> str:
        """The install whose call this is."""
        return self.request.context.install_id

    def is_over(self) -> bool:
        """Tell whether the deadline has passed."""
        return time.monotonic_ns() >= self.deadline_ns

    def left_ms(self) -> int:
        """Return the milliseconds before the deadline, at least one: what a store or a server may still take."""
        return max(_LEAST_MS, (self.deadline_ns - time.monotonic_ns()) // 1_000_000)

    def left_s(self) -> float:
        """Return the seconds before the deadline, at least a millisecond."""
        return max(0.001, (self.deadline_ns - time.monotonic_ns()) / 1e9)
