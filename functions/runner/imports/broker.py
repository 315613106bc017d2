"""Answer the host calls of a sandbox. The sandbox is untrusted: every call is checked and counted.

The checks, in this order: the import exists; the budget of host calls is not used up; the capability is granted; the
deadline has not passed; the arguments match their types. Then the handler of the capability answers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure
from functions.runner.imports.call_context import CallContext
from functions.runner.sandbox.protocol.messages import HostAnswer, HostCall, Refused
from functions.runner.sandbox.protocol.refusals import REFUSALS
from functions.runner.sandbox.protocol.verdict import Verdict

CALLS_LIMIT: Final = 1_000
"""How many host calls of one invocation the parent answers. One more ends the guest."""


_REFUSING: Final = frozenset({"bad-request", "denied", "internal", "invalid-input", "not-allowed", "validation-failed"})
"""Errors of host imports that a developer wants explained. Others, such as ``conflict``, are ordinary outcomes."""
_ANSWERED_BY_RECORD: Final = frozenset({
    "invoicing.create-manual-invoice", "scheduler.create-schedule", "scheduler.update-schedule",
    "scheduler.delete-schedule",
})  # fmt: skip
"""Imports whose result is a record that begins with ``success``. Each of their failures is explained."""


class Handler(NamedTuple):
    """How one import is served.

    Attributes:
        arguments: the tuple type that the arguments must match.
        answer: takes the arguments and returns a value of the import's result type.
        fault: the result that the guest gets when the platform, not the guest, is at fault.
    """

    arguments: Any
    answer: Callable[..., Any]
    fault: Any


class Opened(NamedTuple):
    """A capability opened for one call."""

    handlers: Mapping[str, Handler]
    close: Callable[[], None]


Provider = Callable[[CallContext], Opened]
"""Opens a capability for one call. What it opens is closed when the call ends."""


class Broker:
    """The host calls of one invocation. Close it when the invocation ends.

    Args:
        call: the invocation.
        providers: by interface. A provider is opened at the first call of one of the interface's functions.
    """

    def __init__(self, call: CallContext, providers: Mapping[str, Provider]) -> None:
        self._call = call
        self._providers = providers
        self._opened: dict[str, Opened] = {}
        self._total = 0
        self.counts: dict[str, int] = {}

    def answer(self, host_call: HostCall) -> HostAnswer:
        """Answer one host call.

        Raises:
            Exception: opening the provider failed. This ends the call and its sandbox. Nothing else is raised.
        """
        refusal = REFUSALS.get(host_call.name)
        if refusal is None:
            return HostAnswer(trap="no such host import")
        self._total += 1
        if self._total > CALLS_LIMIT:
            return HostAnswer(trap=f"more than {CALLS_LIMIT} host calls")
        self.counts[host_call.name] = self.counts.get(host_call.name, 0) + 1
        handler = self._handler(host_call.name)
        if refusal.capability not in self._call.providers or handler is None:
            why = "not granted" if refusal.capability not in self._call.providers else "not offered by this runner"
            self._call.note_refused(host_call.name, f"{refusal.capability} is {why}")
            return HostAnswer(trap="not granted") if refusal.traps else HostAnswer(refusal.answer)
        if self._call.is_over():
            return HostAnswer(handler.fault)
        try:
            arguments = msgspec.msgpack.decode(host_call.arguments, type=handler.arguments)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return HostAnswer(trap="arguments that do not fit their types")
        return self._served(host_call.name, handler, arguments)

    def refused(self, message: Refused) -> None:
        """Note what the child refused. A message that cannot be true is ignored: the child is untrusted."""
        refusal = REFUSALS.get(message.name)
        if refusal is not None and refusal.capability not in self._call.providers:
            self._call.note_refused(message.name, f"{refusal.capability} is not granted")

    def close(self) -> None:
        """Close everything that was opened for this call."""
        for opened in self._opened.values():
            opened.close()
        self._opened = {}

    def _handler(self, name: str) -> Handler | None:
        interface = name.partition(".")[0]
        opened = self._opened.get(interface)
        if opened is None:
            provider = self._providers.get(interface)
            if provider is None:
                return None
            opened = self._opened[interface] = provider(self._call)
        return opened.handlers.get(name)

    def _served(self, name: str, handler: Handler, arguments: tuple[Any, ...]) -> HostAnswer:
        before, self._call.why = self._call.refused, ""
        try:
            value = handler.answer(*arguments)
            ended = _ended(name, value)
            if ended is not None and self._call.refused is before:
                self._call.note_refused(name, self._call.why or f"the answer is {value[1] or 'no success'}", ended)
            return HostAnswer(value)
        except PlatformError as error:
            log_failure("runner", error, self._call.request.context.request_id, self._call.trace_id)
            if error.code == "secret_unavailable":
                self._call.failure = Verdict(error.code, error.detail)
                return HostAnswer(trap="sealed secrets cannot be opened")
        except Exception as error:  # noqa: BLE001 - a fault of the platform must not end the runner; it is logged
            # A timeout at the call's deadline is not a fault. The child ends the guest in that case.
            if isinstance(error, TimeoutError) and self._call.is_over():
                return HostAnswer(handler.fault)
            log_failure("runner", error, self._call.request.context.request_id, self._call.trace_id)
        self._call.note_refused(name, "the platform could not serve it; the platform's own log says why", "failed")
        return HostAnswer(handler.fault)


def _ended(name: str, value: Any) -> str | None:
    """Return how a host call ended that a developer wants explained: ``refused`` or ``failed``; None for any other."""
    if not isinstance(value, tuple) or value[:1] != (False,):
        return None
    if name in _ANSWERED_BY_RECORD:
        return "refused"
    if len(value) != 2 or value[1] not in _REFUSING:
        return None
    return "failed" if value[1] == "internal" else "refused"
