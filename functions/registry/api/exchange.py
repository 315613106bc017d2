"""Shared request and response helpers for the registry's routes."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from alga_ext.edge.principal import Principal
from alga_ext.errors import PlatformError
from functions.registry.api import preconditions
from functions.registry.api.idempotency import Answer, Attempt
from functions.registry.api.preconditions import etag_of
from functions.registry.records.audit import Actor
from functions.registry.services import Services


def services(router: APIGatewayHttpRouter) -> Services:
    """Return what the registry works with; the request that ``router`` is answering carries it."""
    given: Services = router.context["services"]
    return given


def require_enabled(router: APIGatewayHttpRouter) -> None:
    """Refuse with ``extensions_disabled`` what starts or widens something while the operator's switch is off.

    Reads, and whatever stops something, go on.
    """
    if not services(router).settings.extensions_enabled:
        raise PlatformError(
            "extensions_disabled",
            "Extensions are switched off here: nothing is published, installed or updated. The operator can switch "
            "them on with EXTENSIONS_ENABLED.",
        )


def principal(router: APIGatewayHttpRouter) -> Principal:
    """Return the verified caller of the request that ``router`` is answering."""
    return services(router).tokens.verify(header(router, "authorization"))


def actor(router: APIGatewayHttpRouter, caller: Principal) -> Actor:
    """Return the caller as the audit trail names it."""
    return Actor(caller.subject, str(router.context.get("request_id", "")))


def header(router: APIGatewayHttpRouter, name: str) -> str | None:
    """Return a request header, given in lower case; None when it is absent."""
    headers: dict[str, Any] = router.current_event.headers or {}
    return next((str(value) for key, value in headers.items() if key.lower() == name), None)


def attempt(router: APIGatewayHttpRouter, caller: Principal, operation: str, tenant_id: str | None = None) -> Attempt:
    """Return the creation this request attempts, under its Idempotency-Key if it has one."""
    body = (router.current_event.decoded_body or "").encode()
    return Attempt(tenant_id, caller.subject, operation, header(router, "idempotency-key"), body)


def check_match(router: APIGatewayHttpRouter, current: BaseModel) -> None:
    """Refuse with ``precondition_failed`` unless the request is about the thing as it is now, locked."""
    preconditions.check_match(header(router, "if-match"), etag_of(current))


def shown(out: BaseModel) -> Response[Any]:
    """Answer with a thing that has no revision, and its entity tag."""
    return reply(created(out, 200), {"etag": etag_of(out)})


def created(out: BaseModel, status: int = 201) -> Answer:
    """Return a creation's answer as it is sent and stored."""
    return Answer(status, out.model_dump(mode="json"))


def reply(answer: Answer, headers: dict[str, Any] | None = None) -> Response[Any]:
    """Send an answer."""
    return Response(answer.status, "application/json", answer.document, headers)


def replay(answer: Answer) -> Response[Any]:
    """Send the answer of an earlier attempt again."""
    return reply(answer, {"idempotency-replayed": "true"})
