"""Answers the sandbox's host calls: believes nothing, counts everything.

For each call, in this order: the name exists; the call's budget is not used up; the capability is granted; the
deadline is not over; the arguments fit their types. Then the capability's handler answers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure
from functions.runner.imports.call_context import CallContext
from functions.runner.sandbox.protocol.messages import HostAnswer, HostCall
from functions.runner.sandbox.protocol.refusals import REFUSALS, WITHOUT_PROVIDER
from functions.runner.sandbox.protocol.verdict import Verdict

CALLS_LIMIT: Final = 1_000
"""Host calls of one invocation that reach the parent; one more ends the guest."""


class Handler(NamedTuple):
    """How one import is served.

    Attributes:
        arguments: the tuple type its arguments must fit.
        answer: takes the arguments, returns a value of the import's result type.
        fault: what the guest hears when the platform, not the guest, is at fault.
    """

    arguments: Any
    answer: Callable[..., Any]
    fault: Any


class Opened(NamedTuple):
    """A capability opened for one call."""

    handlers: Mapping[str, Handler]
    close: Callable[[], None]


Provider = Callable[[CallContext], Opened]
"""Opens a capability for one call; what it opens lives no longer than the call."""


class Broker:
    """Host calls of one invocation. Close it when the invocation ends.

    Args:
        call: the invocation.
        providers: by interface; opened at the first call of one of its functions.
    """

    def __init__(self, call: CallContext, providers: Mapping[str, Provider]) -> None:
        self._call = call
        self._providers = providers
        self._opened: dict[str, Opened] = {}
        self._total = 0
        self.counts: dict[str, int] = {}

    def answer(self, heard: HostCall) -> HostAnswer:
        """Answer one host call; raises only what opening its provider raises, which ends the call and its sandbox."""
        refusal = REFUSALS.get(heard.name)
        if refusal is None:
            return HostAnswer(trap="no such host import")
        self._total += 1
        if self._total > CALLS_LIMIT:
            return HostAnswer(trap=f"more than {CALLS_LIMIT} host calls")
        self.counts[heard.name] = self.counts.get(heard.name, 0) + 1
        handler = self._handler(heard.name)
        granted = refusal.capability in self._call.providers and refusal.capability not in WITHOUT_PROVIDER
        if not granted or handler is None:
            return HostAnswer(trap="not granted") if refusal.traps else HostAnswer(refusal.answer)
        if self._call.is_over():
            return HostAnswer(handler.fault)
        try:
            arguments = msgspec.msgpack.decode(heard.arguments, type=handler.arguments)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return HostAnswer(trap="arguments that do not fit their types")
        return self._served(handler, arguments)

    def close(self) -> None:
        """End everything that was opened for this call."""
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

    def _served(self, handler: Handler, arguments: tuple[Any, ...]) -> HostAnswer:
        try:
            return HostAnswer(handler.answer(*arguments))
        except PlatformError as error:
            log_failure("runner", error, self._call.request.context.request_id)
            if error.code == "secret_unavailable":
                self._call.failure = Verdict(error.code, error.detail)
                return HostAnswer(trap="sealed secrets cannot be opened")
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the runner; it is logged
            # What merely took the call past its deadline is no fault, and the child ends the guest.
            if not (isinstance(error, TimeoutError) and self._call.is_over()):
                log_failure("runner", error, self._call.request.context.request_id)
        return HostAnswer(handler.fault)
