"""The registry's HTTP API (``/api/registry/v1``): wiring only. Trigger: API Gateway HTTP API.

A route is parse → authorise → one call into the feature → render. Every failure leaves as a problem document.
"""

import base64
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from alga_ext import strict_json
from alga_ext.edge.http import problem, request_from_event
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure
from functions.registry.api.routes import catalog, installs, publishers, publishing, records, secrets

SERVICE = "registry"
PREFIX = "/api/registry/v1"

app = APIGatewayHttpResolver(enable_validation=True)
for routes in (publishers, publishing, catalog, installs, secrets, records):
    app.include_router(routes.router, prefix=PREFIX)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point."""
    request_id = request_from_event({**event, "body": None}).request_id
    app.append_context(request_id=request_id)
    refused = _refused_body(event, request_id)
    answer: dict[str, Any] = app.resolve(event, context) if refused is None else refused
    answer["headers"] = {"x-request-id": request_id, "cache-control": "no-store", **(answer.get("headers") or {})}
    return answer


def _refused_body(event: dict[str, Any], request_id: str) -> dict[str, Any] | None:
    """Return the refusal of a body that is not JSON as it is wanted here, before anything else parses it."""
    body = event.get("body")
    if not body:
        return None
    try:
        data = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        strict_json.parse(data)
    except ValueError as error:  # JsonError is one; so is base64 that is none, and half a surrogate pair
        refusal = PlatformError("invalid_request", f"The body is not valid JSON: {error}.")
        log_failure(SERVICE, refusal, request_id)
        return problem(refusal, request_id)
    return None


def _render(error: PlatformError) -> Response[str]:
    answer = problem(error, str(app.context.get("request_id", "")))
    headers = answer["headers"]
    return Response(
        status_code=answer["statusCode"], content_type=headers.pop("content-type"), headers=headers, body=answer["body"]
    )


@app.exception_handler(PlatformError)
def _on_refusal(error: PlatformError) -> Response[str]:
    log_failure(SERVICE, error, str(app.context.get("request_id", "")))
    return _render(error)


@app.exception_handler(RequestValidationError)
def _on_invalid(error: RequestValidationError) -> Response[str]:
    faults = []
    for fault in error.errors()[:5]:
        where = ".".join(str(part) for part in fault["loc"] if part != "body") or "body"
        faults.append(f"{where}: {str(fault['msg']).removeprefix('Value error, ')}")
    return _render(PlatformError("invalid_request", f"The request is not valid: {'; '.join(faults)}."))


@app.not_found
def _on_no_route(_: NotFoundError) -> Response[str]:
    return _render(PlatformError("not_found", "There is no such path here; see docs/reference/http-api.md."))


@app.exception_handler(ServiceError)
def _on_service_error(error: ServiceError) -> Response[str]:
    code = "method_not_allowed" if error.status_code == 405 else "invalid_request"
    return _render(PlatformError(code, str(error.msg)))


@app.exception_handler(Exception)
def _on_fault(error: Exception) -> Response[str]:
    log_failure(SERVICE, error, str(app.context.get("request_id", "")))
    return _render(PlatformError("internal", "Something went wrong on our side; quote the request id when you ask."))
