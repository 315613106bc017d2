"""Routes with which a platform admin looks after the platform's keys, and ticks by hand."""

from typing import Final

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from functions.registry.api import permissions
from functions.registry.api.exchange import actor, principal, services
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import PageSize, PlatformKeyOut, PlatformKeysOut, RewrapOut, TickOut
from functions.registry.installing.secret_rewrapping import Position, rewrap_page
from functions.registry.records import platform_keys
from functions.registry.scheduling.services import TickerServices
from functions.registry.whole_tick import run_tick

router = APIGatewayHttpRouter()

TICK_S: Final = 5.0
TICK_TENANTS: Final = 20
"""Bounds of a tick within a request, which has 29 s. What is left over is for the ticker's own next run."""

_FIRST = tuple(map(str, Position()))


@router.get("/maintenance/keys")
def list_platform_keys() -> PlatformKeysOut:
    """List the root keys and the platform's keys of the trust bundle, with their ages (platform admins)."""
    permissions.require_platform_admin(principal(router))
    registry = services(router)
    now = registry.now()
    keys = [
        PlatformKeyOut(**key._asdict(), age_days=key.age_days(now), overdue=key.is_overdue(now))
        for key in platform_keys.list_keys(registry, now)
    ]
    signed = platform_keys.signed_trust(registry)
    return PlatformKeysOut(
        trust_bundle_version=signed.version if signed is not None else None,
        trust_bundle_expires_at=signed.expires_at if signed is not None else None,
        keys=keys,
        warnings=platform_keys.warnings(registry, now),
    )


@router.post("/maintenance/secrets")
def rewrap_secrets(cursor: str | None = None, page_size: PageSize = 100) -> RewrapOut:
    """Encrypt the data keys of a page of tenants' secrets with the first key of SECRETS_KEY_ID (platform admins).

    A secret that has this key already is left as it is. The secrets themselves are not decrypted.
    """
    registry = services(router)
    caller = principal(router)
    permissions.require_platform_admin(caller)
    keys = registry.require_data_keys()
    done = rewrap_page(registry.database, keys, actor(router, caller), _position(cursor), page_size)
    next_cursor = encode_cursor(*done.end) if done.end is not None else None
    return RewrapOut(checked=done.checked, rewrapped=done.rewrapped, next_cursor=next_cursor)


@router.post("/maintenance/tick")
def tick() -> TickOut:
    """Do now what the ticker does each minute (platform admins).

    It fires due schedules, in batches of 500 of which none begins after 5 s, and sends lost messages of up to 20
    tenants again. Schedules that are not due do not run.
    """
    registry = services(router)
    permissions.require_platform_admin(principal(router))
    ticker = TickerServices(
        registry.database, registry.events_queue, registry.deliveries_queue, registry.now, registry.monotonic_s
    )
    return TickOut(**run_tick(ticker, TICK_S, TICK_TENANTS))


def _position(cursor: str | None) -> Position:
    tenant_id, install_id, name, version = decode_cursor(cursor, _FIRST)
    is_number = version.isascii() and version.isdigit() and len(version) < 10
    if not is_number or not is_uuid(install_id):
        raise PlatformError("invalid_request", "The cursor is not valid; send a next_cursor of this list unchanged.")
    return Position(tenant_id, install_id, name, int(version))
