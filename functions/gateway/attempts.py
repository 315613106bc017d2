"""Send a call to the runner, and again when that is safe, until its deadline."""

import random
import secrets
import time
from typing import Final

from alga_ext.calls.envelope import ExecuteResponse, decode_response, encode
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.calls.traceparent import traceparent
from alga_ext.errors import PlatformError
from alga_ext.ids import new_id
from functions.gateway import retries
from functions.gateway.admission import AdmittedCall
from functions.gateway.envelope import build_envelope
from functions.gateway.execution import Execution
from functions.gateway.services import CallServices

RUNNER_MARGIN_S: Final = 2.0
"""How many seconds longer than the guest may run the gateway waits for the runner's answer: a runner that was not there
has to start first."""


def execute(
    call: AdmittedCall, execution: Execution, trace_id: str, services: CallServices, *, is_keyed: bool
) -> ExecuteResponse:
    """Send a call to the runner, at most ``retries.RETRIES`` times again, and return the runner's answer.

    Args:
        call: the admitted call.
        execution: counts the attempts, and notes whether one may have run something.
        trace_id: the trace of the call.
        services: the gateway's clients.
        is_keyed: whether the call has an idempotency key, see ``retries.may_repeat``.

    Raises:
        PlatformError: of the last attempt, see ``RunnerClient.run``; ``gateway_timeout`` when no time is left for one;
            ``bad_gateway`` when the answer cannot be decoded.
    """
    services.retries.count_call()
    for retry in range(1, retries.RETRIES + 2):
        try:
            return _attempt(call, execution, trace_id, services)
        except PlatformError as error:
            if not retries.may_repeat(error, call.method, is_keyed=is_keyed):
                raise
            left_s = execution.deadline_s - services.monotonic_s()
            wait_s = retries.pause_s(error, retry, left_s, random.random())  # noqa: S311 - a pause is no secret
            if wait_s is None or not services.retries.take():
                raise
        time.sleep(wait_s)
    raise AssertionError  # pause_s has no pause for another retry


def _attempt(call: AdmittedCall, execution: Execution, trace_id: str, services: CallServices) -> ExecuteResponse:
    left_s = execution.deadline_s - services.monotonic_s()
    left_ms = int(left_s * 1000)
    if left_ms < 1:
        raise PlatformError(
            "gateway_timeout", f"The call's {execution.limit_ms} ms had passed before the extension could be run."
        )
    envelope = build_envelope(call, traceparent(trace_id, secrets.token_hex(8)), left_ms)
    body = encode(envelope)
    token = sign_execution_token(
        services.execution_signer,
        envelope,
        body,
        version_state=call.install.version_state,
        token_id=new_id(),
        now_s=int(services.now().timestamp()),
    )
    ran_before = execution.may_have_run
    execution.attempts += 1
    execution.may_have_run = True
    try:
        data = services.runner.run(
            body,
            token=token,
            tenant_id=call.tenant_id,
            request_id=call.request_id,
            timeout_s=left_s + margin_s(execution),
        )
    except PlatformError as error:
        execution.may_have_run = ran_before or not retries.has_run_nothing(error)
        raise
    return decode_response(data)


def margin_s(execution: Execution) -> float:
    """Return how many seconds after the end of a call's time the gateway still waits for the runner."""
    return min(RUNNER_MARGIN_S, execution.answer_by_s - execution.limit_ms / 1000)
