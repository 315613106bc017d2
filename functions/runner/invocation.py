"""One authorised call in a sandbox: the message to the child, the handlers of its host calls, and its result."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

from alga_ext.calls.answer_headers import not_passed
from alga_ext.calls.envelope import EgressTotal, ExecuteRequest, ExecuteResponse
from alga_ext.telemetry import logger
from functions.runner import envelope, guest_errors, kept_lines, outcome
from functions.runner.imports.broker import Broker, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.call_secrets import Unsealer
from functions.runner.limits import CallLimits
from functions.runner.records import Records
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Done, Failed, GuestRequest, Program, Run, RunLimits
from functions.runner.sandboxes.child_process import CallHandlers
from functions.runner.sandboxes.pool import SandboxKey

_NAMES_SHOWN: Final = 20
"""How many names of dropped headers are told."""


_COUNTS: Final = ("requests", "bytes_sent", "bytes_received", "refused")
"""What an entry of the egress ledger counts."""


class Invocation:
    """One call. ``begin`` starts its time limit; ``close`` deletes everything that belongs to its tenant.

    Args:
        request: the envelope.
        guest_request: the request as the guest sees it.
        providers: the granted capabilities, with canonical names.
        limits: the limits of this call.
    """

    def __init__(
        self,
        request: ExecuteRequest,
        guest_request: GuestRequest,
        providers: frozenset[str],
        limits: CallLimits,
    ) -> None:
        self._request = request
        self._guest_request = guest_request
        self._granted = providers
        self._limits = limits
        self.trace_id = envelope.trace_id(request.http.headers) or secrets.token_hex(16)
        self._started_ns = time.monotonic_ns()
        self._call: CallContext | None = None
        self._broker: Broker | None = None
        self._records: Records | None = None

    @property
    def ids(self) -> dict[str, str]:
        """The ids that lead from a log line to the call."""
        return {"request_id": self._request.context.request_id, "trace_id": self.trace_id}

    @property
    def sandbox_key(self) -> SandboxKey:
        """The sandbox that may run this call."""
        context = self._request.context
        return SandboxKey(context.tenant_id, context.install_id, context.content_hash, self._request.grants.hash)

    @property
    def deadline_ns(self) -> int:
        """When the call ends, in nanoseconds of CLOCK_MONOTONIC. ``begin`` moves it."""
        return self._started_ns + self._limits.timeout_ms * 1_000_000

    def begin(
        self,
        providers: Mapping[str, Provider],
        unsealer: Unsealer | None,
        now_s: Callable[[], float],
        waited_ns: int = 0,
    ) -> CallHandlers:
        """Start the call's time limit, now that a sandbox is ready, and return the handlers that serve the call.

        The start of a sandbox does not count towards the limit. Waiting while all sandboxes were busy
        (``waited_ns`` nanoseconds) does.
        """
        self._started_ns = time.monotonic_ns() - waited_ns
        call = CallContext(self._request, self._granted, self.deadline_ns, unsealer, now_s, self.trace_id)
        broker = Broker(call, providers)
        declared = {metric.name: metric.unit for metric in self._request.metrics}
        records = Records(call.secrets, declared, self._started_ns)
        call.explain = records.explain
        self._call, self._broker, self._records = call, broker, records
        return CallHandlers(broker.answer, records.log, records.metric, broker.refused)

    def message(self, artifact: Program) -> Run:
        """Return the message that starts the call in the sandbox. Call ``begin`` first."""
        context = self._request.context
        may_see_user = "cap:user.read" in self._granted
        limits = self._limits
        return Run(
            artifact,
            (context.request_id, context.tenant_id, context.extension_id, context.install_id, context.version_id),
            self._guest_request,
            sorted(self._granted),
            context.config if "cap:context.read" in self._granted else {},
            envelope.guest_user(self._request.user, context.tenant_id) if may_see_user else None,
            RunLimits(self.deadline_ns, limits.memory_bytes, limits.fuel, limits.response_bytes),
        )

    def of_ended(self, ended: Ended) -> Failed:
        """Return the failure for a sandbox that ended during the call."""
        return outcome.of_ended(ended, self._limits.memory_bytes)

    def answer(self, found: Done | Failed) -> ExecuteResponse:
        """Return the response envelope. A failure that the platform decided replaces the failure of the guest.

        With the call's lines, the last refusal and the guest's own error: they are for the record of the call.
        """
        call, records = self._call, self._records
        if records is not None:
            records.end_lines()
        answer = self._answer(found)
        if call is not None and records is not None:
            if dropped := not_passed(answer.headers):
                shown, more = dropped[:_NAMES_SHOWN], len(dropped) - _NAMES_SHOWN
                others = f" and {more} more" if more > 0 else ""
                records.explain(f"headers of the answer that the caller does not get: {', '.join(shown)}{others}")
            records.close()
            if call.refused is not None:
                answer.refused = guest_errors.shown_refusal(call.refused, self._shown)
            if answer.error is not None:
                answer.error.guest = guest_errors.report(records.errors, self._shown)
            answer.logs_b64z = records.kept.packed()
            answer.metrics = records.metrics.totals()
            answer.egress = self._egress(call)
        return answer

    def _answer(self, found: Done | Failed) -> ExecuteResponse:
        duration_ms = (time.monotonic_ns() - self._started_ns) / 1e6
        answered = self._broker.counts if self._broker else {}
        received = self._records.counts if self._records else {}
        egress_bytes = self._call.ledger.total_bytes() if self._call else 0
        log_bytes = self._records.log_bytes if self._records else 0
        usage = outcome.usage_of(found.figures, duration_ms, answered, received, egress_bytes, log_bytes)
        limit = self._limits.response_bytes
        # The child already checks this, but it is untrusted, so check again.
        if isinstance(found, Done) and len(found.body or b"") > limit:
            text = f"The extension's response body has {len(found.body or b'')} bytes; at most {limit} are allowed."
            found = Failed("response_too_large", text, found.figures)
        if self._call is not None and isinstance(found, Failed):
            if self._call.failure is not None:
                return outcome.failed(self._call.failure, usage, self.trace_id)
            found = outcome.explained(found, self._call.missing)
        return outcome.answer(found, usage, self.trace_id, self.scrub)

    def _shown(self, text: str) -> str:
        """Return a text without the call's secrets, in whatever form, for a person outside of the platform."""
        return kept_lines.without_secrets([text], self._call.secrets)[0] if self._call is not None else text

    def scrub(self, text: str) -> str:
        """Return a text of the child without the values of the call's secrets."""
        return self._call.secrets.scrub_any_case(text) if self._call is not None else text

    def close(self) -> None:
        """Close everything that host calls opened, log the egress, and delete the secrets."""
        if self._broker is not None:
            self._broker.close()
        if self._call is not None:
            self._log_egress(self._call)
            self._call.secrets.clear()

    @staticmethod
    def _egress(call: CallContext) -> list[EgressTotal]:
        """Return the call's requests by destination. A guest may have put a secret into a host name."""
        return call.ledger.totals(lambda names: kept_lines.without_secrets(names, call.secrets))

    def _log_egress(self, call: CallContext) -> None:
        """Log how much was sent and received. The names of hosts are the tenant's, and stand in its own record only."""
        if totals := self._egress(call):
            context = self._request.context
            extra = {
                "tenant_id": context.tenant_id,
                "install_id": context.install_id,
                **self.ids,
                "destinations": len(totals),
                **{name: sum(getattr(total, name) for total in totals) for name in _COUNTS},
            }
            logger("runner").info("egress", extra=extra)
