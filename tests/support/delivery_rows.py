"""Installs of a tenant with deliveries that wait, in numbers; written as the superuser."""

import uuid

from alga_ext.stores.database import Database

_INSTALLS = """
with fresh as (select gen_random_uuid() as id, place from generate_series(1, {count}) as place),
  published as (insert into app.publisher (publisher, display_name, created_by) values ('acme', 'Acme', 't')
                on conflict do nothing),
  bundles as (insert into app.extension_bundle (content_hash, size_bytes, signing_key_id)
              select 'sha256:' || repeat(replace(id::text, '-', ''), 2), 1, 'k' from fresh),
  extensions as (insert into app.extension_registry (extension_id, name, publisher, created_by)
                 select id, 'com.acme.n' || id, 'acme', 't' from fresh returning extension_id),
  versions as (insert into app.extension_version
                 (version_id, extension_id, version, content_hash, state, manifest, published_by)
               select id, id, '1.0.0', 'sha256:' || repeat(replace(id::text, '-', ''), 2), 'ready',
                      '{{"publisher": "acme"}}', 't' from fresh)
insert into app.tenant_extension_install
  (tenant_id, install_id, extension_id, version_id, content_hash, publisher, publisher_key_id, grant_hash, installed_by)
select '{tenant}', id, id, id, 'sha256:' || repeat(replace(id::text, '-', ''), 2), 'acme', 'k', 'g', 't'
from fresh order by place
returning install_id
"""
_BACKLOG = """
insert into app.extension_delivery
  (tenant_id, delivery_id, install_id, trigger, subject, schedule_id, due_at, method, path, created_at, recheck_at)
select :tenant_id, gen_random_uuid(), cast(:install_id as uuid), 'schedule', 's', gen_random_uuid(), now(), 'POST',
       '/run', clock_timestamp() + place * interval '1 microsecond', null
from generate_series(1, :count) as place
returning delivery_id, created_at
"""


def installs(owner: Database, tenant_id: str, count: int) -> list[str]:
    """Install extensions of their own for a tenant, and return the installs' ids."""
    with owner.tenant(tenant_id) as tx:
        tx.execute("set constraints all deferred")
        return [str(row["install_id"]) for row in tx.rows(_INSTALLS.format(count=int(count), tenant=tenant_id))]


def backlog(owner: Database, tenant_id: str, install_id: str, count: int) -> list[str]:
    """Store deliveries of an install that wait, and return their ids, the oldest first."""
    with owner.tenant(tenant_id) as tx:
        rows = tx.rows(_BACKLOG, tenant_id=tenant_id, install_id=install_id, count=count)
    return [str(row["delivery_id"]) for row in sorted(rows, key=lambda row: (row["created_at"], row["delivery_id"]))]


def new_tenant() -> str:
    """Return the id of a tenant that has nothing yet."""
    return f"t-{uuid.uuid4().hex[:12]}"
