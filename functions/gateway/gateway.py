"""The tenants' door, ``ANY /api/ext/{extension}/{path…}``. Trigger: API Gateway HTTP API.

The order of the checks is part of the contract (docs/reference/gateway.md): each refusal ends the request.
"""

from typing import Any

from alga_ext.edge.http import Request, json_response, problem, request_from_event, response
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure
from functions.gateway import call as calls
from functions.gateway import compose
from functions.gateway.admission import check_endpoint, check_request, check_role, check_tenant

SERVICE = "gateway"

CONFINING = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'; sandbox"}
"""On every answer of a guest: should a browser show one, it is no document of the host application's origin."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Lambda entry point: every request gets an answer with ``x-request-id``, every failure a problem document."""
    request_id = request_from_event({**event, "body": None}).request_id
    try:
        request = request_from_event(event)
        if request.path == "/healthz":
            answer = json_response(200, {"status": "ok"})
        else:
            answer = _answer(request)
    except PlatformError as error:
        log_failure(SERVICE, error, request_id)
        answer = problem(_outward(error), request_id)
    except Exception as error:  # noqa: BLE001 - the rim: whatever else happens is ours, and is logged
        log_failure(SERVICE, error, request_id)
        answer = problem(PlatformError("internal", "Something went wrong on our side."), request_id)
    answer["headers"]["x-request-id"] = request_id
    return answer


def _answer(request: Request) -> dict[str, Any]:
    """Check and run one call.

    1. Extensions are switched on; path, method and sizes are possible.
    2. The caller is who the token says.
    3. The tenant is the token's.
    4. The tenant has an active install of the extension.
    5. It declares the endpoint.
    6. The caller's roles allow the method.
    7. The call is recorded as accepted, run, and recorded as finished.
    """
    if not compose.settings().extensions_enabled:  # (1)
        raise PlatformError("extensions_disabled", "Extensions are switched off here; the operator can switch them on.")
    target = check_request(request)
    principal = compose.token_verifier().verify(request.headers.get("authorization"))  # (2)
    tenant_id = check_tenant(principal, request)  # (3)
    install = compose.installs().find(tenant_id, target.extension, compose.monotonic_s())  # (4)
    check_endpoint(install, target, request.method)  # (5)
    check_role(compose.role_map(), principal, request.method)  # (6)
    if install is None:
        message = "check_endpoint passes only with an install"
        raise RuntimeError(message)
    call = calls.Call(request, target, principal, tenant_id, install)
    status, headers, body = calls.run(call)  # (7)
    return response(status, {**headers, **CONFINING}, b"" if request.method == "HEAD" else body)


def _outward(error: PlatformError) -> PlatformError:
    """Return how a failure shows at this door: a policy input that cannot be read is 503, never allow."""
    if error.code in ("database_unavailable", "queue_unavailable", "object_store_unavailable"):
        return PlatformError("policy_unavailable", "The call cannot be decided just now; try again.")
    return error
