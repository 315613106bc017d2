"""Routes that read records: the tenant's audit trail and the transparency log."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.stores.database import Tx
from functions.registry.api import permissions
from functions.registry.api.exchange import principal, services
from functions.registry.api.paging import before_number, encode_cursor, number
from functions.registry.api.shapes import AuditOut, ConsistencyOut, InclusionOut, LogEntryOut, Page, PageSize
from functions.registry.publishing import versions
from functions.registry.records import audit, transparency
from functions.registry.recovery import log_copy

router = APIGatewayHttpRouter()


@router.get("/audit")
def list_audit(cursor: str | None = None, page_size: PageSize = 25) -> Page[AuditOut]:
    """List every change made for the tenant, newest first (tenant admins)."""
    tenant_id = permissions.require_tenant_admin(principal(router))
    before = before_number(cursor)
    with services(router).database.tenant(tenant_id) as tx:
        rows = audit.list_events(tx, tenant_id, before, page_size)
    next_cursor = encode_cursor(rows[-1]["audit_id"]) if len(rows) == page_size else None
    return Page(items=[AuditOut.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/events")
def list_events(cursor: str | None = None, page_size: PageSize = 25) -> Page[LogEntryOut]:
    """List, newest first, what happened to the tenant's extensions since it installed them.

    These are entries of the transparency log, such as new and revoked keys, transfers, published, yanked and withdrawn
    versions, and deprecations.
    """
    tenant_id = permissions.require_tenant_viewer(principal(router))
    before = before_number(cursor)
    with services(router).database.tenant(tenant_id) as tx:
        rows = transparency.list_for_tenant(tx, tenant_id, before, page_size)
    next_cursor = encode_cursor(rows[-1]["leaf_index"]) if len(rows) == page_size else None
    return Page(items=[LogEntryOut.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/log/entries")
def list_log(cursor: str | None = None, page_size: PageSize = 25) -> Page[LogEntryOut]:
    """List the transparency log, starting with its first entry."""
    permissions.require_reader(principal(router))
    first = number(cursor, ("0",))
    with services(router).database.system() as tx:
        rows = transparency.list_entries(tx, first, page_size)
    next_cursor = encode_cursor(rows[-1]["leaf_index"] + 1) if len(rows) == page_size else None
    return Page(items=[LogEntryOut.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.get("/log/entries/<leaf_index>/proof")
def get_inclusion(leaf_index: int) -> InclusionOut:
    """Get the proof that an entry is in the log."""
    permissions.require_reader(principal(router))
    size = _provable_size()
    with services(router).database.system() as tx:
        return _inclusion(tx, leaf_index, size)


@router.get("/versions/<version_id>/proof")
def get_publication_proof(version_id: str) -> InclusionOut:
    """Get the proof that a version's publication is in the log. ``alga-ext verify --log`` checks it offline."""
    permissions.require_reader(principal(router))
    size = _provable_size()
    with services(router).database.system() as tx:
        version = versions.load_version(tx, version_id)
        index = transparency.publication_index(tx, str(version["extension_id"]), version["content_hash"])
        return _inclusion(tx, index, size)


@router.get("/log/consistency")
def get_consistency(old_size: Annotated[int, Query(ge=1)]) -> ConsistencyOut:
    """Get the proof that entries were only appended since the log had ``old_size`` entries."""
    permissions.require_reader(principal(router))
    size = _provable_size()
    with services(router).database.system() as tx:
        proof = transparency.consistency(tx, old_size, size)
        head = _head(tx, size)
    return ConsistencyOut(old_size=old_size, tree_size=size, proof=proof, head=head)


@router.get("/log/head")
def get_head() -> dict[str, object]:
    """Get the signed head of the present log (a DSSE envelope)."""
    permissions.require_reader(principal(router))
    size = _provable_size()
    with services(router).database.system() as tx:
        return _head(tx, size)


def _provable_size() -> int:
    """Copy the log, outside of a transaction, and return how many leaves a head may cover."""
    return log_copy.synchronise(services(router)).size


def _inclusion(tx: Tx, leaf_index: int, size: int) -> InclusionOut:
    entry = transparency.load_entry(tx, leaf_index)
    proof = transparency.inclusion(tx, leaf_index, size)
    return InclusionOut(leaf_index=leaf_index, entry=entry["entry"], tree_size=size, proof=proof, head=_head(tx, size))


def _head(tx: Tx, size: int) -> dict[str, object]:
    registry = services(router)
    return transparency.publish_head(tx, registry.log_signer, registry.objects, registry.now(), size)
