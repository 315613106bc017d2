"""The registry's HTTP API (``/api/registry/v1``), and the one for events (``/api/events``).

Each route does four things: parse, authorise, make one call into the feature, render. Every failure is answered with a
problem document.
"""

from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from alga_ext import strict_json
from alga_ext.edge.failure_budget import FailureBudget
from alga_ext.edge.health import Health
from alga_ext.edge.http import Request, bearer_token
from alga_ext.edge.rim import Rim
from alga_ext.errors import PlatformError
from functions.registry.api.routes import (
    catalog,
    deliveries,
    egress,
    egress_trials,
    events,
    executions,
    installs,
    limits,
    maintenance,
    menu,
    metrics,
    publishers,
    publishing,
    records,
    schedules,
    secrets,
    tenant_data,
    topics,
    usage,
)
from functions.registry.events.cloudevents import REQUEST_LIMIT_BYTES
from functions.registry.records import platform_keys
from functions.registry.services import Services

PREFIX: Final = "/api/registry/v1"
EVENTS_PATH: Final = "/api/events"
HEALTH_PATH: Final = f"{PREFIX}/healthz"
BODY_LIMIT_BYTES: Final = 512 * 1024
BUNDLE_BODY_LIMIT_BYTES: Final = 7 * 1024 * 1024
"""For ``POST /versions``, whose body may contain a bundle."""
MEMBERS_LIMIT: Final = 50
_PROBE_KEY: Final = "staging/healthz"

app = APIGatewayHttpResolver(enable_validation=True)
"""The routes and their parsing. Services are passed with each request, so one value serves every ``Registry``."""
for _routes in (
    publishers,
    publishing,
    catalog,
    installs,
    menu,
    limits,
    usage,
    secrets,
    schedules,
    executions,
    egress,
    egress_trials,
    records,
    metrics,
    maintenance,
    tenant_data,
    deliveries,
    topics,
):
    app.include_router(_routes.router, prefix=PREFIX)
app.include_router(events.router)


class Registry:
    """Answers the requests of publishers, tenant admins and platform admins."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rim = Rim("registry")
        self._failures = FailureBudget()
        checks = {
            "database": services.database.check,
            "key_set": services.tokens.check,
            "trust_bundle": self._check_trust,
            "object_store": self._check_store,
        }
        self._health = Health(checks, services.monotonic_s, self._key_warnings)

    def answer(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer one API Gateway v2 event; failures become problem documents."""
        return self._rim.answer(event, lambda request: self._route(request, event, context))

    def close(self) -> None:
        """Close the connection to the database, and end the evaluation worker."""
        self._services.database.close()
        self._services.evaluator.close()

    def _route(self, request: Request, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer a request.

        1. Refuse a caller that has failed too often.
        2. Verify the caller's token. Nothing is parsed before that.
        3. Check the size of the body against the limit of its route, then its type, then parse it.
        4. Answer by the route, which checks the caller's role.
        """
        is_health = request.path == HEALTH_PATH
        # A load balancer asks without a token. It is answered even if others behind its address keep failing.
        if is_health and "authorization" not in request.headers:
            return self._health.answer_request(request, self._services.tokens.verify)
        token, now_s = bearer_token(request.headers.get("authorization")), self._services.monotonic_s()
        self._failures.check(request.source_ip, token, now_s)  # (1)
        try:
            if is_health:
                return self._health.answer_request(request, self._services.tokens.verify)
            return self._answer_authenticated(request, token, event, context)
        except PlatformError as error:
            self._failures.failed(request.source_ip, token, now_s, error)
            raise

    def _answer_authenticated(
        self, request: Request, token: str, event: Mapping[str, Any], context: Any
    ) -> dict[str, Any]:
        principal = self._services.tokens.verify(request.headers.get("authorization"))  # (2)
        self._failures.verified(token, self._services.monotonic_s())
        if request.path == EVENTS_PATH:
            _check_size(request, REQUEST_LIMIT_BYTES)  # (3); its route reads other types than JSON, too
        elif request.body:
            _check_body(request)
        app.append_context(  # (4)
            request_id=request.request_id, services=self._services, principal=principal, request=request
        )
        answer: dict[str, Any] = app.resolve(dict(event), context)
        answer["headers"] = {"cache-control": "no-store", **(answer.get("headers") or {})}
        return answer

    def _key_warnings(self) -> list[str]:
        now = self._services.now()
        try:
            return platform_keys.warnings(self._services, now)
        except PlatformError:
            return []  # the trust bundle cannot be read, which is a failed check

    def _check_trust(self) -> Mapping[str, Any]:
        self._services.trust.current()
        return {}

    def _check_store(self) -> Mapping[str, Any]:
        self._services.objects.size(_PROBE_KEY)
        return {}


def allowed_methods(path: str) -> list[str]:
    """Return the methods of the routes that have this path, in alphabetical order; none for an unknown path."""
    routes = [*app._static_routes, *app._dynamic_routes]  # noqa: SLF001 - the resolver has no public list of its routes
    return sorted({str(route.method) for route in routes if route.rule.match(path)})


def _check_size(request: Request, limit: int) -> None:
    if len(request.body) > limit:
        raise PlatformError(
            "payload_too_large", f"The body is {len(request.body)} bytes; at most {limit} are allowed here."
        )


def _check_body(request: Request) -> None:
    """Refuse a body that is too large, not JSON, or has very many members, before the routes parse and validate it."""
    limit = BUNDLE_BODY_LIMIT_BYTES if request.path == f"{PREFIX}/versions" else BODY_LIMIT_BYTES
    _check_size(request, limit)
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise PlatformError("invalid_request", f"The body is {media_type[:100]!r}; send application/json.")
    try:
        document = strict_json.parse(request.body)
    except ValueError as error:  # covers JsonError and text that is not UTF-8
        raise PlatformError("invalid_request", f"The body is not valid JSON: {error}.") from None
    # Each unknown member costs the validation library an error object, so very many are refused before it.
    if isinstance(document, dict) and len(document) > MEMBERS_LIMIT:
        raise PlatformError(
            "invalid_request", f"The body has {len(document)} members; no request has more than {MEMBERS_LIMIT}."
        )


@app.exception_handler(RequestValidationError)
def _on_invalid(error: RequestValidationError) -> None:
    faults = []
    for fault in error.errors()[:5]:
        where = ".".join(str(part) for part in fault["loc"] if part != "body") or "body"
        faults.append(f"{where}: {str(fault['msg']).removeprefix('Value error, ')}")
    raise PlatformError("invalid_request", f"The request is not valid: {'; '.join(faults)}.")


@app.not_found
def _on_no_route(_: NotFoundError) -> None:
    if allowed := allowed_methods(app.current_event.path):
        raise PlatformError(
            "method_not_allowed",
            f"{app.current_event.request_context.http.method} is not allowed here; use {' or '.join(allowed)}.",
            allow=allowed,
        )
    raise PlatformError("not_found", "The registry has no such path; see docs/reference/http-api.md for all paths.")


@app.exception_handler(ServiceError)
def _on_service_error(error: ServiceError) -> None:
    code = "method_not_allowed" if error.status_code == 405 else "invalid_request"
    raise PlatformError(code, str(error.msg))
