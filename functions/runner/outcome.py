"""From what became of a guest to the envelope's answer: pure."""

import base64
from collections.abc import Callable, Mapping
from typing import Final

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
_CHILDS_CODES: Final = frozenset({
    "guest_timeout", "guest_out_of_memory", "guest_out_of_fuel", "guest_trapped", "response_too_large",
    "artifact_integrity",
})  # fmt: skip
"""What a child may say of a call; anything else it says counts as a trap."""


def of_ended(ended: Ended, memory_bytes: int) -> Failed:
    """Return the failure for a child that ended during the call: past its deadline, or by a signal of its own.

    The engine aborts when the process may have no more memory, so an abort counts as that.
    """
    figures = Figures(cpu_ns=ended.cpu_ns, memory_peak_bytes=ended.memory_peak_bytes)
    if ended.timed_out:
        return Failed("guest_timeout", "The extension ran longer than its time limit.", figures)
    if ended.signal_number == _SIGABRT:
        text = f"The extension needed more memory than a sandbox has beside its {memory_bytes >> 20} MiB."
        return Failed("guest_out_of_memory", text, figures)
    return Failed("guest_trapped", "The extension ended its sandbox.", figures)


def usage_of(
    figures: Figures, duration_ms: float, answered: Mapping[str, int], heard: Mapping[str, int], egress_bytes: int
) -> Usage:
    """Return the usage of a call.

    Args:
        figures: the child's, or what could be measured from outside of one that was killed.
        duration_ms: wall clock.
        answered: host calls that the parent answered, by name; these stand.
        heard: log lines and metrics that reached the parent, by name; the child has the say when it counted more,
            because it drops what is over a limit.
        egress_bytes: in both directions.
    """
    said = {name: _sane(count) for name, count in figures.host_calls.items() if name in REFUSALS and count > 0}
    counts = {**said, **{name: max(count, said.get(name, 0)) for name, count in heard.items()}, **answered}
    return Usage(
        duration_ms=round(duration_ms, 3),
        cpu_ms=round(_sane(figures.cpu_ns) / 1e6, 3),
        memory_peak_bytes=_sane(figures.memory_peak_bytes),
        fuel=None if figures.fuel is None else _sane(figures.fuel),
        egress_bytes=egress_bytes,
        host_calls=dict(sorted(counts.items())),
    )


def _sane(figure: int) -> int:
    """Return a figure of the child's as a number that every store of ours can hold."""
    return min(max(0, figure), _FIGURE_LIMIT)


def answer(outcome: Done | Failed, usage: Usage, trace_id: str, scrub: Callable[[str], str]) -> ExecuteResponse:
    """Return the envelope's answer; a guest's response is checked here, before anything of it goes out.

    Args:
        outcome: what the child says of the call.
        usage: what it used.
        trace_id: of the invocation.
        scrub: takes secrets out of the platform's words about a guest, which may quote it.
    """
    if isinstance(outcome, Failed):
        code = outcome.code if outcome.code in _CHILDS_CODES else "guest_trapped"
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


def failed(verdict: Verdict, usage: Usage, trace_id: str) -> ExecuteResponse:
    """Return the answer for a call without a guest's response."""
    status = KINDS[CODES[verdict.code].kind].status
    error = ExecuteError(code=verdict.code, message=verdict.message)
    return ExecuteResponse(status=status, error=error, usage=usage, trace_id=trace_id)
