"""Resolving one install and listing pages, at a thousand and at a million installs.

``python -m tests.bench.installs [--installs 1000000]`` fills two fresh databases through the superuser (installs spread
over a tenth as many tenants and a hundredth as many extensions), then measures as the functions' own roles, under
row-level security. Times "at the database" are the server's own (EXPLAIN ANALYZE, planning and execution).
"""

import argparse
import json
import random
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from alga_ext.database import Database, Tx
from functions.gateway import resolution
from functions.registry import installs, transparency, versions
from functions.registry.audit import Actor
from functions.registry.migrate import migrate
from tests.support.servers import Loop, start_postgres
from tools.local.postgres import database_url, make_database

PASSWORD = "for-benchmarks"
ROLES = ("fn_gateway", "fn_registry", "fn_runner")
ROUNDS = 400

FILL = """
insert into app.publisher (publisher, display_name, created_by) values ('acme', 'Acme', 'bench');
insert into app.extension_registry (extension_id, name, publisher, created_by)
  select md5('e' || n)::uuid, 'com.acme.n' || n, 'acme', 'bench' from generate_series(1, {extensions}) n;
insert into app.extension_bundle (content_hash, size_bytes, signing_key_id)
  select 'sha256:' || encode(sha256(('b' || n)::bytea), 'hex'), 1000, 'key' from generate_series(1, {extensions}) n;
insert into app.extension_version (version_id, extension_id, version, content_hash, state, manifest, published_by)
  select md5('v' || n)::uuid, md5('e' || n)::uuid, '1.0.0', 'sha256:' || encode(sha256(('b' || n)::bytea), 'hex'),
         'ready',
         '{{"publisher": "acme", "api": {{"endpoints": [{{"method": "GET", "path": "/notes"}}]}}, "limits": {{}}}}',
         'bench'
  from generate_series(1, {extensions}) n;
alter table app.tenant_extension_install no force row level security;
insert into app.tenant_extension_install
  (tenant_id, install_id, extension_id, version_id, content_hash, publisher, publisher_key_id, granted_capabilities,
   grant_hash, config, installed_by)
  select 'tenant-' || (n % {tenants}), md5('i' || n)::uuid, md5('e' || x)::uuid, md5('v' || x)::uuid,
         'sha256:' || encode(sha256(('b' || x)::bytea), 'hex'), 'acme', 'key',
         array['cap:context.read', 'cap:storage.kv'],
         'hash', '{{}}', 'bench'
  from (select n, 1 + (n / {tenants} + n * 7) % {extensions} as x from generate_series(0, {installs} - 1) n) spread
  on conflict do nothing;
alter table app.tenant_extension_install force row level security;
analyze
"""


class Scale(NamedTuple):
    """One filled database and what was measured in it, in milliseconds."""

    installs: int
    fill_s: float
    at_database_p50: float
    at_database_p99: float
    round_trip_p50: float
    first_page_p50: float
    last_page_p50: float
    versions_page_p50: float
    plan: str


def measure(server_url: str, count: int) -> Scale:
    """Fill a database with ``count`` installs and measure in it."""
    owner = make_database(server_url, f"bench_{uuid.uuid4().hex[:8]}")
    database = Database(owner, 1_200_000)
    migrate(database, Path("migrations"), dict.fromkeys(ROLES, PASSWORD))
    extensions, tenants = max(count // 100, 10), max(count // 10, 10)
    started = time.perf_counter()
    with database.system() as tx:
        tx.script(FILL.format(installs=count, tenants=tenants, extensions=extensions))
        found = tx.row("select count(*) as installs from app.tenant_extension_install")
    fill_s = time.perf_counter() - started
    database.close()
    gateway = Database(database_url(owner, role="fn_gateway", password=PASSWORD))
    registry = Database(database_url(owner, role="fn_registry", password=PASSWORD))
    pick = random.Random(7)
    places = [pick.randrange(count) for _ in range(ROUNDS)]
    tenant_of = {place: f"tenant-{place % tenants}" for place in places}
    install_of = {place: str(uuid.UUID(_md5(f"i{place}"))) for place in places}
    at_database = [
        _explained(
            gateway, tenant_of[place], resolution._BY_ID, {"tenant_id": tenant_of[place], "id": install_of[place]}
        )
        for place in places
    ]
    round_trips = []
    resolver = resolution.Installs(gateway, 0.0)
    for place in places:
        begun = time.perf_counter()
        resolver.find(tenant_of[place], install_of[place], 0.0)
        round_trips.append((time.perf_counter() - begun) * 1000)
    first, last = _pages(registry, tenant_of[places[0]])
    scale = Scale(
        found["installs"] if found else 0,
        fill_s,
        statistics.median(at_database),
        sorted(at_database)[int(len(at_database) * 0.99)],
        statistics.median(round_trips),
        first,
        last,
        _versions_page(registry),
        _plan(gateway, tenant_of[places[0]], install_of[places[0]]),
    )
    gateway.close()
    registry.close()
    return scale


def _explained(database: Database, tenant_id: str, sql: str, params: dict[str, Any]) -> float:
    with database.tenant(tenant_id) as tx:
        row = tx.row(f"explain (analyze, format json) {sql}", **params)
    document = next(iter((row or {}).values()))
    document = json.loads(document) if isinstance(document, str) else document
    return float(document[0]["Planning Time"]) + float(document[0]["Execution Time"])


def _plan(database: Database, tenant_id: str, install_id: str) -> str:
    with database.tenant(tenant_id) as tx:
        lines = tx.rows(f"explain (analyze, costs off) {resolution._BY_ID}", tenant_id=tenant_id, id=install_id)
    return "\n".join(next(iter(line.values())) for line in lines)


def _pages(database: Database, tenant_id: str) -> tuple[float, float]:
    """Median time of the first and of the last page of a tenant's installs."""
    with database.tenant(tenant_id) as tx:
        everything = installs.list_installs(tx, tenant_id, "00000000-0000-0000-0000-000000000000", 100)
        near_end = str(everything[-2]["install_id"]) if len(everything) > 1 else "00000000-0000-0000-0000-000000000000"
        return (
            _timed(lambda: installs.list_installs(tx, tenant_id, "00000000-0000-0000-0000-000000000000", 25)),
            _timed(lambda: installs.list_installs(tx, tenant_id, near_end, 25)),
        )


def _versions_page(database: Database) -> float:
    """Median time of a page of the catalogue from its middle."""
    with database.system() as tx:
        return _timed(lambda: versions.list_extensions(tx, "com.acme.n5", 25))


def _timed(work: Any) -> float:
    times = []
    for _ in range(50):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def log_append(server_url: str) -> float:
    """Median milliseconds of an append to the transparency log, the whole transaction."""
    from datetime import UTC, datetime

    owner = make_database(server_url, f"bench_{uuid.uuid4().hex[:8]}")
    database = Database(owner, 60_000)
    migrate(database, Path("migrations"), dict.fromkeys(ROLES, PASSWORD))
    database.close()
    registry = Database(database_url(owner, role="fn_registry", password=PASSWORD))

    def append() -> None:
        with registry.system() as tx:
            _append(tx)

    def _append(tx: Tx) -> None:
        transparency.append(
            tx, transparency.Entry("bench", "acme", {"n": 1}), Actor("bench", "bench"), datetime.now(UTC)
        )

    median = _timed(append)
    registry.close()
    return median


def _md5(text: str) -> str:
    import hashlib

    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def main() -> None:
    """Measure both scales and print them side by side."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--installs", type=int, default=1_000_000)
    wanted = parser.parse_args().installs
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        server = start_postgres(loop, Path(folder))
        try:
            small, large = measure(server.url, 1_000), measure(server.url, wanted)
            appended = log_append(server.url)
        finally:
            loop.run(server.stop())
            loop.close()
    print(f"{'':34}{small.installs:>14,}{large.installs:>14,}{'ratio':>8}")
    for label, name in (
        ("resolve, at the database p50 ms", "at_database_p50"),
        ("resolve, at the database p99 ms", "at_database_p99"),
        ("resolve, whole transaction p50 ms", "round_trip_p50"),
        ("first page of installs p50 ms", "first_page_p50"),
        ("last page of installs p50 ms", "last_page_p50"),
        ("page of the catalogue p50 ms", "versions_page_p50"),
        ("fill s", "fill_s"),
    ):
        a, b = getattr(small, name), getattr(large, name)
        print(f"{label:34}{a:>14.3f}{b:>14.3f}{b / a:>8.2f}")
    print(f"append to the transparency log, whole transaction p50 ms: {appended:.3f}\n")
    for scale in (small, large):
        print(f"plan at {scale.installs:,} installs:\n{scale.plan}\n")


if __name__ == "__main__":
    main()
