"""Build the two records of a call, accepted and finished, as messages to the queue ``executions``. Pure.

Their fields are described in docs/reference/events-and-messages.md.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from alga_ext.bundles.endpoint_paths import encoded_path
from alga_ext.calls.envelope import ExecuteResponse, RefusedCall
from alga_ext.calls.messages import (
    MESSAGE_LIMIT_BYTES,
    BreakerState,
    ExecutionAccepted,
    ExecutionFinished,
    encode_message,
)
from functions.gateway.admission import AdmittedCall

_PATH_LIMIT: Final = 2_048
GUEST_ERROR_LIMIT: Final = 1_024
GUEST_STACK_LIMIT: Final = 2_048
REASON_LIMIT: Final = 512
_CAPABILITY_LIMIT: Final = 64
_LINES_LIMIT: Final = 350_000
"""Characters of packed log lines. Longer ones are dropped: they are not from our runner, and the record counts."""


def accepted(call: AdmittedCall, execution_id: str, trace_id: str, at: datetime) -> ExecutionAccepted:
    """Return the record that a call was accepted; it is sent before the call runs."""
    return ExecutionAccepted(
        execution_id=execution_id,
        tenant_id=call.tenant_id,
        install_id=call.install.install_id,
        extension_id=call.install.extension_id,
        version_id=call.install.version_id,
        content_hash=call.install.content_hash,
        request_id=call.request_id,
        trace_id=trace_id,
        method=call.method,
        path=encoded_path(call.path)[:_PATH_LIMIT],
        principal=call.principal.subject,
        path_template=call.path_template,
        at=at.isoformat(),
    )


def finished(
    accepted: ExecutionAccepted,
    answer: ExecuteResponse,
    error_code: str | None,
    response_bytes: int,
    at: datetime,
    *,
    attempts: int = 1,
    breaker: BreakerState = BreakerState.CLOSED,
    lost_headers: Sequence[str] = (),
    hops: int = 0,
) -> ExecutionFinished:
    """Return the record of how an accepted call ended.

    What the runner says about the guest is bounded here: a record must never be lost because of it.
    """
    guest = answer.error.guest if answer.error is not None else None
    refused = answer.refused
    return ExecutionFinished(
        execution_id=accepted.execution_id,
        tenant_id=accepted.tenant_id,
        install_id=accepted.install_id,
        extension_id=accepted.extension_id,
        version_id=accepted.version_id,
        content_hash=accepted.content_hash,
        request_id=accepted.request_id,
        trace_id=accepted.trace_id,
        method=accepted.method,
        path=accepted.path,
        path_template=accepted.path_template,
        principal=accepted.principal,
        accepted_at=accepted.at,
        at=at.isoformat(),
        status=answer.status,
        error_code=error_code,
        usage=answer.usage,
        response_bytes=response_bytes,
        attempts=attempts,
        breaker=breaker,
        metrics=answer.metrics,
        egress=answer.egress,
        guest_error=_told(guest.error, GUEST_ERROR_LIMIT) if guest is not None else None,
        guest_stack=_told(guest.stack, GUEST_STACK_LIMIT) if guest is not None else None,
        last_refusal=refused
        and RefusedCall(
            capability=_told(refused.capability, _CAPABILITY_LIMIT) or "",
            reason=_told(refused.reason, REASON_LIMIT) or "",
        ),
        lost_headers=list(lost_headers),
        logs_b64z=answer.logs_b64z if len(answer.logs_b64z) <= _LINES_LIMIT else "",
        hops=hops,
    )


def encode_finished(message: ExecutionFinished) -> bytes:
    """Return a finished record as a queue message. When it is too large, log lines are dropped until it fits."""
    body = encode_message(message)
    excess_bytes = len(body) - MESSAGE_LIMIT_BYTES
    if excess_bytes <= 0:
        return body
    from alga_ext.calls import log_lines  # seldom needed: the runner already sends lines that fit

    room = len(message.logs_b64z) - excess_bytes
    try:
        logs = log_lines.pack(log_lines.unpack(message.logs_b64z), room) if room > 0 else ""
    except ValueError:  # not lines of our runner
        logs = ""
    return encode_message(msgspec.structs.replace(message, logs_b64z=logs))


def _told(text: str, limit: int) -> str | None:
    """Return at most ``limit`` characters of what the guest reported, in a form that PostgreSQL stores; None for none.

    Our runner already sends such a text. A record of another runner must not be lost.
    """
    return text[:limit].replace("\0", "\N{REPLACEMENT CHARACTER}") or None
