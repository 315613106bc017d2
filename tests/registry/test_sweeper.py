"""What time has ended: kept data after the grace time, expired entries, and versions nobody prepared."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from alga_ext.calls.limits import PRODUCT
from alga_ext.calls.messages import Message
from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.database import Database, Tx
from functions.registry import sweeping, tenant_sweeping
from functions.registry.installing import purging
from functions.registry.records.recording import Recorder
from functions.registry.recovery import log_copy
from tests.registry.test_recorded_batches import call
from tests.support.openmetrics import families
from tests.support.registry import RegistryWorld, manifest_of

_GRACE = timedelta(days=7)
_INSERT = """
insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value, expires_at)
select 'tenant-a', :install_id, 'n' || (i % 20), 'k' || i, 'v', cast(:expires_at as timestamptz)
from generate_series(cast(:first as int), cast(:last as int)) i
"""

_INSERT_ANSWERS = """
insert into app.call_idempotency (tenant_id, scope_sha256, request_sha256, execution_id, request_id, deadline_at)
select 'tenant-a', sha256(convert_to(cast(i as text), 'UTF8')), sha256('r'), gen_random_uuid(), i, now()
from generate_series(1, 25) i
"""

_AGE_ANSWERS = """
update app.call_idempotency
set created_at = now() - case request_id when '7' then interval '23 hours 50 minutes' else interval '24 hours' end
"""

_INSERT_RATES = """
insert into app.call_rate (tenant_id, key, arrival_us, holders, held, held_until_us, taken, remaining, taken_at_us)
select 'tenant-a', 'user:' || i,
  (extract(epoch from now() - case i when 7 then interval '55 min' else interval '61 min' end) * 1000000)::bigint,
  '{}', '{}', '{}', 0, 0, 0
from generate_series(1, 25) i
"""


_REMAINS = (
    """
insert into app.extension_metric_total
  (tenant_id, install_id, day, name, unit, value_count, value_sum, value_min, value_max)
values ('tenant-a', :install_id, now()::date, 'm', 'Count', 1, 1, 1, 1)
""",
    "insert into app.extension_limit (tenant_id, install_id, changed_by) values ('tenant-a', :install_id, 't')",
    """
insert into app.extension_install_request
  (tenant_id, install_id, from_version_id, to_version_id, difference, holds_code, created_by, state, decided_at)
select tenant_id, install_id, version_id, version_id, '{}', false, 't', 'superseded', now()
from app.tenant_extension_install where install_id = :install_id
""",
)
"""What an install leaves beside its storage, its secrets and its schedules."""


@pytest.fixture
def published(world: RegistryWorld) -> RegistryWorld:
    world.register()
    world.publish()
    return world


def _store(world: RegistryWorld, install_id: str, count: int, expires_in: timedelta | None = None) -> None:
    """Store entries as the runner does, a namespace with at most 5,120 keys; few a transaction, as counting is slow."""
    runner = Database(world.databases.runner, statement_timeout_ms=60_000)
    expires_at = None if expires_in is None else world.services.now() + expires_in
    for first in range(1, count + 1, 500):
        with runner.tenant("tenant-a") as tx:
            last = min(first + 499, count)
            tx.execute(_INSERT, install_id=install_id, first=first, last=last, expires_at=expires_at)
    runner.close()


def _uninstalled(world: RegistryWorld, entries: int) -> str:
    install_id = str(world.install()["install_id"])
    _store(world, install_id, entries)
    assert world.call("DELETE", f"/installs/{install_id}", world.tenant_admin()).status == 204
    return install_id


def _kept(world: RegistryWorld) -> int:
    return int(world.rows("select count(*) as n from app.extension_storage_entry where tenant_id = 'tenant-a'")[0]["n"])


def test_after_the_grace_time_storage_is_deleted_and_counted(published: RegistryWorld) -> None:
    install_id = _uninstalled(published, 1)
    owner = Database(published.databases.owner)
    with owner.tenant("tenant-a") as tx:
        for statement in _REMAINS:
            tx.execute(statement, install_id=install_id)
    owner.close()

    tenant_sweeping.sweep_tenants(published.services.database, published.services.now() + timedelta(days=8), _GRACE)

    trail = published.call("GET", "/audit", published.tenant_admin()).body["items"]
    assert trail[0]["action"] == "install.purge"
    assert trail[0]["after"] == {
        "storage_entries": 1, "secrets": 0, "deliveries": 0, "schedules": 0, "metrics": 1, "limits": 1, "requests": 1,
        "namespaces": 1,
    }  # fmt: skip
    assert published.rows("select 1 from app.extension_metric_total, app.extension_limit") == []
    assert published.install()["install_id"] != install_id


def test_within_the_grace_time_a_reinstall_finds_what_was_stored(published: RegistryWorld) -> None:
    install_id = _uninstalled(published, 3)

    tenant_sweeping.sweep_tenants(published.services.database, published.services.now() + timedelta(days=6), _GRACE)

    assert published.install()["install_id"] == install_id
    assert _kept(published) == 3


def test_an_install_that_kept_sixty_thousand_entries_is_purged(published: RegistryWorld) -> None:
    """More than one statement can delete within its time."""
    _uninstalled(published, 60_000)

    done = tenant_sweeping.sweep_tenants(
        published.services.database, published.services.now() + timedelta(days=8), _GRACE
    )

    assert done["installs_purged"] == 1
    assert _kept(published) == 0
    trail = published.call("GET", "/audit", published.tenant_admin()).body["items"]
    assert trail[0]["after"]["storage_entries"] == 60_000


def test_a_purge_that_was_cut_off_counts_on_where_it_ended(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_id = _uninstalled(published, 25)
    monkeypatch.setattr(purging, "_ROWS_PER_BATCH", 10)
    database, later = _Dying(published.services.database, transactions=2), published.services.now() + timedelta(days=8)

    with pytest.raises(ConnectionError):
        purging.purge(database, "tenant-a", install_id, later, _GRACE)
    assert _kept(published) == 5
    assert purging.purge(published.services.database, "tenant-a", install_id, later, _GRACE)

    trail = published.call("GET", "/audit", published.tenant_admin()).body["items"]
    assert trail[0]["after"]["storage_entries"] == 25


def test_a_purge_within_the_grace_time_deletes_nothing(published: RegistryWorld) -> None:
    install_id = _uninstalled(published, 2)

    assert not purging.purge(published.services.database, "tenant-a", install_id, published.services.now(), _GRACE)

    assert _kept(published) == 2


def test_expired_entries_go_in_batches_and_the_others_stay(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_id = str(published.install()["install_id"])
    _store(published, install_id, 25, timedelta(seconds=30))
    runner = Database(published.databases.runner)
    with runner.tenant("tenant-a") as tx:
        tx.execute("update app.extension_storage_entry set expires_at = null where key = 'k7'")
    runner.close()
    monkeypatch.setattr(tenant_sweeping, "_ROWS_PER_BATCH", 10)

    done = tenant_sweeping.sweep_tenants(
        published.services.database, published.services.now() + timedelta(minutes=1), _GRACE
    )

    assert done["storage_entries_expired"] == 24
    usage = published.rows("select sum(key_count) as keys from app.extension_storage_usage")
    assert (_kept(published), int(usage[0]["keys"])) == (1, 1)


def test_answers_of_calls_with_a_key_go_after_a_day_in_batches(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.install()
    gateway = Database(published.databases.gateway)
    with gateway.tenant("tenant-a") as tx:
        tx.execute(_INSERT_ANSWERS)
        tx.execute(_AGE_ANSWERS)
    gateway.close()
    monkeypatch.setattr(tenant_sweeping, "_ANSWERS_PER_BATCH", 10)

    done = tenant_sweeping.sweep_tenants(published.services.database, published.services.now(), _GRACE)

    assert done["call_answers_expired"] == 24
    assert published.rows("select request_id from app.call_idempotency") == [{"request_id": "7"}]


def test_rates_that_have_been_unused_for_an_hour_go_in_batches(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.install()
    gateway = Database(published.databases.gateway)
    with gateway.tenant("tenant-a") as tx:
        tx.execute(_INSERT_RATES)
    gateway.close()
    monkeypatch.setattr(tenant_sweeping, "_ROWS_PER_BATCH", 10)

    tenant_sweeping.sweep_tenants(published.services.database, published.services.now(), _GRACE)

    assert published.rows("select key from app.call_rate") == [{"key": "user:7"}]


def test_rates_that_a_gateway_holds_are_left_for_the_next_run(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.install()
    gateway = Database(published.databases.gateway)
    with gateway.tenant("tenant-a") as tx:
        tx.execute(_INSERT_RATES)
    with gateway.tenant("tenant-a") as tx:
        tx.execute("select from app.call_rate where key = 'user:3' for update")
        tenant_sweeping.sweep_tenants(published.services.database, published.services.now(), _GRACE)
    gateway.close()

    assert published.rows("select key from app.call_rate order by key") == [{"key": "user:3"}, {"key": "user:7"}]


# Calls without an outcome


def _accepted(published: RegistryWorld, minutes_ago: float, tenant_id: str = "tenant-a") -> list[Message]:
    messages = call(1, tenant_id, published.services.now() - timedelta(minutes=minutes_ago))
    assert Recorder(published.services.database, PRODUCT).record(messages[:1]) == {}
    return messages


def _outcomes(published: RegistryWorld) -> list[str | None]:
    rows = published.rows("select outcome from app.extension_execution_log order by tenant_id, execution_id")
    return [row["outcome"] for row in rows]


def _sweep_tenants(published: RegistryWorld) -> int:
    return tenant_sweeping.sweep_tenants(published.services.database, published.services.now(), _GRACE)["outcomes_lost"]


@pytest.mark.parametrize(("minutes", "outcome"), [(14, None), (16, "unknown"), (10_000, "unknown")])
def test_a_call_accepted_15_minutes_ago_without_an_end_becomes_unknown(
    world: RegistryWorld, minutes: int, outcome: str | None
) -> None:
    _accepted(world, minutes)

    assert _sweep_tenants(world) == int(outcome is not None)

    assert _outcomes(world) == [outcome]
    assert _sweep_tenants(world) == 0


def test_an_end_that_comes_after_unknown_wins_and_counts_once(world: RegistryWorld) -> None:
    messages = _accepted(world, 20)
    _sweep_tenants(world)
    assert world.rows("select 1 from app.extension_quota_usage") == []

    for _ in range(2):
        assert Recorder(world.services.database, PRODUCT).record(messages) == {}
    _sweep_tenants(world)

    assert _outcomes(world) == ["ok"]
    assert {row["calls"] for row in world.rows("select calls from app.extension_quota_usage")} == {1}


def _totals(published: RegistryWorld) -> tuple[float, float, float]:
    """Return what Prometheus sees: finished calls, calls that became unknown, and those of them that ended late."""
    found = families(published.call("GET", "/metrics", published.admin).body)
    names = ("alga_ext_calls", "alga_ext_calls_unknown", "alga_ext_calls_ended_late")
    finished, unknown, late = (sum(sample.value for sample in found[name].samples) for name in names)
    return finished, unknown, late


def test_an_unknown_call_is_in_the_platforms_totals_and_one_that_ends_late_counts_once(world: RegistryWorld) -> None:
    messages = _accepted(world, 20)
    _accepted(world, 20, "tenant-b")
    for _ in range(2):
        _sweep_tenants(world)
    assert _totals(world) == (0, 2, 0)

    for _ in range(2):
        assert Recorder(world.services.database, PRODUCT).record(messages) == {}
    assert Recorder(world.services.database, PRODUCT).record(call(1)) == {}
    _sweep_tenants(world)

    assert _totals(world) == (2, 2, 1)


def test_an_accepted_message_after_the_end_leaves_the_outcome(world: RegistryWorld) -> None:
    messages = call(1, at=world.services.now() - timedelta(minutes=20))
    for message in reversed(messages):
        assert Recorder(world.services.database, PRODUCT).record([message]) == {}

    assert (_sweep_tenants(world), _outcomes(world)) == (0, ["ok"])


def test_unknown_calls_of_two_tenants_are_found_in_batches(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_sweeping, "_ROWS_PER_BATCH", 2)
    for tenant_id in ("tenant-a", "tenant-b"):
        for _ in range(3):
            _accepted(world, 20, tenant_id)

    assert _sweep_tenants(world) == 6
    assert _outcomes(world) == ["unknown"] * 6


def test_a_call_that_a_recorder_is_finishing_is_left_to_it(world: RegistryWorld) -> None:
    _accepted(world, 20)
    holder = Database(world.databases.registry)
    with holder.tenant("tenant-a") as tx:
        tx.rows("select 1 from app.extension_execution_log for update")
        assert _sweep_tenants(world) == 0
    holder.close()

    assert _sweep_tenants(world) == 1


# Which tenants have something due


def _due(published: RegistryWorld, later: timedelta = timedelta(0)) -> list[str]:
    with published.services.database.system() as tx:
        now = published.services.now() + later
        rows = tx.rows("select * from app.tenants_with_due(:now, :before, 10) as t(id)", now=now, before=now - _GRACE)
    return [row["id"] for row in rows]


def test_a_tenant_in_which_nothing_is_due_is_not_visited(published: RegistryWorld) -> None:
    install_id = str(published.install()["install_id"])
    _store(published, install_id, 3, timedelta(hours=1))
    Recorder(published.services.database, PRODUCT).record(call(1))
    _accepted(published, 1)

    assert _due(published) == []


def _expired_storage(published: RegistryWorld) -> None:
    _store(published, str(published.install()["install_id"]), 1, timedelta(seconds=-1))


def _purge_due(published: RegistryWorld) -> None:
    _uninstalled(published, 1)
    owner = Database(published.databases.owner)
    with owner.system() as tx:
        tx.execute("update app.tenant_extension_install set uninstalled_at = uninstalled_at - interval '8 days'")
    owner.close()


def _old_answers(published: RegistryWorld) -> None:
    gateway = Database(published.databases.gateway)
    with gateway.tenant("tenant-a") as tx:
        tx.execute(_INSERT_ANSWERS)
        tx.execute(_AGE_ANSWERS)
    gateway.close()


def _old_idempotency(published: RegistryWorld) -> None:
    owner = Database(published.databases.owner)
    with owner.system() as tx:
        tx.script(
            "insert into app.idempotency_record (tenant_id, principal, operation, key, body_sha256, status, response, "
            "created_at) values ('tenant-a', 'p', 'o', 'k', 'b', 201, '{}', now() - interval '25 hours')"
        )
    owner.close()


def _full_bucket(published: RegistryWorld) -> None:
    gateway = Database(published.databases.gateway)
    with gateway.tenant("tenant-a") as tx:
        tx.script(
            "insert into app.call_rate (tenant_id, key, arrival_us, holders, held, held_until_us, taken, "
            "remaining, taken_at_us) values ('tenant-a', 'tenant', 0, '{}', '{}', '{}', 0, 0, 0)"
        )
    gateway.close()


@pytest.mark.parametrize(
    "make",
    [_expired_storage, _purge_due, _old_answers, _old_idempotency, _full_bucket, lambda one: _accepted(one, 16)],
    ids=["storage", "purge", "answers", "idempotency", "rate", "execution"],
)
def test_a_tenant_with_something_due_is_found_and_then_not_again(
    published: RegistryWorld, make: Callable[[RegistryWorld], object]
) -> None:
    make(published)
    assert _due(published) == ["tenant-a"]

    tenant_sweeping.sweep_tenants(published.services.database, published.services.now(), _GRACE)

    assert _due(published) == []


def test_a_tenant_whose_work_fails_keeps_no_other_from_its_turn(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tenant_id in ("tenant-a", "tenant-b"):
        _accepted(world, 20, tenant_id)
    lose = tenant_sweeping._lose_outcomes

    def fail_for_one(database: Database, tenant_id: str, now: datetime) -> int:
        if tenant_id == "tenant-a":
            raise PlatformError("database_unavailable", "not now")
        return lose(database, tenant_id, now)

    monkeypatch.setattr(tenant_sweeping, "_lose_outcomes", fail_for_one)

    assert _sweep_tenants(world) == 1
    assert _due(world) == ["tenant-a"]


def test_a_version_nobody_prepared_is_sent_again_after_longer_and_longer_and_rejected_at_the_end(
    world: RegistryWorld,
) -> None:
    world.register()
    version_id = world.send(world.signed(manifest_of())).body["version_id"]
    (row,) = world.rows("select published_at from app.extension_version")
    world.queued()
    database, queue = world.services.database, world.services.prepare_queue

    sent = [
        minute
        for minute in range(0, 2_600, 5)
        if sweeping.prepare_again(database, queue, row["published_at"] + timedelta(minutes=minute))
    ]

    assert sent == [5, 15, 35, 75, 155, 315, 635, 1275]
    assert {message.version_id for message in world.queued()} == {version_id}
    shown = world.call("GET", f"/versions/{version_id}", world.publisher).body
    assert shown["state"] == "rejected"
    assert [reason["code"] for reason in shown["state_reasons"]] == ["preparation_failed"]
    assert "7 attempts" in shown["state_reasons"][0]["detail"]


def test_a_version_rejected_after_its_release_record_was_written_is_withdrawn_by_the_last_message(
    world: RegistryWorld,
) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of())).body
    world.queued()
    for attempt in range(8):
        later = world.services.now() + timedelta(days=attempt + 1)
        assert sweeping.prepare_again(world.services.database, world.services.prepare_queue, later) == 1

    assert set(world.prepare()) == {"rejected"}

    assert sent["content_hash"].removeprefix("sha256:") in world.withdrawn()


@pytest.mark.parametrize(("minutes", "left"), [(59, 1), (61, 0)])
def test_a_staged_upload_is_deleted_an_hour_after_it_expired(world: RegistryWorld, minutes: int, left: int) -> None:
    world.register()
    declared = {"publisher": "acme", "content_hash": f"sha256:{'a' * 64}", "size_bytes": 10}
    upload = world.call("POST", "/uploads", world.publisher, declared).body
    key = object_keys.staged_archive(upload["upload_id"])
    world.overwrite(key, b"0123456789")
    expires_at = datetime.fromisoformat(upload["expires_at"])

    sweeping.sweep_uploads(world.services.database, world.objects, expires_at + timedelta(minutes=minutes))

    assert len(world.rows("select from app.extension_upload")) == left
    assert (world.objects.size(key) is not None) == bool(left)


def test_the_head_of_a_log_that_has_grown_is_signed_once(world: RegistryWorld) -> None:
    world.register()
    log_copy.synchronise(world.services)
    key = object_keys.log_head(2)

    signed = [
        sweeping.sign_head(world.services.database, world.objects, world.log, world.services.now()) for _ in range(2)
    ]

    assert signed == [1, 0]
    head = world.services.trust.current().verify(
        world.objects.get(key), use="log", publisher="", at=world.services.now()
    )
    assert json.loads(head.payload)["tree_size"] == 2


def test_no_head_covers_an_entry_that_is_not_copied(world: RegistryWorld) -> None:
    world.register()

    assert sweeping.sign_head(world.services.database, world.objects, world.log, world.services.now()) == 0


def test_an_empty_log_has_no_head_to_sign(world: RegistryWorld) -> None:
    assert sweeping.sign_head(world.services.database, world.objects, world.log, world.services.now()) == 0


def test_a_step_that_fails_keeps_no_other_from_its_turn(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_id = str(published.install()["install_id"])
    _store(published, install_id, 3, timedelta(seconds=-1))

    def fail(*_: object) -> int:
        raise PlatformError("object_store_unavailable", "not there")

    monkeypatch.setattr(sweeping, "sweep_uploads", fail)

    with pytest.raises(PlatformError, match="object_store_unavailable"):
        sweeping.sweep(published.sweeper())

    assert _kept(published) == 0


class _Dying(Database):
    """The database of a process that ends after some transactions."""

    def __init__(self, inner: Database, transactions: int) -> None:
        self._inner, self._left = inner, transactions

    @contextmanager
    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Iterator[Tx]:
        if self._left == 0:
            raise ConnectionError
        self._left -= 1
        with self._inner.tenant(tenant_id, timeout_ms, durable=durable) as tx:
            yield tx


# Metrics and activity


def _metrics_of_days(world: RegistryWorld, *ages: int) -> None:
    owner = Database(world.databases.owner)
    with owner.tenant("tenant-a") as tx:
        for age in ages:
            tx.execute(
                """insert into app.extension_metric_total
                  (tenant_id, install_id, day, name, unit, value_count, value_sum, value_min, value_max)
                values ('tenant-a', :install_id, :day, 'm', 'Count', 1, 1, 1, 1)""",
                install_id="00000000-0000-0000-0000-0000000000a1",
                day=(world.services.now() - timedelta(days=age)).date(),
            )
    owner.close()


def test_metrics_of_extensions_are_kept_for_four_hundred_days(world: RegistryWorld) -> None:
    _metrics_of_days(world, 0, 400, 401, 500)

    tenant_sweeping.sweep_tenants(world.services.database, world.services.now(), _GRACE)

    rows = world.rows("select day from app.extension_metric_total order by day")
    assert [row["day"] for row in rows] == [(world.services.now() - timedelta(days=age)).date() for age in (400, 0)]


def test_many_old_metrics_go_in_batches(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    _metrics_of_days(world, *range(401, 426))
    monkeypatch.setattr(tenant_sweeping, "_ROWS_PER_BATCH", 10)

    tenant_sweeping.sweep_tenants(world.services.database, world.services.now(), _GRACE)

    assert world.rows("select 1 from app.extension_metric_total") == []


@pytest.mark.parametrize(("hours", "left"), [(23, 1), (25, 0)])
def test_when_a_tenant_was_active_is_forgotten_after_a_day(world: RegistryWorld, hours: int, left: int) -> None:
    with world.services.database.tenant("tenant-a") as tx:
        at = world.services.now() - timedelta(hours=hours)
        tx.execute("insert into app.tenant_activity (tenant_id, active_at) values ('tenant-a', :at)", at=at)

    tenant_sweeping.sweep_tenants(world.services.database, world.services.now(), _GRACE)

    assert len(world.rows("select 1 from app.tenant_activity")) == left
