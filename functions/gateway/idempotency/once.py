"""Run a call with an idempotency key at most once, and answer its repetitions (docs/adr/0039)."""

import math
from collections.abc import Callable
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from alga_ext.telemetry import log_failure
from functions.gateway import call as calls
from functions.gateway.admission import AdmittedCall
from functions.gateway.attempts import RUNNER_MARGIN_S
from functions.gateway.execution import Execution
from functions.gateway.idempotency.claims import KEPT_BODY_LIMIT_BYTES, Claim, Earlier
from functions.gateway.services import Services

REPLAYED: Final = {"idempotency-replayed": "true"}
_SETTLING_MS: Final = int(RUNNER_MARGIN_S * 1000) + 2_000
"""How long after the end of its time a call may need to note its result. After that, its outcome counts as unknown. A
result that is noted later still counts."""


def run(call: AdmittedCall, key: str, services: Services) -> tuple[int, dict[str, str], bytes]:
    """Run a call unless its key has one already, and return status, headers and body.

    1. Claim the key. If another call has it, answer with that call's answer, or refuse.
    2. Run the call.
    3. Keep the answer. A call that has certainly not run gives up its claim. If the result cannot be noted, the caller
       still gets it, and later repetitions get ``idempotency_outcome_unknown``.

    A process that ends in between leaves the claim as it is, so the call never runs a second time.

    Raises:
        PlatformError: ``database_unavailable`` before anything has run; ``idempotency_conflict``,
            ``idempotency_in_progress``, ``idempotency_outcome_unknown``; the first call's error once more; otherwise
            see ``call.run``.
    """
    execution = Execution.begin(call, services)
    claim = Claim.of(call, key, execution)
    earlier = claim.take(services.database, execution.limit_ms + _SETTLING_MS)  # (1)
    if earlier is not None:
        return repeated(earlier, claim.request_sha256)
    try:
        status, headers, body = calls.run(call, services, execution)  # (2)
    except PlatformError as error:
        _settle(_noting(claim, execution, error), services.database, call.request_id)  # (3)
        raise
    _settle(lambda database: claim.keep_answer(database, status, headers, body), services.database, call.request_id)
    return status, headers, body


def repeated(earlier: Earlier, request_sha256: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return the answer for a call whose key an earlier call has: status, headers and body.

    Args:
        earlier: the call that has the key.
        request_sha256: of the call to answer.

    Raises:
        PlatformError: ``idempotency_conflict``, ``idempotency_in_progress``, ``idempotency_outcome_unknown``, or the
            error that the earlier call was answered with.
    """
    if earlier.request_sha256 != request_sha256:
        raise PlatformError(
            "idempotency_conflict",
            "This idempotency key was used for a call with another query, content type or body; send a new key.",
        )
    if earlier.status is None:
        raise _unfinished(earlier)
    if earlier.error is not None:
        error = PlatformError(earlier.error["code"], earlier.error["detail"])
        error.members = earlier.error["members"]
        error.headers = dict(REPLAYED)
        error.is_recorded = True
        raise error
    if earlier.headers is None or earlier.body is None:
        limit = f"{KEPT_BODY_LIMIT_BYTES} bytes"
        detail = (
            f"The call was done, but its answer was larger than {limit}, so it was not kept. Do not repeat the call."
        )
        error = _not_given(earlier, detail)
        error.members["first_status"] = earlier.status
        raise error
    return earlier.status, {**earlier.headers, **REPLAYED}, earlier.body


def _unfinished(earlier: Earlier) -> PlatformError:
    if earlier.left_s > 0:
        detail = "The first call with this idempotency key is still running; repeat this one later for its answer."
        error = PlatformError("idempotency_in_progress", detail)
        error.headers = {"retry-after": str(math.ceil(earlier.left_s))}
        return error
    return _not_given(
        earlier,
        "The first call with this idempotency key was sent to the extension, and its outcome was lost. Find out "
        "whether it took effect before you send it with a new key.",
    )


def _not_given(earlier: Earlier, detail: str) -> PlatformError:
    error = PlatformError("idempotency_outcome_unknown", detail)
    error.members = {"first_request_id": earlier.request_id}
    return error


def _noting(claim: Claim, execution: Execution, error: PlatformError) -> Callable[[Database], None]:
    """Return how to note a call that failed.

    A runner that could not be used after the call was sent leaves open whether the call has run. Any other error is an
    answer, and the call is done.
    """
    if not execution.may_have_run:
        return claim.give_up
    if error.code == "runner_unavailable":
        return claim.lose
    return lambda database: claim.keep_error(database, error)


def _settle(note: Callable[[Database], None], database: Database, request_id: str) -> None:
    """Note the result of a call. A failure is only logged: the call has been done, and its answer is sent anyway."""
    try:
        note(database)
    except PlatformError as error:
        log_failure("gateway", error, request_id)
