"""The sweep of expired storage: what has expired goes, what lives stays, and the quota's counters stay exact."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from alga_ext.stores.database import Database
from functions.registry.tenant_sweeping import sweep_tenants
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.storage.storage import Storage
from tests.conftest import Databases
from tests.support.rows import fill_tenant
from tests.support.runner_fixture import EVERY_CAPABILITY, call

TENANTS: Final = ("acme", "globex")
INSTALL: Final = "00000000-0000-0000-0000-0000000000a1"
TTL_S: Final = 60
GRACE: Final = timedelta(days=7)
KEYS_LIMIT: Final = 5_120

_MANY: Final = """
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value, expires_at)
select :tenant, cast(:install as uuid), 'full', 'k' || n, 'v', now() + interval '60 s'
from generate_series(cast(:first as integer), cast(:last as integer)) as n
"""
_COUNTERS: Final = """
select tenant_id, namespace, key_count as keys, byte_count as bytes from app.extension_storage_usage
where key_count > 0 or byte_count > 0 order by tenant_id, namespace
"""
_TRUTH: Final = """
select tenant_id, namespace, count(*) as keys, sum(octet_length(value) + octet_length(key))::bigint as bytes
from app.extension_storage_entry group by tenant_id, namespace order by tenant_id, namespace
"""
_PLACES: Final = "select tenant_id, namespace, key from app.extension_storage_entry order by 1, 2, 3"


class Bench:
    """Two tenants' storage, as the runner writes it and as the registry sweeps it."""

    def __init__(self, databases: Databases) -> None:
        for tenant in TENANTS:
            fill_tenant(databases, tenant)
        self.databases = databases
        self.runner, self.registry = Database(databases.runner), Database(databases.registry)
        self._owner = Database(databases.owner)

    def close(self) -> None:
        for database in (self.runner, self.registry, self._owner):
            database.close()

    def storage(self, tenant: str = "acme", database: Database | None = None) -> Storage:
        request = call("sha256:" + "0" * 64, tenant_id=tenant, install_id=INSTALL)
        deadline_ns = time.monotonic_ns() + 600_000_000_000
        made = CallContext(request, frozenset(EVERY_CAPABILITY), deadline_ns, None, time.time)
        return Storage(database or self.runner, made)

    def put(self, key: str, ttl_s: int | None, tenant: str = "acme", value: bytes = b"value") -> None:
        assert self.storage(tenant).put_with(("n", key, value, ttl_s, ("always", None)))[0]

    def fill(self, count: int) -> None:
        for first in range(1, count + 1, 400):  # each insert keeps within the runner's statement timeout
            with self.runner.tenant("acme") as tx:
                tx.execute(_MANY, tenant="acme", install=INSTALL, first=first, last=min(count, first + 399))

    def sweep(self, after_s: float) -> int:
        """Sweep as if it were ``after_s`` from now; return how many entries went."""
        now = datetime.now(UTC) + timedelta(seconds=after_s)
        return sweep_tenants(self.registry, now, GRACE)["storage_entries_expired"]

    def rows(self, sql: str) -> list[Any]:
        """Read as the superuser, past row-level security."""
        with self._owner.system() as tx:
            return tx.rows(sql)

    def places(self) -> list[tuple[str, str]]:
        return [(row["tenant_id"], row["key"]) for row in self.rows(_PLACES)]


@pytest.fixture
def bench(databases: Databases) -> Iterator[Bench]:
    made = Bench(databases)
    yield made
    made.close()


def test_what_has_expired_is_deleted_and_what_lives_stays(bench: Bench) -> None:
    bench.put("short", TTL_S)
    bench.put("long", TTL_S * 10)
    bench.put("for-ever", None)

    assert bench.sweep(TTL_S + 1) == 1
    assert bench.places() == [("acme", "for-ever"), ("acme", "k"), ("acme", "long"), ("globex", "k")]


def test_nothing_is_deleted_before_its_time(bench: Bench) -> None:
    bench.put("short", TTL_S)

    assert bench.sweep(TTL_S - 5) == 0


def test_every_tenants_expired_entries_are_deleted(bench: Bench) -> None:
    for tenant in TENANTS:
        bench.put("short", TTL_S, tenant)

    assert bench.sweep(TTL_S + 1) == 2
    assert bench.places() == [("acme", "k"), ("globex", "k")]


def test_a_second_sweep_finds_nothing(bench: Bench) -> None:
    bench.put("short", TTL_S)

    assert [bench.sweep(TTL_S + 1), bench.sweep(TTL_S + 1)] == [1, 0]


def test_an_entry_whose_time_was_prolonged_is_kept(bench: Bench) -> None:
    bench.put("short", TTL_S)
    bench.put("short", TTL_S * 10)

    assert bench.sweep(TTL_S + 1) == 0


def test_an_entry_that_is_prolonged_while_the_sweep_looks_at_it_is_kept(bench: Bench) -> None:
    bench.put("short", TTL_S)
    sweeping = threading.Thread(target=bench.sweep, args=(TTL_S + 1,))

    with bench.runner.tenant("acme") as tx:
        tx.execute("update app.extension_storage_entry set value = 'new', expires_at = null where key = 'short'")
        sweeping.start()
        while not bench.rows("select 1 from pg_locks where not granted"):
            time.sleep(0.01)
    sweeping.join()

    assert ("acme", "short") in bench.places()


def test_a_sweep_leaves_the_counters_as_the_rows_are(bench: Bench) -> None:
    for number in range(20):
        bench.put(f"k{number}", TTL_S if number % 2 else None, value=b"x" * number)
        bench.put(f"k{number}", TTL_S, "globex", value=b"x" * number)
    bench.sweep(TTL_S + 1)

    assert bench.rows(_COUNTERS) == bench.rows(_TRUTH)


def test_a_sweep_of_everything_leaves_counters_of_zero(bench: Bench) -> None:
    bench.fill(50)
    bench.sweep(TTL_S + 1)

    assert [row["namespace"] for row in bench.rows(_COUNTERS)] == ["n", "n"]  # one entry of each tenant lives


def test_expired_entries_count_until_they_are_swept_and_then_give_room(bench: Bench) -> None:
    bench.fill(KEYS_LIMIT)
    storage = bench.storage()
    refused = storage.put(("full", "one-more", b"v", None))
    swept = bench.sweep(TTL_S * 2)

    assert (refused, storage.put(("full", "one-more", b"v", None))[0]) == ((False, "denied"), True)
    assert swept == KEYS_LIMIT
    assert bench.rows(_COUNTERS) == bench.rows(_TRUTH)


def test_counters_are_exact_when_a_sweep_and_writers_meet(bench: Bench) -> None:
    over = threading.Event()
    swept: list[int] = []
    written: list[bool] = []

    def sweeping() -> None:
        while not over.is_set():
            swept.append(bench.sweep(TTL_S + 1))

    def writing(tenant: str, name: str) -> None:
        database = Database(bench.databases.runner)  # a database is one thread's
        storage = bench.storage(tenant, database)
        for number in range(40):
            ttl_s = TTL_S if number % 3 else None
            written.append(storage.put_with(("n", f"{name}{number % 5}", b"x" * number, ttl_s, ("always", None)))[0])
        database.close()

    sweeper = threading.Thread(target=sweeping)
    writers = [threading.Thread(target=writing, args=(tenant, name)) for tenant in TENANTS for name in ("a", "b")]
    sweeper.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    sweeper.join()

    assert written == [True] * 160
    assert sum(swept) > 0
    assert bench.rows(_COUNTERS) == bench.rows(_TRUTH)
