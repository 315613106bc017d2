"""Due schedules become deliveries: once, whatever happens at the same time."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.deliveries import schedule_delivery_id
from alga_ext.calls.messages import DeliveryQueued, EventReceived, decode_message
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.scheduling import ticking
from functions.registry.scheduling.moves import delay_s
from functions.registry.scheduling.services import TickerServices
from functions.registry.whole_tick import run_tick
from tests.support.emitted import metric_lines
from tests.support.events import received
from tests.support.registry import RegistryWorld
from tests.support.registry_process import RegistryProcess
from tests.support.schedules import add_schedule, as_owner

NOW = datetime(2026, 7, 1, 9, 0, 20, tzinfo=UTC)
DUE = NOW.replace(second=0)
MINUTE = timedelta(minutes=1)

_DELIVERIES = "select * from app.extension_delivery order by due_at, schedule_id"


def schedule(world: RegistryWorld, install_id: str, due_at: datetime | None = DUE, **more: Any) -> str:
    """Make a schedule that is due."""
    return add_schedule(world, install_id, due_at=due_at, **more)


def next_runs(world: RegistryWorld) -> list[datetime | None]:
    return [row["next_run_at"] for row in world.rows("select next_run_at from app.extension_schedule order by 1")]


def sent(world: RegistryWorld) -> list[DeliveryQueued]:
    """Take the messages that the dispatcher would get, hidden ones too."""
    found: list[DeliveryQueued] = []
    queue = world.deliveries_url

    while messages := world.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            decoded = decode_message(message["Body"])
            assert isinstance(decoded, DeliveryQueued)
            found.append(decoded)
            world.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.fixture
def install_id(world: RegistryWorld) -> str:
    world.register()
    world.publish()
    return str(world.install()["install_id"])


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not hide messages, so that they can be received at once."""
    monkeypatch.setattr("functions.registry.scheduling.moves.SPREAD_S", 1)


def test_a_due_schedule_becomes_a_delivery_with_a_message(world: RegistryWorld, install_id: str) -> None:
    schedule_id = schedule(world, install_id, name="nightly")

    assert ticking.tick(world.ticker(NOW)) == {"claimed": 1, "fired": 1}

    [delivery] = world.rows(_DELIVERIES)
    delivery_id = schedule_delivery_id(schedule_id, DUE)
    made = {name: delivery[name] for name in ("trigger", "subject", "due_at", "missed", "method", "path", "payload")}
    assert made == {
        "trigger": "schedule", "subject": "nightly", "due_at": DUE, "missed": 0, "method": "POST", "path": "/sync",
        "payload": '{"a": 1}',
    }  # fmt: skip
    assert (str(delivery["delivery_id"]), delivery["state"]) == (delivery_id, "pending")
    assert next_runs(world) == [DUE + MINUTE]
    assert sent(world) == [DeliveryQueued(tenant_id="tenant-a", delivery_id=delivery_id)]


def test_a_schedule_without_a_name_is_named_by_its_id(world: RegistryWorld, install_id: str) -> None:
    schedule_id = schedule(world, install_id)
    ticking.tick(world.ticker(NOW))

    assert [row["subject"] for row in world.rows(_DELIVERIES)] == [schedule_id]


def test_what_is_not_due_does_not_run(world: RegistryWorld, install_id: str) -> None:
    schedule(world, install_id, due_at=NOW + timedelta(microseconds=1))
    schedule(world, install_id, due_at=None)

    assert ticking.tick(world.ticker(NOW)) == {"claimed": 0, "fired": 0}


def test_missed_runs_fire_once_and_say_so(world: RegistryWorld, install_id: str) -> None:
    schedule(world, install_id, due_at=DUE - 3 * MINUTE)

    ticking.tick(world.ticker(NOW))

    assert [(row["due_at"], row["missed"]) for row in world.rows(_DELIVERIES)] == [(DUE - 3 * MINUTE, 3)]
    assert next_runs(world) == [DUE + MINUTE]


@pytest.mark.parametrize("end", ["disable", "uninstall"])
def test_schedules_of_an_install_that_is_not_active_neither_run_nor_come_back(
    world: RegistryWorld, install_id: str, end: str
) -> None:
    schedule(world, install_id)
    method, path = ("POST", "/disable") if end == "disable" else ("DELETE", "")
    assert world.call(method, f"/installs/{install_id}{path}", world.tenant_admin()).status in (200, 204)

    first = ticking.tick(world.ticker(NOW))
    second = ticking.tick(world.ticker(NOW + MINUTE))

    assert (first, second) == ({"claimed": 1, "fired": 0}, {"claimed": 0, "fired": 0})
    assert world.rows(_DELIVERIES) == []
    assert next_runs(world) == [None]


def test_an_install_that_is_enabled_again_runs_its_schedules_at_their_next_times(
    world: RegistryWorld, install_id: str
) -> None:
    schedule(world, install_id, cron="0 0 1 1 *")
    world.call("POST", f"/installs/{install_id}/disable", world.tenant_admin())
    ticking.tick(world.ticker(NOW))

    world.call("POST", f"/installs/{install_id}/enable", world.tenant_admin())

    year = world.services.now().year + 1
    assert next_runs(world) == [datetime(year, 1, 1, tzinfo=UTC)]


def test_a_schedule_that_backs_off_waits_for_its_first_time_after_that(world: RegistryWorld, install_id: str) -> None:
    schedule(world, install_id)
    as_owner(world, "update app.extension_schedule set backs_off_until = :until", until=NOW + 10 * MINUTE)

    assert ticking.tick(world.ticker(NOW)) == {"claimed": 1, "fired": 0}
    assert next_runs(world) == [DUE + 11 * MINUTE]


def test_a_schedule_whose_next_run_cannot_be_computed_stops_no_other(world: RegistryWorld, install_id: str) -> None:
    lost, good = schedule(world, install_id), schedule(world, install_id)
    as_owner(world, "update app.extension_schedule set timezone = 'Sea/Atlantis' where schedule_id = :id", id=lost)

    assert ticking.tick(world.ticker(NOW)) == {"claimed": 2, "fired": 1}
    assert [str(row["schedule_id"]) for row in world.rows(_DELIVERIES)] == [good]
    assert next_runs(world) == [DUE + MINUTE, None]


def test_no_run_holds_a_slot_before_its_message_arrives(world: RegistryWorld, install_id: str) -> None:
    for _ in range(6):
        schedule(world, install_id)

    ticking.tick(world.ticker(NOW))

    assert [row["state"] for row in world.rows(_DELIVERIES)] == ["pending"] * 6
    assert len(sent(world)) == 6


def test_more_than_a_batch_is_fired_in_one_tick(
    world: RegistryWorld, install_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticking, "BATCH", 2)
    for _ in range(5):
        schedule(world, install_id)

    assert ticking.tick(world.ticker(NOW)) == {"claimed": 5, "fired": 5}


def test_a_tick_begins_no_batch_after_its_time(
    world: RegistryWorld, install_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticking, "BATCH", 1)
    for _ in range(3):
        schedule(world, install_id)
    times = iter([0.0, 1.0, 39.9, 40.0])
    given = world.ticker(NOW)
    services = TickerServices(
        given.database, given.events_queue, given.deliveries_queue, given.now, lambda: next(times)
    )

    assert ticking.tick(services) == {"claimed": 2, "fired": 2}


def test_when_the_queue_fails_the_runs_stay_fired_for_the_recovery(
    world: RegistryWorld, install_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(world, install_id)
    world.sqs.delete_queue(QueueUrl=world.deliveries_url)

    with pytest.raises(PlatformError) as caught:
        ticking.tick(world.ticker(NOW))

    assert caught.value.code == "queue_unavailable"
    [delivery] = world.rows(_DELIVERIES)
    assert delivery["state"] == "pending"
    assert delivery["recheck_at"] is not None
    assert ticking.tick(world.ticker(NOW)) == {"claimed": 0, "fired": 0}


def test_forgotten_events_are_found_also_when_schedules_cannot_be_fired(world: RegistryWorld, install_id: str) -> None:
    received(world)
    as_owner(world, "update app.extension_event set recheck_at = '2026-01-01'")
    schedule(world, install_id)
    world.sqs.delete_queue(QueueUrl=world.deliveries_url)

    with pytest.raises(PlatformError):
        run_tick(world.ticker(NOW))

    assert [type(message) for message in received(world)] == [EventReceived]


def test_the_first_message_of_a_run_is_hidden_for_the_installs_delay(
    world: RegistryWorld, install_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.registry.scheduling.moves.SPREAD_S", 60)
    schedule(world, install_id)

    ticking.tick(world.ticker(NOW))

    assert [row["delay_s"] for row in world.rows(_DELIVERIES)] == [delay_s(install_id)]


def test_a_tick_tells_how_late_it_is(world: RegistryWorld, install_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    schedule(world, install_id)
    schedule(world, install_id, due_at=DUE - MINUTE)

    ticking.tick(world.ticker(NOW))

    lines = metric_lines(capsys.readouterr().out)
    assert [(line["SchedulesFired"], line["TickLag"]) for line in lines if "TickLag" in line] == [(2, 80_000.0)]


def test_two_ticks_at_once_fire_each_due_run_once(
    world: RegistryWorld, install_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticking, "BATCH", 7)
    schedules = {schedule(world, install_id) for _ in range(40)}
    together = threading.Barrier(4)

    def one() -> dict[str, int]:
        database = Database(world.databases.registry)
        together.wait(10)
        try:
            return ticking.tick(
                TickerServices(database, world.services.events_queue, world.services.deliveries_queue, lambda: NOW)
            )
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(one) for _ in range(4)]]

    assert sum(result["fired"] for result in results) == 40
    assert sorted(str(row["schedule_id"]) for row in world.rows(_DELIVERIES)) == sorted(schedules)
    assert next_runs(world) == [DUE + MINUTE] * 40


def test_a_schedule_that_another_transaction_has_locked_is_left_to_it(world: RegistryWorld, install_id: str) -> None:
    held = schedule(world, install_id)
    schedule(world, install_id)
    other = Database(world.databases.registry)
    with other.tenant("tenant-a") as tx:
        tx.execute("select 1 from app.extension_schedule where schedule_id = :id for update", id=held)
        assert ticking.tick(world.ticker(NOW)) == {"claimed": 1, "fired": 1}
    other.close()

    assert ticking.tick(world.ticker(NOW)) == {"claimed": 1, "fired": 1}


def test_installs_of_several_tenants_are_fired_in_one_batch(world: RegistryWorld, install_id: str) -> None:
    other = world.install(tenant_id="tenant-b")["install_id"]
    schedule(world, install_id)
    schedule(world, other, tenant_id="tenant-b")

    assert ticking.tick(world.ticker(NOW)) == {"claimed": 2, "fired": 2}
    assert sorted(row["tenant_id"] for row in world.rows(_DELIVERIES)) == ["tenant-a", "tenant-b"]
    assert sorted(message.tenant_id for message in sent(world)) == ["tenant-a", "tenant-b"]


def killed_at(world: RegistryWorld, install_id: str, step: int) -> bool:
    """Kill a tick at a step, then tick to the end; return whether the step was reached. Nothing is lost or doubled."""
    due_at = datetime.now(UTC).replace(second=0, microsecond=0) - MINUTE
    schedules = sorted(schedule(world, install_id, cron="0 0 1 1 *", due_at=due_at) for _ in range(3))
    with RegistryProcess(world) as process:
        died = process.answer({}, "ticker", step) is None
        half = {row["schedule_id"] for row in world.rows(_DELIVERIES)}
        assert len(half) in (0, 3), "a batch is fired as a whole"
        assert process.answer({}, "ticker") is not None
    deliveries = world.rows(_DELIVERIES)
    assert sorted(str(row["schedule_id"]) for row in deliveries) == schedules
    assert [str(row["delivery_id"]) for row in deliveries] == [
        schedule_delivery_id(str(row["schedule_id"]), due_at) for row in deliveries
    ]
    # What has no message is found by recheck_at.
    assert all(row["state"] in ("pending", "queued") and row["recheck_at"] is not None for row in deliveries)
    owner = Database(world.databases.owner)
    with owner.system() as tx:
        tx.execute("delete from app.extension_delivery")
        tx.execute("delete from app.extension_schedule")
    owner.close()
    return died


@pytest.mark.parametrize("step", [4, 6, 8, 10])
def test_a_tick_that_is_killed_loses_and_doubles_nothing(world: RegistryWorld, install_id: str, step: int) -> None:
    assert killed_at(world, install_id, step)


@pytest.mark.kills
def test_a_tick_that_is_killed_at_any_step_loses_and_doubles_nothing(world: RegistryWorld, install_id: str) -> None:
    step = 1
    while killed_at(world, install_id, step):
        step += 1
    assert step > 8


# Where deliveries end


_NOTE = "select app.note_schedule_run(:tenant, :schedule, gen_random_uuid(), :status, :error) as failures"


@pytest.fixture
def gateway(world: RegistryWorld) -> Iterator[Database]:
    database = Database(world.databases.gateway)
    yield database
    database.close()


def note(gateway: Database, schedule_id: str, status: str, tenant_id: str = "tenant-a") -> int:
    error = "guest_timeout: it took too long" if status == "failed" else None
    with gateway.tenant(tenant_id) as tx:
        return int(tx.one(_NOTE, tenant=tenant_id, schedule=schedule_id, status=status, error=error)["failures"])


def noted(world: RegistryWorld) -> dict[str, Any]:
    [row] = world.rows(
        "select last_run_status, last_error, consecutive_failures, backs_off_until - last_run_at as backs_off "
        "from app.extension_schedule"
    )
    return row


def test_the_end_of_a_run_is_noted(world: RegistryWorld, install_id: str, gateway: Database) -> None:
    schedule_id = schedule(world, install_id)

    assert note(gateway, schedule_id, "failed") == 1
    failed = noted(world)
    assert note(gateway, schedule_id, "succeeded") == 0

    assert failed == {
        "last_run_status": "failed", "last_error": "guest_timeout: it took too long", "consecutive_failures": 1,
        "backs_off": None,
    }  # fmt: skip
    assert noted(world) == {
        "last_run_status": "succeeded", "last_error": None, "consecutive_failures": 0, "backs_off": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("failures", "backs_off"),
    [
        (9, None),
        (10, timedelta(minutes=15)),
        (11, timedelta(minutes=30)),
        (16, timedelta(hours=16)),
        (17, timedelta(days=1)),
        (40, timedelta(days=1)),
    ],
)
def test_after_ten_failures_in_a_row_a_schedule_backs_off_for_a_day_at_most(
    world: RegistryWorld, install_id: str, gateway: Database, failures: int, backs_off: timedelta | None
) -> None:
    schedule_id = schedule(world, install_id)
    for _ in range(failures):
        as_owner(world, "update app.extension_schedule set backs_off_until = now() where backs_off_until is not null")
        note(gateway, schedule_id, "failed")

    assert noted(world)["backs_off"] == backs_off


def test_runs_that_were_on_their_way_do_not_lengthen_the_back_off(
    world: RegistryWorld, install_id: str, gateway: Database
) -> None:
    schedule_id = schedule(world, install_id)
    until = "select backs_off_until from app.extension_schedule"
    for _ in range(10):
        note(gateway, schedule_id, "failed")
    before = world.rows(until)

    assert [note(gateway, schedule_id, "failed") for _ in range(30)] == [10] * 30

    assert world.rows(until) == before
    assert len(world.rows("select 1 from app.audit_event where action = 'schedule.backed-off'")) == 1


def test_the_tenant_is_told_once_that_a_schedule_backs_off(
    world: RegistryWorld, install_id: str, gateway: Database
) -> None:
    schedule_id = schedule(world, install_id)
    for _ in range(12):
        note(gateway, schedule_id, "failed")

    rows = world.rows("select * from app.audit_event where action = 'schedule.backed-off'")
    assert [(row["actor"], row["subject"], row["tenant_id"]) for row in rows] == [
        ("system:schedule", schedule_id, "tenant-a")
    ]
    assert rows[0]["after"]["consecutive_failures"] == 10


def test_a_success_ends_the_back_off(world: RegistryWorld, install_id: str, gateway: Database) -> None:
    schedule_id = schedule(world, install_id)
    for _ in range(11):
        note(gateway, schedule_id, "failed")

    note(gateway, schedule_id, "succeeded")

    assert (noted(world)["consecutive_failures"], noted(world)["backs_off"]) == (0, None)


def test_the_end_of_a_run_of_a_deleted_schedule_is_noted_nowhere(
    world: RegistryWorld, install_id: str, gateway: Database
) -> None:
    assert note(gateway, "00000000-0000-0000-0000-000000000001", "failed") == 0


def test_another_tenants_schedule_cannot_be_noted(world: RegistryWorld, install_id: str, gateway: Database) -> None:
    schedule_id = schedule(world, install_id)

    assert note(gateway, schedule_id, "failed", "tenant-b") == 0
    with pytest.raises(PlatformError) as caught, gateway.tenant("tenant-b") as tx:
        tx.execute(_NOTE, tenant="tenant-a", schedule=schedule_id, status="failed", error=None)

    assert caught.value.context["sqlstate"] == "42501"
    assert noted(world)["last_run_status"] is None


def test_a_run_ends_well_or_badly_and_in_no_other_way(world: RegistryWorld, install_id: str, gateway: Database) -> None:
    with pytest.raises(PlatformError):
        note(gateway, schedule(world, install_id), "unknown")


def test_the_claim_is_not_granted_to_other_functions(world: RegistryWorld) -> None:
    for url in (world.databases.gateway, world.databases.runner):
        database = Database(url)
        with pytest.raises(PlatformError) as caught, database.system() as tx:
            tx.rows("select * from app.claim_due_schedules(now(), 1)")
        assert caught.value.context["sqlstate"] == "42501"
        database.close()


def test_the_plan_of_a_claim_begins_at_the_index_of_due_times(world: RegistryWorld) -> None:
    owner = Database(world.databases.owner)
    with owner.system() as tx:
        tx.execute("set local enable_seqscan = off")  # the table is empty here
        row = tx.one(
            "explain (format json) select 1 from app.extension_schedule s where s.enabled "
            "and s.next_run_at is not null and s.next_run_at <= now() "
            "order by s.next_run_at limit 500 for no key update skip locked"
        )
    owner.close()
    assert "extension_schedule_due" in json.dumps(row["QUERY PLAN"])
