"""One authorised call on its way through a sandbox: what is sent, who answers its host calls, what comes of it."""

import secrets
import time
from collections.abc import Callable, Mapping

from alga_ext.calls.envelope import ExecuteRequest, ExecuteResponse
from alga_ext.telemetry import logger
from functions.runner import envelope, outcome
from functions.runner.imports.broker import Broker, Provider
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.call_secrets import Unsealer
from functions.runner.imports.egress_ledger import Ledger
from functions.runner.limits import CallLimits
from functions.runner.records import Records
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Done, Failed, GuestRequest, Program, Run, RunLimits
from functions.runner.sandboxes.child_process import CallHandlers


class Invocation:
    """One call. ``begin`` starts its clock, ``close`` forgets everything of its tenant.

    Args:
        request: the envelope.
        guest_request: what the guest sees of it.
        providers: the granted capabilities, canonical.
        limits: the limits it runs under.
    """

    def __init__(
        self, request: ExecuteRequest, guest_request: GuestRequest, providers: frozenset[str], limits: CallLimits
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

    def begin(
        self, providers: Mapping[str, Provider], unsealer: Unsealer | None, now_s: Callable[[], float]
    ) -> CallHandlers:
        """Start the clock, now that a sandbox is ready, and return who serves it."""
        self._started_ns = time.monotonic_ns()
        deadline_ns = self._started_ns + self._limits.timeout_ms * 1_000_000
        call = CallContext(self._request, self._granted, deadline_ns, unsealer, now_s)
        broker = Broker(call, providers)
        records = Records(self._request.context, self.trace_id, call.secrets)
        self._call, self._broker, self._records = call, broker, records
        return CallHandlers(broker.answer, records.log, records.metric)

    def message(self, artifact: Program) -> Run:
        """Return what the sandbox is told; call ``begin`` first."""
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
            RunLimits(
                self._started_ns + limits.timeout_ms * 1_000_000,
                limits.memory_bytes,
                limits.fuel,
                limits.response_bytes,
            ),
        )

    def of_ended(self, ended: Ended) -> Failed:
        """Return the failure for a sandbox that ended during the call."""
        return outcome.of_ended(ended, self._limits.memory_bytes)

    def answer(self, found: Done | Failed) -> ExecuteResponse:
        """Return the envelope's answer. What the platform decided stands before what the guest did."""
        duration_ms = (time.monotonic_ns() - self._started_ns) / 1e6
        answered = self._broker.counts if self._broker else {}
        heard = self._records.counts if self._records else {}
        egress_bytes = self._call.ledger.total_bytes() if self._call else 0
        usage = outcome.usage_of(found.figures, duration_ms, answered, heard, egress_bytes)
        limit = self._limits.response_bytes
        if isinstance(found, Done) and len(found.body or b"") > limit:  # the child checks too, and is not believed
            text = f"The extension answered {len(found.body or b'')} bytes; at most {limit} are allowed."
            found = Failed("response_too_large", text, found.figures)
        if self._call is not None and self._call.failure is not None and isinstance(found, Failed):
            return outcome.failed(self._call.failure, usage, self.trace_id)
        return outcome.answer(found, usage, self.trace_id, self._scrub)

    def close(self) -> None:
        """Close what host calls opened, note the egress, forget the secrets."""
        if self._broker is not None:
            self._broker.close()
        if self._call is not None:
            self._note_egress(self._call)
            self._call.secrets.clear()

    def _scrub(self, text: str) -> str:
        return self._call.secrets.scrub_any_case(text) if self._call is not None else text

    def _note_egress(self, call: CallContext) -> None:
        if call.ledger.destinations:
            context = self._request.context
            logged = Ledger()
            for name, entry in call.ledger.destinations.items():  # a guest may have put a secret into a host's name
                logged.add(call.secrets.scrub_any_case(name), **entry._asdict())
            destinations = {name: entry._asdict() for name, entry in logged.destinations.items()}
            extra = {
                "tenant_id": context.tenant_id,
                "install_id": context.install_id,
                "request_id": context.request_id,
                "trace_id": self.trace_id,
                "egress": destinations,
            }
            logger("runner").info("egress", extra=extra)
