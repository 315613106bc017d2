"""A database filled for a benchmark: installs spread evenly, and one of everything that is large.

Filled through the superuser, past the functions' own statements, because a million of those would take hours. Ids are
made of numbers, so that whoever measures knows them.
"""

import hashlib
import time
import uuid
from pathlib import Path
from typing import Final, NamedTuple

from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import migrate
from tools.local.postgres import database_url, make_database

PASSWORD: Final = "for-benchmarks"
ROLES: Final = ("fn_gateway", "fn_registry", "fn_runner")
LARGE_TENANT: Final = "tenant-large"
_FILL_TIMEOUT_MS: Final = 1_800_000
_MEASURE_TIMEOUT_MS: Final = 60_000

# A tenant's installs are of extensions 997 apart, which are all different: none is dropped.
_FILL: Final = """
insert into app.publisher (publisher, display_name, created_by) values ('acme', 'Acme', 'bench');
insert into app.extension_registry (extension_id, name, publisher, created_by)
  select md5('e' || n)::uuid, 'com.acme.n' || n, 'acme', 'bench' from generate_series(0, {extensions} - 1) n;
create temporary table release as
  select 'v' || n as id, n as extension, '1.0.0' as version, now() as at from generate_series(0, {extensions} - 1) n
  union all
  select 'w' || n, 0, '2.0.' || n, now() + n * interval '1 second' from generate_series(1, {versions}) n;
insert into app.extension_bundle (content_hash, size_bytes, signing_key_id)
  select 'sha256:' || encode(sha256(id::bytea), 'hex'), 1000, 'key' from release;
insert into app.extension_version
  (version_id, extension_id, version, content_hash, state, manifest, published_by, published_at)
  select md5(id)::uuid, md5('e' || extension)::uuid, version, 'sha256:' || encode(sha256(id::bytea), 'hex'), 'ready',
         '{{"publisher": "acme", "api": {{"endpoints": [{{"method": "GET", "path": "/notes"}}]}}, "limits": {{}}}}',
         'bench', at
  from release;
insert into app.tenant_extension_install
  (tenant_id, install_id, extension_id, version_id, content_hash, publisher, publisher_key_id, granted_capabilities,
   grant_hash, config, installed_by)
  select tenant, md5(install)::uuid, md5('e' || x)::uuid, md5('v' || x)::uuid,
         'sha256:' || encode(sha256(('v' || x)::bytea), 'hex'), 'acme', 'key',
         array['cap:context.read', 'cap:storage.kv'], 'hash', '{{}}', 'bench'
  from (select 'tenant-' || (n % {tenants}) as tenant, 'i' || n as install,
               (n % {tenants} * 7 + n / {tenants} * 997) % {extensions} as x
        from generate_series(0, {installs} - 1) n
        union all
        select '{large_tenant}', 'l' || n, n from generate_series(0, {large_tenants_installs} - 1) n) spread;
insert into app.audit_event (tenant_id, actor, action, subject, request_id)
  select case when n % 2 = 0 then '{large_tenant}' else 'tenant-' || (n % {tenants}) end, 'a', 'install.config',
         md5('l' || n), 'r'
  from generate_series(1, {audit_rows}) n;
insert into app.transparency_leaf (leaf_index, entry, leaf_hash, kind, publisher, extension_id, at)
  select n, '{{"kind":"version.published","n":' || n || '}}', sha256(('n' || n)::bytea), 'version.published', 'acme',
         md5('e' || n % {extensions})::uuid, now() + interval '1 day'
  from generate_series(0, {leaves} - 1) n;
update app.transparency_size set tree_size = {leaves};
analyze
"""


class Size(NamedTuple):
    """How much of everything a database holds."""

    installs: int
    tenants: int
    extensions: int
    large_tenants_installs: int
    versions: int
    """Of extension 0, beside its first."""
    audit_rows: int
    leaves: int

    @classmethod
    def of(cls, installs: int) -> "Size":
        """Return the size that goes with a number of installs: ten a tenant, a hundred an extension."""
        extensions = max(installs // 100, 10)
        return cls(
            installs=installs,
            tenants=max(installs // 10, 10),
            extensions=extensions,
            large_tenants_installs=min(extensions, 10_000),
            versions=min(installs, 10_000),
            audit_rows=min(installs * 2, 400_000),
            leaves=min(installs * 2, 200_000),
        )


class Filled:
    """A filled database, reached as the functions' own roles, under row-level security. Close it."""

    def __init__(self, server_url: str, size: Size) -> None:
        self.size = size
        self.owner_url = make_database(server_url, f"bench_{uuid.uuid4().hex[:8]}")
        self.owner = Database(self.owner_url, _FILL_TIMEOUT_MS)
        migrate(self.owner, Path("migrations"), dict.fromkeys(ROLES, PASSWORD))
        started = time.perf_counter()
        with self.owner.system() as tx:
            tx.script(_FILL.format(large_tenant=LARGE_TENANT, **size._asdict()))
            found = tx.row("select count(*) as n from app.tenant_extension_install")
        self.fill_s = time.perf_counter() - started
        if found is None or found["n"] != size.installs + size.large_tenants_installs:
            message = f"{found} installs were made of {size}"
            raise AssertionError(message)
        self.gateway, self.registry = (
            # Longer than the functions wait: what is too slow for them is measured and not cut off.
            Database(database_url(self.owner_url, role=role, password=PASSWORD), _MEASURE_TIMEOUT_MS)
            for role in ("fn_gateway", "fn_registry")
        )

    def close(self) -> None:
        """Close the connections; the database goes with its server."""
        for database in (self.owner, self.gateway, self.registry):
            database.close()

    def tenant_of(self, install: int) -> str:
        """Return the tenant of a numbered install."""
        return f"tenant-{install % self.size.tenants}"

    def extension_of(self, install: int) -> int:
        """Return the number of the extension of a numbered install."""
        tenants = self.size.tenants
        return (install % tenants * 7 + install // tenants * 997) % self.size.extensions


def id_of(kind: str, number: int) -> str:
    """Return the id of a numbered thing: ``i`` an install, ``l`` one of the large tenant, ``e`` an extension."""
    return str(uuid.UUID(hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()))
