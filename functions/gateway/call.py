"""One admitted call: envelope, records, dispatch, and what the caller gets back."""

import base64
import json
import secrets
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, quote

from alga_ext.calls.envelope import (
    ExecuteContext,
    ExecuteGrants,
    ExecuteHttp,
    ExecuteLimits,
    ExecuteRequest,
    ExecuteResponse,
    ExecuteUser,
    SealedSecret,
    decode_response,
    encode,
)
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, encode_message
from alga_ext.edge.http import Request
from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
from alga_ext.ids import new_id
from alga_ext.telemetry import log_failure
from functions.gateway import compose, headers
from functions.gateway.install import Install
from functions.gateway.routing import Target

RESPONSE_LIMIT_BYTES: Final = 4 * 1024 * 1024


class Call(NamedTuple):
    """Everything known about an admitted call."""

    request: Request
    target: Target
    principal: Principal
    tenant_id: str
    install: Install


def run(call: Call) -> tuple[int, dict[str, str], bytes]:
    """Record the call as accepted, run it, record how it ended, and return status, headers and body.

    The accepted record is acknowledged by the queue before the runner is asked, so a call that was accepted always
    leaves a record. When the finished record cannot be sent, the answer still goes out and the record stays
    ``accepted``: it says that the outcome is not known.

    Raises:
        PlatformError: ``queue_unavailable`` before anything ran; otherwise what the caller is to see.
    """
    trace_id = headers.trace_id(call.request.headers) or secrets.token_hex(16)
    accepted = _accepted(call, trace_id)
    compose.executions().send(encode_message(accepted), group=call.tenant_id)
    try:
        answer = _execute(call, trace_id)
        body = _body(answer)
    except PlatformError as error:
        _finish(accepted, ExecuteResponse(status=error.status), error.code, 0)
        raise
    refusal = _refusal(answer, len(body))
    error_code = answer.error.code if answer.error else (refusal.code if refusal else None)
    _finish(accepted, answer, error_code, len(body))
    if refusal is not None:
        raise refusal
    return answer.status, headers.to_caller(answer.headers, f"/api/ext/{call.target.extension}"), body


def _execute(call: Call, trace_id: str) -> ExecuteResponse:
    envelope = envelope_for(call, trace_id, compose.settings().ext_gateway_timeout_ms)
    body = encode(envelope)
    token = sign_execution_token(
        compose.execution_signer(), envelope, body, token_id=new_id(), now_s=int(compose.now().timestamp())
    )
    limit_s = (envelope.limits.timeout_ms or 0) / 1000 + 1.0
    data = compose.runner().run(
        body, token=token, tenant_id=call.tenant_id, request_id=call.request.request_id, timeout_s=limit_s
    )
    return decode_response(data)


def envelope_for(call: Call, trace_id: str, timeout_ms: int) -> ExecuteRequest:
    """Make the execute envelope of a call; its time limit is the least of the gateway's and the install's."""
    request, install, principal = call.request, call.install, call.principal
    query = {
        name: values if len(values) > 1 else values[0] for name, values in parse_qs(request.raw_query, True).items()
    }
    passed = headers.to_guest(
        request.headers,
        tenant_id=call.tenant_id,
        extension_id=install.extension_id,
        request_id=request.request_id,
        traceparent=f"00-{trace_id}-{secrets.token_hex(8)}-01",
    )
    return ExecuteRequest(
        context=ExecuteContext(
            request_id=request.request_id,
            tenant_id=call.tenant_id,
            extension_id=install.extension_id,
            install_id=install.install_id,
            version_id=install.version_id,
            content_hash=install.content_hash,
            config={name: _config_text(value) for name, value in install.config.items()},
        ),
        http=ExecuteHttp(
            method=request.method,
            path=_encoded(call.target.path),
            raw_query=request.raw_query,
            query=dict(query),
            headers=dict(passed),
            body_b64=base64.b64encode(request.body).decode() if request.body else None,
        ),
        limits=ExecuteLimits(timeout_ms=min(timeout_ms, install.timeout_ms or timeout_ms), memory_mb=install.memory_mb),
        providers=install.capabilities,
        grants=ExecuteGrants(egress=install.egress, secrets=install.secrets, hash=install.grant_hash),
        secret_envelope=[SealedSecret(**secret) for secret in install.sealed_secrets] or None,
        user=ExecuteUser(
            user_id=principal.subject,
            user_email=principal.email,
            user_name=principal.name,
            user_type=principal.user_type,
            client_name=principal.client_name,
            client_id=principal.client_id,
        ),
    )


def _encoded(path: str) -> str:
    """Return a path, which API Gateway hands over decoded, as it stood in the URL: ASCII, which any store keeps."""
    return quote(path, safe="/:@!$&'()*+,;=~", errors="replace")


def _body(answer: ExecuteResponse) -> bytes:
    """Return the answer's body, or raise ``bad_gateway`` for an answer that is no HTTP response."""
    try:
        body = base64.b64decode(answer.body_b64 or "", validate=True)
    except ValueError:
        raise PlatformError("bad_gateway", "The runner's answer has a body that is not base64.") from None
    if answer.error is None and not 200 <= answer.status <= 599:
        raise PlatformError("bad_gateway", f"The runner's answer has the status {answer.status}.")
    return body


def _refusal(answer: ExecuteResponse, body_bytes: int) -> PlatformError | None:
    """Return what the caller sees in place of the guest's answer, or None when that passes through."""
    if answer.error is not None:
        if answer.error.code == "guest_timeout":
            return PlatformError("gateway_timeout", answer.error.message)
        if answer.error.code == "runner_unavailable":
            return PlatformError("runner_unavailable", "Extensions cannot be run just now; try again.")
        return PlatformError("bad_gateway", f"{answer.error.message} ({answer.error.code})")
    if body_bytes > RESPONSE_LIMIT_BYTES:
        detail = f"The extension's answer is {body_bytes} bytes; at most {RESPONSE_LIMIT_BYTES} are allowed."
        return PlatformError("bad_gateway", detail)
    return None


def _accepted(call: Call, trace_id: str) -> ExecutionAccepted:
    return ExecutionAccepted(
        execution_id=new_id(),
        tenant_id=call.tenant_id,
        install_id=call.install.install_id,
        extension_id=call.install.extension_id,
        version_id=call.install.version_id,
        content_hash=call.install.content_hash,
        request_id=call.request.request_id,
        trace_id=trace_id,
        method=call.request.method,
        path=_encoded(call.target.path)[:2048],
        principal=call.principal.subject,
        at=compose.now().isoformat(),
    )


def _finish(accepted: ExecutionAccepted, answer: ExecuteResponse, error_code: str | None, response_bytes: int) -> None:
    finished = ExecutionFinished(
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
        principal=accepted.principal,
        accepted_at=accepted.at,
        at=compose.now().isoformat(),
        status=answer.status,
        error_code=error_code,
        usage=answer.usage,
        response_bytes=response_bytes,
    )
    try:
        compose.executions().send(encode_message(finished), group=accepted.tenant_id)
    except PlatformError as error:
        log_failure("gateway", error, accepted.request_id)


def _config_text(value: Any) -> str:
    """Return a configuration value as the guest reads it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
