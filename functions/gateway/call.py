"""Run one admitted call: record it as accepted, run it, record how it ended, and build the caller's response."""

import base64
import secrets
from collections.abc import Mapping
from typing import Final

import msgspec

from alga_ext.bundles.endpoint_paths import encoded_path
from alga_ext.calls.envelope import ExecuteError, ExecuteResponse, decode_response, encode
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.calls.messages import ExecutionAccepted, encode_message
from alga_ext.errors import PlatformError
from alga_ext.ids import new_id
from alga_ext.telemetry import log_failure
from functions.gateway import execution_messages, headers
from functions.gateway.admission import AdmittedCall
from functions.gateway.envelope import build_envelope
from functions.gateway.refusals import outward
from functions.gateway.services import Services

RESPONSE_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""With the headers' limit below, the largest answer fits into a Lambda payload, whatever its bytes are."""
RESPONSE_HEADERS_LIMIT_BYTES: Final = 32 * 1024
_MESSAGE_LIMIT_CHARS: Final = 4_096
"""More than a runner says. The answer with the message must fit into a Lambda payload."""
_RUNNER_MARGIN_S: Final = 1.0
"""How many seconds longer than the call's own time limit the gateway waits for the runner's answer."""


def run(call: AdmittedCall, services: Services) -> tuple[int, dict[str, str], bytes]:
    """Record the call as accepted, run it, record how it ended, and return status, headers and body.

    The queue acknowledges the accepted record before the runner is invoked, so every accepted call leaves a record.
    When the finished record cannot be sent, the response is still sent and the record stays ``accepted``, which means
    that the outcome is unknown.

    Raises:
        PlatformError: ``queue_unavailable`` before anything ran; otherwise the error that the caller gets.
    """
    trace_id = headers.trace_id(call.headers) or secrets.token_hex(16)
    accepted = execution_messages.accepted(call, new_id(), trace_id, services.now())
    services.executions.send(encode_message(accepted), group=call.tenant_id)
    try:
        answer = _execute(call, trace_id, services)
        body = _body(answer)
        passed = headers.to_caller(answer.headers, f"/api/ext/{call.extension}", encoded_path(call.path))
        answer = _within_limits(answer, passed, len(body))
    except PlatformError as error:
        _finish(accepted, ExecuteResponse(status=outward(error).status), error.code, 0, services)
        raise
    except Exception:  # a fault of the platform, after which the record must not stay ``accepted``
        _finish(accepted, ExecuteResponse(status=500), "internal", 0, services)
        raise
    if answer.error is None:
        _finish(accepted, answer, None, len(body), services)
        return answer.status, passed, body
    refusal = _refusal(answer.error, explained=services.settings.explain_failures)
    _finish(accepted, msgspec.structs.replace(answer, status=refusal.status), answer.error.code, len(body), services)
    raise refusal


def _execute(call: AdmittedCall, trace_id: str, services: Services) -> ExecuteResponse:
    traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    envelope = build_envelope(call, traceparent, services.settings.ext_gateway_timeout_ms)
    body = encode(envelope)
    token = sign_execution_token(
        services.execution_signer,
        envelope,
        body,
        version_state=call.install.version_state,
        token_id=new_id(),
        now_s=int(services.now().timestamp()),
    )
    limit_s = (envelope.limits.timeout_ms or 0) / 1000 + _RUNNER_MARGIN_S
    data = services.runner.run(
        body, token=token, tenant_id=call.tenant_id, request_id=call.request_id, timeout_s=limit_s
    )
    return decode_response(data)


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
    return ExecuteResponse(status=502, error=error, usage=answer.usage, trace_id=answer.trace_id)


def _refusal(error: ExecuteError, *, explained: bool) -> PlatformError:
    """Return the error that the caller gets in place of the guest's answer.

    Args:
        error: what the runner says.
        explained: whether the caller is the extension's developer, who also gets what the guest itself reported.
    """
    shown = _as_platform_error(error)
    if explained:
        report = {"guest": error.guest, "refused": error.refused}
        shown.members = {name: msgspec.to_builtins(part) for name, part in report.items() if part is not None}
    return shown


def _as_platform_error(error: ExecuteError) -> PlatformError:
    message = error.message[:_MESSAGE_LIMIT_CHARS]
    if error.code == "guest_timeout":
        return PlatformError("gateway_timeout", message)
    if error.code == "runner_unavailable":
        return PlatformError("runner_unavailable", "Extensions cannot run at the moment; try again later.")
    return PlatformError("bad_gateway", f"{message} ({error.code})")


def _finish(
    accepted: ExecutionAccepted,
    answer: ExecuteResponse,
    error_code: str | None,
    response_bytes: int,
    services: Services,
) -> None:
    """Send the finished record. A failure is only logged: the caller's response is sent anyway."""
    finished = execution_messages.finished(accepted, answer, error_code, response_bytes, services.now())
    try:
        services.executions.send(encode_message(finished), group=accepted.tenant_id)
    except PlatformError as error:
        log_failure("gateway", error, accepted.request_id)
