"""Routes of publishers: registration and signing keys."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.registry.api import permissions
from functions.registry.api.exchange import (
    actor,
    attempt,
    check_match,
    created,
    insist,
    principal,
    replay,
    reply,
    services,
    shown,
)
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.preconditions import etag_of
from functions.registry.api.shapes import (
    KeyIn,
    KeyOut,
    Page,
    PageSize,
    PublisherIn,
    PublisherOut,
    RetirementIn,
    RevocationIn,
    RevocationOut,
)
from functions.registry.publishing import publishers, versions, withdrawal, withdrawn_list

router = APIGatewayHttpRouter()


@router.post("/publishers")
def create_publisher(body: Annotated[PublisherIn, Body()]) -> Response[PublisherOut]:
    """Register a publisher and the name prefixes it owns (platform admins)."""
    registry = services(router)
    caller = principal(router)
    permissions.require_platform_admin(caller)
    trial = attempt(router, caller, "publishers.create")
    with registry.database.system() as tx:
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        row = publishers.create_publisher(
            tx, body.publisher, body.display_name, body.name_prefixes, actor(router, caller), registry.now()
        )
        answer = created(PublisherOut.model_validate(row))
        trial.keep(tx, answer)
    return reply(answer)


@router.get("/publishers")
def list_publishers(cursor: str | None = None, page_size: PageSize = 25) -> Page[PublisherOut]:
    """List publishers, ordered by slug."""
    permissions.require_reader(principal(router))
    (after,) = decode_cursor(cursor, ("",))
    with services(router).database.system() as tx:
        rows = publishers.list_publishers(tx, after, page_size)
    next_cursor = encode_cursor(rows[-1]["publisher"]) if len(rows) == page_size else None
    return Page(items=[PublisherOut.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/publishers/<publisher>")
def get_publisher(publisher: str) -> PublisherOut:
    """Get a publisher."""
    permissions.require_reader(principal(router))
    with services(router).database.system() as tx:
        return PublisherOut.model_validate(publishers.load_publisher(tx, publisher))


@router.get("/publishers/<publisher>/keys")
def list_keys(publisher: str, cursor: str | None = None, page_size: PageSize = 25) -> Page[KeyOut]:
    """List a publisher's keys, oldest first, including revoked keys."""
    permissions.require_reader(principal(router))
    after_at, after_id = decode_cursor(cursor, ("-infinity", ""))
    with services(router).database.system() as tx:
        rows = publishers.list_keys(tx, publisher, (after_at, after_id), page_size)
    last = rows[-1] if len(rows) == page_size else None
    next_cursor = encode_cursor(last["created_at"].isoformat(), last["key_id"]) if last else None
    return Page(items=[KeyOut.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/publishers/<publisher>/keys/<key_id>")
def get_key(publisher: str, key_id: str) -> Response[KeyOut]:
    """Get a key. Send its ETag as If-Match with a change."""
    permissions.require_reader(principal(router))
    with services(router).database.system() as tx:
        return shown(KeyOut.model_validate(publishers.load_key(tx, publisher, key_id)))


@router.post("/publishers/<publisher>/keys")
def add_key(publisher: str, body: Annotated[KeyIn, Body()]) -> Response[KeyOut]:
    """Add a signing key. Earlier keys stay valid, so that a rotation can overlap."""
    registry = services(router)
    caller = principal(router)
    permissions.require_publisher(caller, publisher)
    trial = attempt(router, caller, f"keys.create {publisher}")
    with registry.database.system() as tx:
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        publishers.check_unclaimed(registry.trust.current(), publisher, body.public_key)
        row = publishers.add_key(
            tx,
            publisher,
            body.public_key,
            body.valid_from,
            body.valid_until,
            actor(router, caller),
            registry.now(),
        )
        answer = created(KeyOut.model_validate(row))
        trial.keep(tx, answer)
    return reply(answer)


@router.post("/publishers/<publisher>/keys/<key_id>/retire")
def retire_key(publisher: str, key_id: str, body: Annotated[RetirementIn, Body()]) -> Response[KeyOut]:
    """End a key's validity now (the default) or at a later instant, so that a rotation can overlap.

    What the key signed until then stays valid.
    """
    registry = services(router)
    caller = principal(router)
    permissions.require_publisher(caller, publisher)
    now = registry.now()
    with registry.database.system() as tx:
        key = publishers.lock_key(tx, publisher, key_id)
        check_match(router, KeyOut.model_validate(key))
        row = publishers.retire_key(tx, key, body.valid_until or now, actor(router, caller), now)
    return shown(KeyOut.model_validate(row))


@router.post("/publishers/<publisher>/keys/<key_id>/revoke")
def revoke_key(publisher: str, key_id: str, body: Annotated[RevocationIn, Body()]) -> Response[RevocationOut]:
    """Revoke a key from an instant on (default: now), and tell what that stops; `dry_run` only tells it.

    Versions that were published with it before this instant stay as they are. Versions published since are withdrawn.
    """
    permissions.require_publisher(principal(router), publisher)
    return insist(lambda: _revoke(publisher, key_id, body))


def _revoke(publisher: str, key_id: str, body: RevocationIn) -> Response[RevocationOut]:
    registry = services(router)
    now, who = registry.now(), actor(router, principal(router))
    revoked_from = body.revoked_from or now
    with registry.database.system() as tx:
        # The lock orders this and a publication that finishes at the same time: either its version is ready before the
        # versions are listed here, or the publication finds the key revoked.
        row = publishers.lock_key(tx, publisher, key_id)
        check_match(router, KeyOut.model_validate(row))
        signed = versions.list_signed_since(tx, publisher, key_id, revoked_from)
        ids = [str(version["version_id"]) for version in signed]
        counts = [versions.count_installs(tx, version_id) for version_id in ids]
        if not body.dry_run:
            row = publishers.revoke_key(tx, publisher, key_id, revoked_from, body.reason, who, now)
            for version in signed:
                withdrawal.move(tx, version, "withdrawn", f"signed by a revoked key: {body.reason}", who, now)
    if signed and not body.dry_run:
        withdrawn_list.renew_after_withdrawal(registry)
    found = zip(signed, ids, counts, strict=True)
    stopped = [{**version, "version_id": version_id, "installs": count} for version, version_id, count in found]
    out = RevocationOut.model_validate({**row, "dry_run": body.dry_run, "stopped": stopped})
    return reply(created(out, 200), {"etag": etag_of(KeyOut.model_validate(row))})
