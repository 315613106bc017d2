"""Who is calling, for every route of the registry."""

from typing import Any

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.principal import Principal
from functions.registry import compose
from functions.registry.audit import Actor


def principal(router: APIGatewayHttpRouter) -> Principal:
    """Return the verified caller of the request that ``router`` is answering."""
    headers: dict[str, Any] = router.current_event.headers or {}
    authorization = next((str(value) for name, value in headers.items() if name.lower() == "authorization"), None)
    return compose.token_verifier().verify(authorization)


def actor(router: APIGatewayHttpRouter, caller: Principal) -> Actor:
    """Return the caller as the audit trail names it."""
    return Actor(caller.subject, str(router.context.get("request_id", "")))
