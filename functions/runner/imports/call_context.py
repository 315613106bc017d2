"""The data of the current call that host imports may use."""

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from alga_ext.calls.envelope import ExecuteRequest, RefusedCall
from alga_ext.calls.traceparent import HEADER, traceparent
from functions.runner.imports.call_secrets import SecretBox, Unsealer
from functions.runner.imports.egress_ledger import Ledger
from functions.runner.imports.http import configured
from functions.runner.sandbox.protocol.refusals import REFUSALS
from functions.runner.sandbox.protocol.verdict import Verdict

_LEAST_MS: Final = 1


class CallContext:
    """One running call: the authorised envelope, its one deadline, its secrets and its egress.

    Args:
        request: the envelope. Its grants are replaced by those that hold with this configuration.
        providers: the granted capabilities, with canonical names.
        deadline_ns: the deadline in nanoseconds of CLOCK_MONOTONIC.
        unsealer: opens sealed secrets. None when this platform has no unsealing key.
        now_s: returns the time in epoch seconds.
        trace_id: of the call. Requests that it causes belong to this trace; without one, they have no ``traceparent``.

    Attributes:
        secrets: the call's secrets.
        ledger: the call's egress.
        failure: set when the platform, not the guest, decides how the call ends.
        refused: the last host call that was refused or failed, with the reason.
        why: why the present host call has no success, as its handler says it to the extension's developer.
        explain: writes a line into the extension's log that says why the platform refused something.
        missing: what the guest called and this platform does not offer, such as ``client service``.
    """

    def __init__(
        self,
        request: ExecuteRequest,
        providers: frozenset[str],
        deadline_ns: int,
        unsealer: Unsealer | None,
        now_s: Callable[[], float],
        trace_id: str = "",
    ) -> None:
        grants = configured.resolved(request.grants, request.context.config)
        if grants is not request.grants:
            request = msgspec.structs.replace(request, grants=grants)
        self.request = request
        self.providers = providers
        self.trace_id = trace_id
        self.deadline_ns = deadline_ns
        # Not self.left_s: such a cycle would keep the request and its secrets until the collector runs.
        self.secrets = SecretBox(request, unsealer, now_s, partial(_seconds_until, deadline_ns))
        self.ledger = Ledger()
        self.failure: Verdict | None = None
        self.explain: Callable[[str], None] = _ignore
        self.missing: list[str] = []
        self.refused: RefusedCall | None = None
        self.why = ""

    @property
    def tenant_id(self) -> str:
        """The id of the call's tenant."""
        return self.request.context.tenant_id

    @property
    def install_id(self) -> str:
        """The id of the call's install."""
        return self.request.context.install_id

    def trace_headers(self) -> dict[str, str]:
        """Return the header that puts a request to another host into the call's trace."""
        return {HEADER: traceparent(self.trace_id, secrets.token_hex(8))} if self.trace_id else {}

    def note_refused(self, name: str, reason: str, ended: str = "refused") -> None:
        """Record and log why a host call has no success.

        Args:
            name: of the host import, ``interface.function``.
            reason: for the extension's developer. It may quote the guest.
            ended: ``refused`` or ``failed``.
        """
        self.refused = RefusedCall(capability=REFUSALS[name].capability, reason=reason)
        self.explain(f"{name} {ended}: {reason}")

    def note_missing(self, name: str, service: str) -> None:
        """Record that a host import needs something that this platform does not offer. Log it once for each service."""
        reason = f"this platform offers no {service}"
        self.refused = RefusedCall(capability=REFUSALS[name].capability, reason=reason)
        if service not in self.missing:
            self.missing.append(service)
            self.explain(reason)

    def is_over(self) -> bool:
        """Tell whether the deadline has passed."""
        return time.monotonic_ns() >= self.deadline_ns

    def left_ms(self) -> int:
        """Return the milliseconds until the deadline, at least 1: the timeout for a database or a server."""
        return max(_LEAST_MS, (self.deadline_ns - time.monotonic_ns()) // 1_000_000)

    def left_s(self) -> float:
        """Return the seconds until the deadline, at least 0.001."""
        return _seconds_until(self.deadline_ns)


def _seconds_until(deadline_ns: int) -> float:
    return max(0.001, (deadline_ns - time.monotonic_ns()) / 1e9)


def _ignore(_text: str) -> None:
    """Write nothing: the call has no log."""
