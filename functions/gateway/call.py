"""Run one admitted call: record it as accepted, run it, record how it ended, and build the caller's response."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from alga_ext.bundles.endpoint_paths import encoded_path
from alga_ext.calls.answer_headers import TO_CALLER
from alga_ext.calls.envelope import ExecuteError, ExecuteResponse
from alga_ext.calls.messages import ExecutionFinished, encode_message
from alga_ext.errors import PlatformError
from alga_ext.telemetry import emit, log_failure
from functions.gateway import breaker, call_metrics, execution_messages, headers
from functions.gateway.admission import AdmittedCall
from functions.gateway.attempts import execute
from functions.gateway.breaker import Outcome, Refused
from functions.gateway.execution import Execution
from functions.gateway.refusals import outward
from functions.gateway.services import CallServices

RESPONSE_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""With the headers' limit below, the largest answer fits into a Lambda payload, whatever its bytes are."""
RESPONSE_HEADERS_LIMIT_BYTES: Final = 32 * 1024
_MESSAGE_LIMIT_CHARS: Final = 4_096
"""More than a runner says. The answer with the message must fit into a Lambda payload."""


class _Ended(NamedTuple):
    """How a call ended.

    Attributes:
        recorded: the runner's answer, with the status that the caller gets.
        error_code: to record; None when the guest answered.
        body_bytes: size of the guest's body.
        is_answered: whether the runner gave a valid answer.
        result: status, headers and body for the caller, or the error to raise.
        lost_headers: names of headers that usually reach the caller, and did not because of their value.
    """

    recorded: ExecuteResponse
    error_code: str | None
    body_bytes: int
    is_answered: bool
    result: tuple[int, dict[str, str], bytes] | Exception
    lost_headers: Sequence[str] = ()


def run(
    call: AdmittedCall, services: CallServices, execution: Execution | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Record the call as accepted, run it, record how it ended, and return status, headers and body.

    The queue acknowledges the accepted record before the runner is invoked, so every accepted call leaves a record.
    When the finished record cannot be sent, the response is still sent and the record stays ``accepted``, which means
    that the outcome is unknown.

    Args:
        call: the admitted call.
        services: the gateway's clients.
        execution: of a call with an idempotency key, which must not run twice, or of a delivery. It says afterwards
            what was done.

    Raises:
        PlatformError: ``runner_unavailable`` while the install's breaker is open, and ``queue_unavailable``, both
            before anything is recorded or run; otherwise the error that the caller gets.
    """
    is_keyed = execution is not None
    execution = execution or Execution.begin(call, services)
    trace_id = headers.trace_id(call.headers) or secrets.token_hex(16)
    install = (call.tenant_id, call.install.install_id)
    admitted = services.breakers.admit(install, services.monotonic_s())
    if isinstance(admitted, Refused):
        detail = "Calls of this extension have failed repeatedly and are paused; try again later."
        raise PlatformError("runner_unavailable", detail, retry_after_s=admitted.retry_after_s)
    outcome = Outcome.NOTHING
    try:
        accepted = execution_messages.accepted(call, execution.execution_id, trace_id, services.now())
        services.executions.send(encode_message(accepted), group=call.tenant_id)
        ended = _executed(call, execution, trace_id, services, is_keyed=is_keyed)
        if execution.attempts:
            outcome = breaker.outcome(ended.error_code, is_answered=ended.is_answered)
    finally:
        state = services.breakers.settle(install, admitted, outcome, services.monotonic_s())
    finished = execution_messages.finished(
        accepted,
        ended.recorded,
        ended.error_code,
        ended.body_bytes,
        services.now(),
        attempts=execution.attempts,
        breaker=state,
        lost_headers=ended.lost_headers,
        hops=call.trigger.hops if call.trigger is not None else 0,
    )
    _send_finished(finished, services)
    values = call_metrics.of_call(finished, ended.recorded, is_answered=ended.is_answered)
    ids = {"request_id": finished.request_id, "trace_id": finished.trace_id}
    emit("gateway", values, ids=ids, outcome=call_metrics.outcome(finished))
    if isinstance(ended.result, PlatformError):
        ended.result.is_recorded = True
    if isinstance(ended.result, Exception):
        raise ended.result
    return ended.result


def _executed(
    call: AdmittedCall, execution: Execution, trace_id: str, services: CallServices, *, is_keyed: bool
) -> _Ended:
    """Run a call that was recorded as accepted. Every failure is returned, because it has to be recorded too."""
    try:
        answer = execute(call, execution, trace_id, services, is_keyed=is_keyed)
        body = _body(answer)
        passed = headers.to_caller(answer.headers, f"/api/ext/{call.extension}", encoded_path(call.path))
        answer = _within_limits(answer, passed, len(body))
    except PlatformError as error:
        return _Ended(ExecuteResponse(status=outward(error).status), error.code, 0, False, error)
    except Exception as fault:  # noqa: BLE001 - a fault of the platform, raised when the record is finished
        return _Ended(ExecuteResponse(status=500), "internal", 0, False, fault)
    if answer.error is None:
        lost = [name for name in answer.headers if name in TO_CALLER and name not in passed]
        return _Ended(answer, None, len(body), True, (answer.status, passed, body), lost)
    refusal = _refusal(answer, answer.error, explained=services.explain_failures)
    recorded = msgspec.structs.replace(answer, status=refusal.status)
    return _Ended(recorded, answer.error.code, len(body), True, refusal)


def _body(answer: ExecuteResponse) -> bytes:
    """Return the answer's body, or raise ``bad_gateway`` for an answer that is not a valid HTTP response."""
    try:
        body = base64.b64decode(answer.body_b64 or "", validate=True)
    except ValueError:
        raise PlatformError("bad_gateway", "The body of the runner's answer is not valid base64.") from None
    if answer.error is None and not 200 <= answer.status <= 599:
        raise PlatformError("bad_gateway", f"The runner's answer has the status {answer.status}, not 200 to 599.")
    return body


def _within_limits(answer: ExecuteResponse, passed: Mapping[str, str], body_bytes: int) -> ExecuteResponse:
    """Return the runner's answer or, when it is too large for the caller, the same with ``response_too_large``."""
    header_bytes = sum(len(name) + len(value) for name, value in passed.items())
    if answer.error is not None:
        return answer
    if body_bytes > RESPONSE_LIMIT_BYTES:
        text = f"The extension's answer is {body_bytes} bytes; at most {RESPONSE_LIMIT_BYTES} are allowed."
    elif header_bytes > RESPONSE_HEADERS_LIMIT_BYTES:
        text = (
            f"The extension's answer has {header_bytes} bytes of headers; "
            f"at most {RESPONSE_HEADERS_LIMIT_BYTES} are allowed."
        )
    else:
        return answer
    error = ExecuteError(code="response_too_large", message=text)
    return msgspec.structs.replace(answer, status=502, headers={}, body_b64=None, error=error)


def _refusal(answer: ExecuteResponse, error: ExecuteError, *, explained: bool) -> PlatformError:
    """Return the error that the caller gets in place of the guest's answer.

    Args:
        answer: of the runner.
        error: of the answer.
        explained: whether the caller is the extension's developer, who also gets what the guest itself reported.
    """
    shown = _as_platform_error(error)
    if explained:
        report = {"guest": error.guest, "refused": answer.refused}
        shown.members = {name: msgspec.to_builtins(part) for name, part in report.items() if part is not None}
    return shown


def _as_platform_error(error: ExecuteError) -> PlatformError:
    message = error.message[:_MESSAGE_LIMIT_CHARS]
    if error.code == "guest_timeout":
        return PlatformError("gateway_timeout", message, cause=error.code)
    if error.code == "runner_unavailable":
        return PlatformError("runner_unavailable", "Extensions cannot run at the moment; try again later.")
    return PlatformError("bad_gateway", f"{message} ({error.code})", cause=error.code)


def _send_finished(finished: ExecutionFinished, services: CallServices) -> None:
    """Send the finished record. A failure is only logged: the caller's response is sent anyway."""
    try:
        services.executions.send(execution_messages.encode_finished(finished), group=finished.tenant_id)
    except PlatformError as error:
        log_failure("gateway", error, finished.request_id, finished.trace_id)
