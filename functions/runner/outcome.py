"""Turn the result of a guest run into an ``ExecuteResponse`` (pure)."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from alga_ext.calls.envelope import ExecuteError, ExecuteResponse, Usage
from alga_ext.errors import CODES, KINDS
from functions.runner import envelope
from functions.runner.sandbox.protocol.ended import Ended
from functions.runner.sandbox.protocol.messages import Done, Failed, Figures
from functions.runner.sandbox.protocol.refusals import REFUSALS
from functions.runner.sandbox.protocol.verdict import Verdict

_SIGABRT: Final = 6
_MESSAGE_LIMIT: Final = 1_000
_FIGURE_LIMIT: Final = (1 << 53) - 1
_CHILD_CODES: Final = frozenset({
    "guest_timeout", "guest_out_of_memory", "guest_out_of_fuel", "guest_trapped", "response_too_large",
    "artifact_integrity",
})  # fmt: skip
"""The error codes a child may report. Any other code it reports counts as ``guest_trapped``."""


def of_ended(ended: Ended, memory_bytes: int) -> Failed:
    """Return the failure for a child that ended during the call.

    A child that ran past its deadline is ``guest_timeout``. A child that ended with SIGABRT is ``guest_out_of_memory``,
    because the engine aborts when the process cannot get more memory. Any other end is ``guest_trapped``.
    """
    figures = Figures(cpu_ns=ended.cpu_ns, memory_peak_bytes=ended.memory_peak_bytes)
    if ended.timed_out:
        return Failed("guest_timeout", "The extension ran longer than its time limit.", figures)
    if ended.signal_number == _SIGABRT:
        text = f"The sandbox ran out of memory; the extension's own limit is {memory_bytes >> 20} MiB."
        return Failed("guest_out_of_memory", text, figures)
    return Failed("guest_trapped", "The extension's sandbox ended unexpectedly during the call.", figures)


def explained(failed: Failed, missing: Sequence[str]) -> Failed:
    """Return the failure of a trap with what the guest called and this platform does not offer, if anything.

    A guest that does not expect the refusal of such a call often traps. Without this its message says only that.
    """
    if failed.code != "guest_trapped" or not missing:
        return failed
    text = " ".join(f"This platform offers no {service}." for service in missing)
    return msgspec.structs.replace(failed, message=f"{failed.message} {text}")


def usage_of(
    figures: Figures,
    duration_ms: float,
    answered: Mapping[str, int],
    received: Mapping[str, int],
    egress_bytes: int,
    log_bytes: int,
) -> Usage:
    """Return the usage of a call.

    Args:
        figures: measured by the child or, for a child that was killed, by the parent from outside.
        duration_ms: wall clock.
        answered: host calls that the parent answered, by name. These counts override those of the child.
        received: log lines and metrics that reached the parent, by name. The child's count is used when it is higher,
            because the child drops what is over a limit.
        egress_bytes: bytes sent and received.
        log_bytes: bytes of the guest's log lines.
    """
    reported = {name: _bounded(count) for name, count in figures.host_calls.items() if name in REFUSALS and count > 0}
    counts = {
        **reported,
        **{name: max(count, reported.get(name, count)) for name, count in received.items()},
        **answered,
    }
    return Usage(
        duration_ms=round(duration_ms, 3),
        cpu_ms=round(_bounded(figures.cpu_ns) / 1e6, 3),
        memory_peak_bytes=_bounded(figures.memory_peak_bytes),
        fuel=None if figures.fuel is None else _bounded(figures.fuel),
        egress_bytes=egress_bytes,
        host_calls=dict(sorted(counts.items())),
        log_bytes=log_bytes,
    )


def _bounded(figure: int) -> int:
    """Return a number that the child reported, limited to the range 0 to 2^53 - 1, which every store can hold."""
    return min(max(0, figure), _FIGURE_LIMIT)


def answer(outcome: Done | Failed, usage: Usage, trace_id: str, scrub: Callable[[str], str]) -> ExecuteResponse:
    """Return the response envelope. A guest's response is checked here, before any part of it is sent.

    Args:
        outcome: the child's report of the call.
        usage: what the call used.
        trace_id: of the invocation.
        scrub: removes secrets from the platform's error messages, which may quote the guest.
    """
    if isinstance(outcome, Failed):
        code = outcome.code if outcome.code in _CHILD_CODES else "guest_trapped"
        return failed(Verdict(code, scrub(outcome.message)[:_MESSAGE_LIMIT]), usage, trace_id)
    fault = envelope.response_fault(outcome.status, outcome.headers)
    if fault is not None:
        return failed(Verdict(fault.code, scrub(fault.message)), usage, trace_id)
    return ExecuteResponse(
        status=outcome.status,
        headers=envelope.joined_headers(outcome.headers),
        body_b64=base64.b64encode(outcome.body).decode() if outcome.body is not None else None,
        usage=usage,
        trace_id=trace_id,
    )


def too_large(answer: ExecuteResponse, size_bytes: int, limit_bytes: int) -> ExecuteResponse:
    """Return the response envelope in place of one that is larger, as a Lambda payload, than ``limit_bytes``."""
    text = f"The extension's response is {size_bytes} bytes when it is encoded; at most {limit_bytes} are allowed."
    replaced = failed(Verdict("response_too_large", text), answer.usage, answer.trace_id)
    replaced.metrics, replaced.program_fetched = answer.metrics, answer.program_fetched
    replaced.egress = answer.egress
    replaced.refused, replaced.logs_b64z = answer.refused, answer.logs_b64z
    return replaced


def failed(verdict: Verdict, usage: Usage, trace_id: str) -> ExecuteResponse:
    """Return the response envelope of a call for which the platform answers instead of the guest."""
    status = KINDS[CODES[verdict.code].kind].status
    error = ExecuteError(code=verdict.code, message=verdict.message)
    return ExecuteResponse(status=status, error=error, usage=usage, trace_id=trace_id)
