"""What it costs the sweeper to find the tenants in which something is due, beside many in which nothing is.

``python -m tests.bench.sweeping`` fills a fresh database with 100,000 tenants, each with an install, an entry that
expires later, and a record of a call. Then it asks which tenants have something due, when none has, and when a hundred
have. Status 1 when the first takes longer than ``IDLE_MS`` at p50.
"""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from alga_ext.stores.database import Database
from tests.bench.filling import Filled, Size
from tests.bench.measure import in_turns
from tests.support.servers import Loop, start_postgres

TENANTS: Final = 100_000
IDLE_MS: Final = 200.0
ROUNDS: Final = 15

_FILL: Final = """
alter table app.extension_storage_entry disable trigger all;
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value, expires_at)
  select tenant_id, install_id, 'n', 'k', 'v', now() + interval '1 day' from app.tenant_extension_install;
alter table app.extension_storage_entry enable trigger all;
set local role app_owner;
select app.create_day((now() at time zone 'UTC')::date);
reset role;
insert into app.extension_execution_log (tenant_id, day, execution_id, install_id, extension_id, version_id,
  content_hash, request_id, trace_id, method, path, principal, state, outcome, accepted_at, finished_at, status)
  select tenant_id, (now() at time zone 'UTC')::date, uuidv7(), install_id, extension_id, version_id, 'h', 'r', 't',
         'GET', '/', 'p', 'finished', 'ok', now() - interval '1 hour', now(), 200
  from app.tenant_extension_install;
analyze
"""
_DUE: Final = """
update app.extension_storage_entry set expires_at = now()
where tenant_id in (select tenant_id from app.tenant_extension_install order by tenant_id limit 100)
"""
_ASK: Final = "select tenant_id from app.tenants_with_due(:now, :before, 5000) as t(tenant_id)"


def due(database: Database) -> int:
    """Return in how many tenants something is due, asked as the sweeper asks."""
    now = datetime.now(UTC)
    with database.system() as tx:
        return len(tx.rows(_ASK, now=now, before=now - timedelta(days=7)))


def main() -> int:
    """Measure and print; return 1 when the bound is missed, else 0."""
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(loop, Path(folder))
        try:
            filled = Filled(server.url, Size(TENANTS, TENANTS, 1_000, 1_000, 10, 1_000, 10))
            with filled.owner.system() as tx:
                tx.script(_FILL)
            counts = [due(filled.registry)]
            (idle,) = in_turns([lambda: due(filled.registry)], ROUNDS)
            with filled.owner.system() as tx:
                tx.script(_DUE)
            counts.append(due(filled.registry))
            (busy,) = in_turns([lambda: due(filled.registry)], ROUNDS)
            filled.close()
        finally:
            loop.run(server.stop())
            loop.close()
    for count, timing in zip(counts, (idle, busy), strict=True):
        print(f"{count} of {TENANTS} tenants due: {timing.p50_ms} ms at p50, {timing.p99_ms} ms at p99")
    return int(idle.p50_ms > IDLE_MS)


if __name__ == "__main__":
    sys.exit(main())
