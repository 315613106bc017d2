"""Find the tenant's install that a request names, and cache it for a short time."""

import re
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from alga_ext.calls.install_config import with_defaults
from alga_ext.calls.limits import METRICS, PRODUCT, TENANT_AS_INSTALL, Limits, effective, stored_limits
from alga_ext.calls.secret_ages import expires_at, max_ages
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores.database import Database, Row
from functions.gateway.install import Install
from functions.gateway.quotas import Usage, day_and_month

# Version and extension are read by scalar subqueries: a join would double the planning time, which is most of the time
# of this query. A withdrawn version no longer runs, even while its install is enabled; its subquery then returns null.
# Disabling an install leaves its state as it is and adds a row, see ADR 0023.
_ACTIVE: Final = """
select i.install_id, i.extension_id, i.version_id, i.content_hash, i.granted_capabilities, i.granted_egress,
       i.granted_secrets, i.granted_secret_headers, i.granted_limits, i.grant_hash, i.config,
       (select jsonb_build_object('state', v.state, 'endpoints', v.manifest -> 'api' -> 'endpoints',
                                  'limits', v.manifest -> 'limits', 'headers', v.manifest -> 'api' -> 'headers',
                                  'client_portal', v.manifest #> '{ui,hooks,clientPortalMenu}' is not null,
                                  'metrics', v.manifest -> 'metrics', 'config', v.manifest -> 'config',
                                  'secrets', v.manifest -> 'secrets')
        from app.extension_version v
        where v.version_id = i.version_id and v.state in ('ready', 'yanked')) as declared,
       (select jsonb_object_agg(l.install_id, jsonb_build_array(l.by_platform, l.by_tenant))
        from app.extension_limit l
        where l.tenant_id = i.tenant_id and l.install_id in (i.install_id, :nobody)) as limits,
       (select jsonb_agg(jsonb_build_array(u.install_id, u.period, u.calls, u.cpu_ms, u.egress_bytes, u.log_bytes))
        from app.extension_quota_usage u
        where u.tenant_id = i.tenant_id and u.install_id in (i.install_id, :nobody)
          and u.period in (:day, :month)) as usage
from app.tenant_extension_install i
where i.tenant_id = :tenant_id and i.state = 'enabled'
  and (select d.disabling_id from app.extension_install_disabling d
       where d.tenant_id = i.tenant_id and d.install_id = i.install_id limit 1) is null
"""
_BY_ID: Final = f"""
{_ACTIVE}
  and (i.install_id = cast(:id as uuid) or i.extension_id = cast(:id as uuid))
"""
_BY_NAME: Final = f"""
{_ACTIVE}
  and (i.extension_id = (select e.extension_id from app.extension_registry e where e.name = :bare_name)
       or (i.extension_id = (select e.extension_id from app.extension_registry e where e.name = :name)
           and (i.publisher = :publisher
                or :publisher = (select e.publisher from app.extension_registry e where e.name = :name))))
"""  # noqa: S608 - constants only
_SECRETS: Final = """
select distinct on (name) name, translate(encode(sealed, 'base64'), E'\\n', '') as sealed_b64,
       secret_version as version, created_at, expires_at
from app.extension_install_secret
where tenant_id = :tenant_id and install_id = :install_id and name = any(:names)
order by name, secret_version desc
"""

_PUBLISHER_AND_NAME: Final = re.compile(r"[a-z0-9-]{1,63}\.[a-z0-9.-]{1,255}\Z")


class Installs:
    """Resolved installs, each cached for ``lifetime_s`` seconds. A missing install is not cached.

    The tenant is part of every cache key, so no tenant gets rows of another tenant.
    """

    def __init__(
        self, database: Database, lifetime_s: float, defaults: Limits = PRODUCT, capacity: int = 1_000
    ) -> None:
        self._database = database
        self._defaults = defaults
        self._lifetime_s = lifetime_s
        self._capacity = capacity
        self._known: dict[tuple[str, str], tuple[float, Install]] = {}
        self._lock = threading.Lock()  # the dispatcher's deliveries run in threads

    def find(
        self, tenant_id: str, reference: str, now_s: float, now: datetime, version_id: str | None = None
    ) -> Install | None:
        """Return the tenant's active install that a reference names, or None.

        Args:
            tenant_id: the tenant of the caller's token.
            reference: extension id, install id, ``publisher.name`` or the bare name, as the caller wrote it.
            now_s: the present time of a monotonic clock, in seconds.
            now: the present instant, for the day and the month whose totals are read.
            version_id: the version that the install has, if it was just read: what is cached of another is read anew.

        Raises:
            PlatformError: ``ambiguous_extension`` when two installs match: one by ``publisher.name``, the other by
                its bare name; ``config_invalid`` when the schema's defaults for its configuration are too many;
                ``policy_unavailable`` when its stored limits do not fit; ``database_unavailable``.
        """
        key = (tenant_id, reference)
        with self._lock:
            cached = self._known.get(key)
            if cached is not None and now_s < cached[0] and version_id in (None, cached[1].version_id):
                return cached[1]
            self._known.pop(key, None)
            install = self._load(tenant_id, reference, now)
            if install is not None:
                while len(self._known) >= self._capacity:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = (now_s + self._lifetime_s, install)
            return install

    def _load(self, tenant_id: str, reference: str, now: datetime) -> Install | None:
        publisher, _, name = reference.partition(".")
        if not is_uuid(reference) and not _PUBLISHER_AND_NAME.match(reference):
            return None
        day, month = day_and_month(now)
        given = {"tenant_id": tenant_id, "nobody": TENANT_AS_INSTALL, "day": day, "month": month}
        with self._database.tenant(tenant_id) as tx:
            if is_uuid(reference):
                rows = tx.rows(_BY_ID, id=reference, **given)
            else:
                rows = tx.rows(_BY_NAME, publisher=publisher, name=name, bare_name=reference, **given)
            if len(rows) > 1:
                raise PlatformError(
                    "ambiguous_extension",
                    f"{reference!r} names {len(rows)} installs of this tenant; call one by its install id.",
                )
            if not rows or rows[0]["declared"] is None:
                return None
            row = rows[0]
            granted = list(row["granted_secrets"])
            # A separate query, run only when secrets are granted: in the query above it would double the planning time.
            sealed = (
                tx.rows(_SECRETS, tenant_id=tenant_id, install_id=row["install_id"], names=granted) if granted else []
            )
        limits = {**(row["declared"]["limits"] or {}), **row["granted_limits"]}
        install_id, documents = str(row["install_id"]), row["limits"] or {}
        set_limits = stored_limits(documents.get(TENANT_AS_INSTALL), documents.get(install_id))
        return Install(
            install_id=install_id,
            extension_id=str(row["extension_id"]),
            version_id=str(row["version_id"]),
            content_hash=row["content_hash"],
            version_state=row["declared"]["state"],
            capabilities=row["granted_capabilities"],
            egress=row["granted_egress"],
            secrets=row["granted_secrets"],
            secret_headers=row["granted_secret_headers"],
            sealed_secrets=_sealed_secrets(sealed, max_ages(row["declared"]["secrets"] or [])),
            grant_hash=row["grant_hash"],
            config=with_defaults(row["declared"]["config"], row["config"]),
            endpoints=row["declared"]["endpoints"] or [],
            api_headers=row["declared"]["headers"] or [],
            client_portal=row["declared"]["client_portal"],
            metrics=row["declared"]["metrics"] or [],
            timeout_ms=limits.get("timeout_ms"),
            memory_mb=limits.get("memory_mb"),
            limits=effective(self._defaults, *set_limits),
            usage=_usage(row["usage"] or [], install_id),
        )


def _usage(rows: list[list[Any]], install_id: str) -> Usage:
    """Return totals as the quotas are checked with: rows of install id, period and one total for each metric."""
    totals: dict[str, dict[str, dict[str, float]]] = {install_id: {}, TENANT_AS_INSTALL: {}}
    for owner, period, *counts in rows:
        totals[owner][period] = dict(zip(METRICS, counts, strict=True))
    return Usage(install=totals[install_id], tenant=totals[TENANT_AS_INSTALL])


def _sealed_secrets(rows: Iterable[Row], max_age_days: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return secrets as the envelope has them."""
    found = []
    for row in rows:
        expires = expires_at(row["created_at"], row["expires_at"], max_age_days.get(row["name"]))
        sent = {name: row[name] for name in ("name", "sealed_b64", "version")}
        found.append({**sent, "expires_at_s": None if expires is None else int(expires.timestamp())})
    return found
