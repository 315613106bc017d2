"""Shared request and response helpers for the registry's routes."""

from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from alga_ext.calls.traceparent import HEADER, trace_id_of
from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
from functions.registry.api import preconditions
from functions.registry.api.idempotency import Answer, Attempt
from functions.registry.api.preconditions import etag_of
from functions.registry.records.audit import Actor
from functions.registry.services import Services

_STOP_ATTEMPTS: Final = 3
_LOCK_NOT_AVAILABLE: Final = "55P03"


def services(router: APIGatewayHttpRouter) -> Services:
    """Return the registry's services. They are passed with the request that ``router`` is answering."""
    given: Services = router.context["services"]
    return given


def require_enabled(router: APIGatewayHttpRouter) -> None:
    """Raise ``extensions_disabled`` while the operator has switched extensions off.

    Routes that start or widen something call this. Reads, and requests that stop something, are still answered.
    """
    if not services(router).settings.extensions_enabled:
        raise PlatformError(
            "extensions_disabled",
            "Extensions are switched off here, so nothing can be published, installed or updated. The operator can "
            "switch them on with EXTENSIONS_ENABLED.",
        )


def principal(router: APIGatewayHttpRouter) -> Principal:
    """Return the verified caller of the request that ``router`` is answering."""
    verified: Principal = router.context["principal"]
    return verified


def actor(router: APIGatewayHttpRouter, caller: Principal) -> Actor:
    """Return the caller, the request id and the trace id, as the audit trail records them."""
    trace_id = trace_id_of(header(router, HEADER) or "")
    return Actor(caller.subject, str(router.context.get("request_id", "")), trace_id)


def header(router: APIGatewayHttpRouter, name: str) -> str | None:
    """Return the value of a request header, or None when it is absent. ``name`` is in lower case."""
    headers: dict[str, Any] = router.current_event.headers or {}
    return next((str(value) for key, value in headers.items() if key.lower() == name), None)


def attempt(router: APIGatewayHttpRouter, caller: Principal, operation: str, tenant_id: str | None = None) -> Attempt:
    """Return this request as an attempt to create something, with its Idempotency-Key if it has one."""
    body = (router.current_event.decoded_body or "").encode()
    return Attempt(tenant_id, caller.subject, operation, header(router, "idempotency-key"), body)


def check_match(router: APIGatewayHttpRouter, current: BaseModel) -> None:
    """Raise ``precondition_failed`` when If-Match names another state than the current one.

    ``current`` must be locked, so that it cannot change before the transaction ends.
    """
    preconditions.check_match(header(router, "if-match"), etag_of(current))


def shown(out: BaseModel) -> Response[Any]:
    """Answer with a resource that has no revision number, and with its entity tag."""
    return reply(created(out, 200), {"etag": etag_of(out)})


def created(out: BaseModel, status: int = 201) -> Answer:
    """Build an answer in the form in which it is sent and stored."""
    return Answer(status, out.model_dump(mode="json"))


def reply(answer: Answer, headers: dict[str, Any] | None = None) -> Response[Any]:
    """Send an answer."""
    return Response(answer.status, "application/json", answer.document, headers)


def replay(answer: Answer) -> Response[Any]:
    """Send the answer of an earlier attempt again."""
    return reply(answer, {"idempotency-replayed": "true"})


def insist(stop: Callable[[], Response[Any]]) -> Response[Any]:
    """Answer a request that stops something, and repeat it while another session holds a lock that it needs.

    No session can keep such a lock: PostgreSQL ends a session that does nothing in a transaction after 5 s, and a
    statement after 3 s (``alga_ext.stores.database``). Three waits of 2.5 s outlast both, so an operator need not try
    again.
    """
    for _ in range(_STOP_ATTEMPTS - 1):
        try:
            return stop()
        except PlatformError as error:
            if error.context.get("sqlstate") != _LOCK_NOT_AVAILABLE:
                raise
    return stop()
