"""Routes that read and set limits, and list quota events."""

from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.calls.limits import Document, InstallLimits, TenantLimits, convert
from alga_ext.errors import PlatformError
from alga_ext.json_shape import ShapeError
from alga_ext.stores.database import Tx
from functions.registry.api import permissions
from functions.registry.api.exchange import actor, created, header, principal, reply, services
from functions.registry.api.limit_shapes import (
    InstallLimitsDocument,
    InstallLimitsOut,
    QuotaEventOut,
    TenantLimitsDocument,
    TenantLimitsOut,
    usage_out,
)
from functions.registry.api.paging import before_number, encode_cursor
from functions.registry.api.preconditions import check_match, revision_tag
from functions.registry.api.shapes import Page, PageSize, texts
from functions.registry.installing import installs
from functions.registry.limiting import documents, quota_events, usage
from functions.registry.limiting.documents import Owner, Stored

router = APIGatewayHttpRouter()


@router.get("/tenants/<tenant_id>/limits")
def get_tenant_limits(tenant_id: str) -> Response[TenantLimitsOut]:
    """Get a tenant's limits and its usage. Send the ETag as If-Match with a change."""
    permissions.require_limits_reader(principal(router), tenant_id)
    with services(router).database.tenant(tenant_id) as tx:
        return _answer(tx, Owner(tenant_id))


@router.put("/tenants/<tenant_id>/limits")
def set_tenant_limits(tenant_id: str, body: Annotated[TenantLimitsDocument, Body()]) -> Response[TenantLimitsOut]:
    """Replace what the caller's party sets for a tenant. A platform admin sets the platform's values, up or down.

    A tenant admin sets the tenant's own values, which can only be lower than those of the platform.
    """
    setter = permissions.require_limits_setter(principal(router), tenant_id)
    return _set(setter, Owner(tenant_id), _checked(body, TenantLimits))


@router.get("/installs/<install_id>/limits")
def get_install_limits(install_id: str, tenant_id: str | None = None) -> Response[InstallLimitsOut]:
    """Get an install's limits and its usage. A platform admin names the tenant in the query."""
    owner = Owner(permissions.require_limits_reader(principal(router), tenant_id), install_id)
    with services(router).database.tenant(owner.tenant_id) as tx:
        installs.load_install(tx, owner.tenant_id, install_id)
        return _answer(tx, owner)


@router.put("/installs/<install_id>/limits")
def set_install_limits(
    install_id: str, body: Annotated[InstallLimitsDocument, Body()], tenant_id: str | None = None
) -> Response[InstallLimitsOut]:
    """Replace what the caller's party sets for an install, as for a tenant."""
    setter = permissions.require_limits_setter(principal(router), tenant_id)
    return _set(setter, Owner(setter.tenant_id, install_id), _checked(body, InstallLimits))


@router.get("/quota-events")
def list_quota_events(cursor: str | None = None, page_size: PageSize = 25) -> Page[QuotaEventOut]:
    """List, newest first, when the tenant or one of its installs had used a part of a quota."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    before = before_number(cursor)
    with services(router).database.tenant(tenant_id) as tx:
        rows = quota_events.list_events(tx, tenant_id, before, page_size)
    next_cursor = encode_cursor(rows[-1]["event_id"]) if len(rows) == page_size else None
    return Page(items=[QuotaEventOut.model_validate(texts(row)) for row in rows], next_cursor=next_cursor)


def _checked(body: TenantLimitsDocument | InstallLimitsDocument, kind: type[Document]) -> Document:
    try:
        return convert(body.model_dump(exclude_unset=True), kind)
    except ShapeError as error:
        raise PlatformError("invalid_request", f"The limits are not valid {error}.") from None


def _set(setter: permissions.LimitsSetter, owner: Owner, document: TenantLimits | InstallLimits) -> Response[Any]:
    registry, who = services(router), actor(router, principal(router))
    with registry.database.tenant(owner.tenant_id) as tx:
        if owner.install_id is not None:
            installs.load_install(tx, owner.tenant_id, owner.install_id)
        stored = documents.lock(tx, owner, who)
        check_match(header(router, "if-match"), revision_tag(stored.revision))
        documents.replace(tx, owner, stored, setter.party, document, registry.default_limits, who)
        return _answer(tx, owner)


def _answer(tx: Tx, owner: Owner) -> Response[Any]:
    registry = services(router)
    stored = documents.load(tx, owner)
    now = registry.now()
    day, month = f"{now:%Y-%m-%d}", f"{now:%Y-%m}"
    members = {
        "tenant_id": owner.tenant_id,
        "set_by_platform": stored.by_platform,
        "set_by_tenant": stored.by_tenant,
        "effective": _effective(owner, stored),
        "usage": usage_out(usage.load_totals(tx, owner, day, month), day, month, usage.load_stored_bytes(tx, owner)),
        "revision": stored.revision,
        "changed_at": stored.changed_at,
        "changed_by": stored.changed_by,
    }
    out = (
        TenantLimitsOut.model_validate(members)
        if owner.install_id is None
        else InstallLimitsOut.model_validate({**members, "install_id": owner.install_id})
    )
    return reply(created(out, 200), {"etag": revision_tag(stored.revision)})


def _effective(owner: Owner, stored: Stored) -> Any:
    found = documents.result(owner, stored, services(router).default_limits)
    if owner.install_id is None:
        limits: Any = TenantLimits(user=found.user, users=found.users, tenant=found.tenant, quotas=found.tenant_quotas)
    else:
        limits = InstallLimits(rate=found.install, quotas=found.install_quotas, kept_log_bytes=found.kept_log_bytes)
    return msgspec.to_builtins(limits)
