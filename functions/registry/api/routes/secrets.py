"""Routes of an install's secrets: set, list with their states, delete. Values are never read back."""

from datetime import timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Tx
from alga_ext.stores.sealing import secret_context
from functions.registry.api import permissions
from functions.registry.api.exchange import actor, header, principal, reply, services
from functions.registry.api.idempotency import Answer
from functions.registry.api.install_shapes import SecretIn, SecretOut
from functions.registry.api.preconditions import check_match, revision_tag
from functions.registry.installing import install_secrets, installs

router = APIGatewayHttpRouter()


@router.get("/installs/<install_id>/secrets")
def list_secrets(install_id: str) -> Response[list[SecretOut]]:
    """List the declared secrets with their states: missing, set, expiring or expired. The ETag is the install's."""
    registry = services(router)
    tenant_id = permissions.require_tenant_viewer(principal(router))
    with registry.database.tenant(tenant_id) as tx:
        found = install_secrets.listing(tx, tenant_id, install_id, registry.now())
        etag = revision_tag(installs.load_install(tx, tenant_id, install_id)["revision"])
    return reply(Answer(200, [_out(secret) for secret in found]), {"etag": etag})


@router.put("/installs/<install_id>/secrets/<name>")
def put_secret(install_id: str, name: str, body: Annotated[SecretIn, Body()]) -> Response[SecretOut]:
    """Set the next value of a secret. It is sealed before it is stored."""
    registry = services(router)
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    now = registry.now()
    expires_at = body.expires_at
    if body.max_age_s is not None:
        if expires_at is not None:
            raise PlatformError("invalid_request", "Send either expires_at or max_age_s, and not both.")
        expires_at = now + timedelta(seconds=body.max_age_s)
    if expires_at is not None and expires_at <= now:
        raise PlatformError("invalid_request", f"expires_at {expires_at.isoformat()} is not in the future.")
    sealer = registry.sealer()
    with registry.database.tenant(tenant_id) as tx:
        install = installs.load_install(tx, tenant_id, install_id)
        check_match(header(router, "if-match"), revision_tag(install["revision"]))
        install_secrets.check_declared(tx, tenant_id, install_id, name)
    # Sealing asks the key management service, so it is done before the install is locked.
    sealed = sealer.seal(body.value.encode(), secret_context(tenant_id, str(install["install_id"]), name))
    with registry.database.tenant(tenant_id) as tx:
        who = actor(router, caller)
        check_match(header(router, "if-match"), _etag(tx, tenant_id, install_id))
        install_secrets.put(tx, tenant_id, install_id, name, sealed, expires_at, who)
        found = install_secrets.listing(tx, tenant_id, install_id, now)
        etag = _etag(tx, tenant_id, install_id)
    return reply(Answer(200, next(_out(secret) for secret in found if secret["name"] == name)), {"etag": etag})


@router.delete("/installs/<install_id>/secrets/<name>")
def delete_secret(install_id: str, name: str) -> Response[None]:
    """Delete all versions of a secret."""
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    with services(router).database.tenant(tenant_id) as tx:
        check_match(header(router, "if-match"), _etag(tx, tenant_id, install_id))
        install_secrets.delete(tx, tenant_id, install_id, name, actor(router, caller))
    return Response(204)


def _etag(tx: Tx, tenant_id: str, install_id: str) -> str:
    """Return the entity tag of an install, and lock the install until the transaction ends."""
    return revision_tag(installs.load_install(tx, tenant_id, install_id, lock=True)["revision"])


def _out(secret: dict[str, Any]) -> Any:
    return SecretOut.model_validate(secret).model_dump(mode="json")
