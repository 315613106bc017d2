"""The response bodies about executions."""

from datetime import datetime
from typing import Literal

from alga_ext.calls.log_lines import DroppedFor
from alga_ext.calls.outcomes import Outcome
from functions.registry.api.shapes import Out


class RefusalOut(Out):
    """The last host call that the platform refused or that failed: the capability it needs, and the reason."""

    capability: str
    reason: str


class ExecutionOut(Out):
    """One execution. Until it is ``finished``, what is known only then is null.

    ``outcome`` is ``unknown`` when no message about the end came in 15 minutes.
    """

    execution_id: str
    install_id: str
    extension_id: str
    version_id: str
    request_id: str
    trace_id: str
    method: str
    path: str
    path_template: str | None
    principal: str
    state: Literal["accepted", "finished"]
    outcome: Outcome | None
    accepted_at: datetime
    finished_at: datetime | None
    status: int | None
    error_code: str | None
    duration_ms: float | None
    log_bytes: int | None


class ExecutionRecordOut(ExecutionOut):
    """The whole record of an execution.

    Callers who are no tenant admin get null as ``guest_error``, ``guest_stack`` and ``last_refusal``, whatever the
    record has: the extension wrote them. ``log_lines`` is how many lines are kept now, ``log_lines_dropped`` how many
    more there were. ``attempts`` is how often the call was sent to the runner. ``breaker`` is ``open`` if the call
    opened the install's circuit breaker, and ``half_open`` if it was its probe.
    """

    content_hash: str
    cpu_ms: float | None
    memory_peak_bytes: int | None
    fuel: int | None
    egress_bytes: int | None
    response_bytes: int | None
    host_calls: dict[str, int]
    attempts: int | None
    breaker: Literal["closed", "open", "half_open"] | None
    guest_error: str | None
    guest_stack: str | None
    last_refusal: RefusalOut | None
    log_lines: int
    log_lines_dropped: int


class LogLineOut(Out):
    """One line. ``at_ms`` are milliseconds after the call began in its sandbox.

    ``source`` is the log import (``guest``), a stream, the ``platform``, or a fault of the ``sandbox``.
    """

    at_ms: int
    level: Literal["info", "warn", "error"]
    source: Literal["guest", "stdout", "stderr", "platform", "sandbox"]
    text: str


class ExecutionLogsOut(Out):
    """What an execution left for the developer. All texts may have been written by the extension.

    ``dropped`` lines are not kept. They were between the first ``dropped_after`` of these lines and the others.
    ``dropped_for`` is null when no line was dropped. It is ``call_limit`` when the call wrote more than is kept of one,
    and ``day_limit`` when more was written than is kept of the install for a UTC day (``kept_log_bytes``).
    """

    execution_id: str
    install_id: str
    request_id: str
    trace_id: str
    accepted_at: datetime
    guest_error: str | None
    guest_stack: str | None
    last_refusal: RefusalOut | None
    lines: list[LogLineOut]
    dropped: int
    dropped_after: int
    dropped_for: DroppedFor | None
