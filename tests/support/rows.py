"""Rows for tests that look at the database itself."""

from datetime import date

from alga_ext.stores.database import Database
from tests.conftest import Databases

HASH = "sha256:" + "a" * 64

FILL = """
insert into app.publisher (publisher, display_name, created_by) values ('acme', 'Acme', 't') on conflict do nothing;
insert into app.extension_registry (extension_id, name, publisher, created_by)
  values ('00000000-0000-0000-0000-0000000000e1', 'com.acme.x', 'acme', 't') on conflict do nothing;
insert into app.extension_bundle (content_hash, size_bytes, signing_key_id) values ('{hash}', 1, 'k')
  on conflict do nothing;
insert into app.extension_version (version_id, extension_id, version, content_hash, state, manifest, published_by)
  values ('00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-0000000000e1', '1.0.0', '{hash}', 'ready',
          '{{"publisher": "acme"}}', 't') on conflict do nothing;
insert into app.tenant_extension_install
  (tenant_id, install_id, extension_id, version_id, content_hash, publisher, publisher_key_id, grant_hash, installed_by)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-0000000000e1',
          '00000000-0000-0000-0000-0000000000b1', '{hash}', 'acme', 'k', 'g', 't');
insert into app.extension_install_secret (tenant_id, install_id, name, secret_version, sealed, created_by)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1', 's', 1, 'x', 't');
insert into app.extension_egress_trial (tenant_id, install_id, hosts, first_day, last_day, started_by)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1', '{{}}', '2026-01-01', '2026-01-02', 't');
insert into app.extension_install_disabling (tenant_id, install_id)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1');
insert into app.extension_install_request
  (tenant_id, install_id, from_version_id, to_version_id, difference, holds_code, created_by)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-0000000000b1',
          '00000000-0000-0000-0000-0000000000b1', '{{}}', false, 't');
insert into app.idempotency_record (tenant_id, principal, operation, key, body_sha256, status, response)
  values ('{tenant}', 'p', 'o', 'k', 'b', 201, '{{}}');
insert into app.call_idempotency (tenant_id, scope_sha256, request_sha256, execution_id, request_id, deadline_at)
  values ('{tenant}', sha256('s'), sha256('r'), gen_random_uuid(), 'r', now());
insert into app.extension_event_subscription (tenant_id, install_id, topic, handler)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1', 't', '/h');
insert into app.audit_event (tenant_id, actor, action, subject, request_id) values ('{tenant}', 'a', 'b', 'c', 'd');
set local role app_owner;
select app.create_day((now() at time zone 'UTC')::date);
reset role;
insert into app.extension_execution_log (tenant_id, day, execution_id, install_id, extension_id, version_id,
  content_hash, request_id, trace_id, method, path, principal, state, accepted_at)
  values ('{tenant}', (now() at time zone 'UTC')::date, uuidv7(), gen_random_uuid(), gen_random_uuid(),
          gen_random_uuid(), 'h', 'r', 't', 'GET', '/', 'p', 'accepted', now());
insert into app.extension_execution_lines (tenant_id, day, execution_id, lines, line_count, dropped, text_bytes)
  values ('{tenant}', (now() at time zone 'UTC')::date, gen_random_uuid(), 'l', 1, 0, 1);
insert into app.extension_log_day (tenant_id, install_id, day)
  values ('{tenant}', gen_random_uuid(), (now() at time zone 'UTC')::date);
insert into app.extension_egress_day
  (tenant_id, install_id, day, destination, requests, bytes_sent, bytes_received, refused)
  values ('{tenant}', gen_random_uuid(), (now() at time zone 'UTC')::date, 'a.example', 1, 1, 1, 1);
insert into app.extension_quota_usage (tenant_id, install_id, period)
  values ('{tenant}', gen_random_uuid(), '2026-01');
insert into app.extension_metric_total
  (tenant_id, install_id, day, name, unit, value_count, value_sum, value_min, value_max)
  values ('{tenant}', gen_random_uuid(), '2026-01-02', 'm', 'Count', 1, 1, 1, 1);
insert into app.extension_endpoint_total (tenant_id, install_id, method, path_template, day)
  values ('{tenant}', gen_random_uuid(), 'GET', '/', '2026-01-02');
insert into app.tenant_activity (tenant_id, active_at) values ('{tenant}', now());
insert into app.extension_limit (tenant_id, install_id, changed_by) values ('{tenant}', gen_random_uuid(), 't');
insert into app.extension_quota_event (tenant_id, install_id, period, metric, threshold, used, limited_to)
  values ('{tenant}', gen_random_uuid(), '2026-01', 'calls', '50', 1, 2);
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1', 'n', 'k', 'v');
insert into app.extension_schedule (tenant_id, install_id, endpoint_method, endpoint_path, cron)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1', 'POST', '/h', '* * * * *');
insert into app.extension_schedule_change (tenant_id, install_id)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1');
insert into app.tenant_erasure (tenant_id, state, requested_at, requested_by, settles_at, finished_at)
  values ('{tenant}', 'done', '2020-01-01', 't', '2020-01-01', '2020-01-01');
insert into app.tenant_export (tenant_id, state, requested_at, requested_by, expires_at, finished_at, manifest_sha256)
  values ('{tenant}', 'done', '2020-01-01', 't', '2020-01-08', '2020-01-01', repeat('a', 64));
insert into app.tenant_export_part (tenant_id, number, table_name, row_count, size_bytes, sha256)
  values ('{tenant}', 1, 't', 1, 1, repeat('a', 64));
insert into app.extension_schedule_request (tenant_id, install_id)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000a1');
insert into app.extension_event (tenant_id, event_key, topic, source, event_id, hops, origin, body)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000c1', 't', '/s', 'e', 0, 'api', '{{}}');
insert into app.extension_delivery
  (tenant_id, delivery_id, install_id, trigger, subject, event_key, method, path)
  values ('{tenant}', '00000000-0000-0000-0000-0000000000d1', '00000000-0000-0000-0000-0000000000a1', 'event', 't',
          '00000000-0000-0000-0000-0000000000c1', 'POST', '/h');
insert into app.call_rate
  (tenant_id, key, arrival_us, holders, held, held_until_us, taken, remaining, taken_at_us)
  values ('{tenant}', 'tenant', 0, '{{}}', '{{}}', '{{}}', 0, 0, 0);
"""


def fill_tenant(databases: Databases, tenant_id: str) -> None:
    """Give a tenant one row in every tenant table, written as the superuser."""
    database = Database(databases.owner)
    try:
        with database.tenant(tenant_id) as tx:
            tx.script(FILL.format(tenant=tenant_id, hash=HASH))
    finally:
        database.close()


def create_day(owner: Database, day: date) -> None:
    """Make a day's partitions, also of one that the recorder may not make any more. ``owner`` is the superuser."""
    with owner.system() as tx:
        tx.script("set local role app_owner")
        tx.execute("select app.create_day(:day)", day=day)
