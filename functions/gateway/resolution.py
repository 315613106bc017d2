"""Finding the tenant's install that a request names, and remembering it for a moment."""

from typing import Final

from alga_ext.database import Database
from alga_ext.ids import is_uuid
from functions.gateway.install import Install

_COLUMNS: Final = """
select i.install_id, i.extension_id, i.version_id, i.content_hash, i.granted_capabilities, i.granted_egress,
       i.granted_secrets, i.granted_limits, i.grant_hash, i.config,
       v.manifest -> 'api' -> 'endpoints' as endpoints, v.manifest -> 'limits' as requested_limits,
       case when i.granted_secrets = '{}' then '[]'::jsonb else (
         select coalesce(jsonb_agg(jsonb_build_object(
                  'name', s.name, 'sealed_b64', translate(encode(s.sealed, 'base64'), E'\n', ''),
                  'version', s.secret_version, 'expires_at_s', floor(extract(epoch from s.expires_at)))), '[]')
         from (select distinct on (name) name, sealed, secret_version, expires_at
               from app.extension_install_secret
               where tenant_id = i.tenant_id and install_id = i.install_id and i.granted_secrets ? name
               order by name, secret_version desc) s) end as sealed_secrets
from app.tenant_extension_install i
join app.extension_version v on v.version_id = i.version_id
"""
# A version that was withdrawn no longer runs, whatever the install says.
_ACTIVE: Final = "and i.state = 'enabled' and v.state in ('ready', 'yanked') order by i.installed_at desc limit 1"
_BY_ID: Final = f"""
{_COLUMNS}
where i.tenant_id = :tenant_id and (i.install_id = cast(:id as uuid) or i.extension_id = cast(:id as uuid)) {_ACTIVE}
"""
_BY_NAME: Final = f"""
{_COLUMNS}
join app.extension_registry e on e.extension_id = i.extension_id
where i.tenant_id = :tenant_id and :publisher in (i.publisher, e.publisher) and e.name = :name {_ACTIVE}
"""


class Installs:
    """Resolved installs, each believed for ``lifetime_s``; absence is not remembered.

    Not one tenant's rows reach another: the tenant is part of every key.
    """

    def __init__(self, database: Database, lifetime_s: float, capacity: int = 1_000) -> None:
        self._database = database
        self._lifetime_s = lifetime_s
        self._capacity = capacity
        self._known: dict[tuple[str, str], tuple[float, Install]] = {}

    def find(self, tenant_id: str, reference: str, now_s: float) -> Install | None:
        """Return the tenant's active install named by extension id, install id or ``publisher.name``.

        Args:
            tenant_id: from the caller's token.
            reference: as the caller wrote it.
            now_s: a monotonic clock.

        Raises:
            PlatformError: ``database_unavailable``.
        """
        key = (tenant_id, reference)
        cached = self._known.get(key)
        if cached is not None and now_s < cached[0]:
            return cached[1]
        self._known.pop(key, None)
        install = self._load(tenant_id, reference)
        if install is not None:
            while len(self._known) >= self._capacity:
                self._known.pop(next(iter(self._known)))
            self._known[key] = (now_s + self._lifetime_s, install)
        return install

    def _load(self, tenant_id: str, reference: str) -> Install | None:
        publisher, _, name = reference.partition(".")
        with self._database.tenant(tenant_id) as tx:
            if is_uuid(reference):
                row = tx.row(_BY_ID, tenant_id=tenant_id, id=reference)
            else:
                row = tx.row(_BY_NAME, tenant_id=tenant_id, publisher=publisher, name=name)
        if row is None:
            return None
        limits = {**(row["requested_limits"] or {}), **row["granted_limits"]}
        return Install(
            install_id=str(row["install_id"]),
            extension_id=str(row["extension_id"]),
            version_id=str(row["version_id"]),
            content_hash=row["content_hash"],
            capabilities=row["granted_capabilities"],
            egress=row["granted_egress"],
            secrets=row["granted_secrets"],
            sealed_secrets=row["sealed_secrets"],
            grant_hash=row["grant_hash"],
            config=row["config"],
            endpoints=row["endpoints"] or [],
            timeout_ms=limits.get("timeout_ms"),
            memory_mb=limits.get("memory_mb"),
        )
