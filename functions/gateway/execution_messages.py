"""Build the two records of a call, accepted and finished, as messages to the queue ``executions``. Pure.

Their fields are described in docs/reference/events-and-messages.md.
"""

from datetime import datetime
from typing import Final

from alga_ext.bundles.endpoint_paths import encoded_path
from alga_ext.calls.envelope import ExecuteResponse
from alga_ext.calls.messages import BreakerState, ExecutionAccepted, ExecutionFinished
from functions.gateway.admission import AdmittedCall

_PATH_LIMIT: Final = 2_048


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
) -> ExecutionFinished:
    """Return the record of how an accepted call ended."""
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
    )
