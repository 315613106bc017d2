"""Routes of publishers: registration and keys."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.registry import callers, compose, publishers, versions, withdrawal
from functions.registry.api import KeyIn, KeyOut, PublisherIn, PublisherOut, RevocationIn
from functions.registry.routes.caller import attempt, created, principal, replay, reply

router = APIGatewayHttpRouter()


@router.post("/publishers")
def create_publisher(body: Annotated[PublisherIn, Body()]) -> Response[PublisherOut]:
    """Register a publisher and the name prefixes it owns (platform admins)."""
    caller = principal(router)
    callers.require_platform_admin(caller)
    trial = attempt(router, caller, "publishers.create")
    with compose.database().system() as tx:
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        row = publishers.create_publisher(
            tx, body.publisher, body.display_name, body.name_prefixes, caller.subject, compose.now()
        )
        answer = created(PublisherOut.model_validate(row))
        trial.keep(tx, answer)
    return reply(answer)


@router.get("/publishers/<publisher>")
def get_publisher(publisher: str) -> PublisherOut:
    """Get a publisher."""
    principal(router)
    with compose.database().system() as tx:
        return PublisherOut.model_validate(publishers.load_publisher(tx, publisher))


@router.get("/publishers/<publisher>/keys")
def list_keys(publisher: str) -> list[KeyOut]:
    """List a publisher's keys, oldest first, the revoked ones too."""
    principal(router)
    with compose.database().system() as tx:
        return [KeyOut.model_validate(row) for row in publishers.list_keys(tx, publisher)]


@router.post("/publishers/<publisher>/keys")
def add_key(publisher: str, body: Annotated[KeyIn, Body()]) -> Response[KeyOut]:
    """Add a signing key; earlier ones stay valid, so that a rotation can overlap."""
    caller = principal(router)
    callers.require_publisher(caller, publisher)
    trial = attempt(router, caller, f"keys.create {publisher}")
    with compose.database().system() as tx:
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        row = publishers.add_key(
            tx, publisher, body.public_key, body.valid_from, body.valid_until, caller.subject, compose.now()
        )
        answer = created(KeyOut.model_validate(row))
        trial.keep(tx, answer)
    return reply(answer)


@router.post("/publishers/<publisher>/keys/<key_id>/revoke")
def revoke_key(publisher: str, key_id: str, body: Annotated[RevocationIn, Body()]) -> KeyOut:
    """Revoke a key from an instant on.

    Versions published with it before that stay as they are; those published since are withdrawn.
    """
    caller = principal(router)
    callers.require_publisher(caller, publisher)
    database, now = compose.database(), compose.now()
    revoked_from = body.revoked_from or now
    with database.system() as tx:
        publishers.load_key(tx, publisher, key_id)
        publishers.lock_key(tx, key_id)  # a version that is made ready just now is so before or finds the key revoked
        signed = versions.list_signed_since(tx, key_id, revoked_from)
        for version in signed:
            withdrawal.mark_withdrawn(version, compose.objects(), compose.release_signer(), now)
        row = publishers.revoke_key(tx, publisher, key_id, revoked_from, body.reason, caller.subject, now)
        for version in signed:
            withdrawal.move(tx, version, "withdrawn", f"signed by a revoked key: {body.reason}", caller.subject, now)
    return KeyOut.model_validate(row)
