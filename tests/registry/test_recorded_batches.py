"""Batches at the recorder: sets of messages count exactly, a bad message fails alone, an outage is met slowly."""

import random
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.envelope import Usage
from alga_ext.calls.limits import PRODUCT, TENANT_AS_INSTALL
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, Message, PrepareMessage
from alga_ext.errors import PlatformError
from alga_ext.ids import new_execution_id
from alga_ext.stores.database import Database, Tx
from functions.registry.records import recording
from functions.registry.records.recording import Recorder
from tests.conftest import Databases
from tests.registry.test_recorder import IDENTITY
from tests.support.counted_database import CountedDatabase
from tests.support.registry import RegistryWorld, sqs_event
from tests.support.registry_process import RegistryProcess

pytestmark = pytest.mark.one_day
NOW = datetime.now(UTC)
INSTALLS = ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-0000000000aa")


def call(number: int, tenant_id: str = "tenant-a", at: datetime = NOW, **changes: Any) -> list[Message]:
    """The accepted and the finished message of a new call. Every third call fails."""
    identity = {**IDENTITY, "execution_id": new_execution_id(at), "tenant_id": tenant_id,
                "install_id": INSTALLS[number % 2], **changes}  # fmt: skip
    end: dict[str, Any] = {
        "accepted_at": at.isoformat(),
        "at": (at + timedelta(seconds=1)).isoformat(),
        "status": 502 if number % 3 == 0 else 200,
        "error_code": "guest_trapped" if number % 3 == 0 else None,
        "usage": Usage(duration_ms=2.0, cpu_ms=1.0, egress_bytes=10, log_bytes=5),
    }
    return [ExecutionAccepted(**identity, at=at.isoformat()), ExecutionFinished(**identity, **end)]


@pytest.fixture
def database(databases: Databases) -> Iterator[CountedDatabase]:
    made = CountedDatabase(databases.registry)
    yield made
    made.close()


def seen(database: Database, tenant_id: str = "tenant-a") -> dict[str, Any]:
    with database.tenant(tenant_id) as tx:
        rows = tx.rows("select outcome, count(*) as n from app.extension_execution_log group by 1 order by 1")
        totals = tx.rows("select * from app.extension_quota_usage order by install_id, period")
    return {
        "outcomes": {row["outcome"]: row["n"] for row in rows},
        "totals": [
            (str(row["install_id"])[-2:], row["calls"], row["failed_calls"], row["cpu_ms"], row["egress_bytes"])
            for row in totals
        ],
    }


# Exact


@pytest.mark.parametrize("seed", range(6))
def test_calls_in_any_order_repeated_within_and_across_batches_count_once(database: CountedDatabase, seed: int) -> None:
    chosen = random.Random(seed)
    messages = [message for number in range(12) for message in call(number)] * 3
    chosen.shuffle(messages)
    recorder = Recorder(database, PRODUCT)

    while messages:
        size = chosen.randint(1, 20)
        assert recorder.record(messages[:size]) == {}
        messages = messages[size:]

    assert seen(database) == {
        "outcomes": {"ok": 8, "trapped": 4},
        "totals": [("00", 12, 4, 12, 120)] * 2 + [("0a", 6, 2, 6, 60)] * 2 + [("aa", 6, 2, 6, 60)] * 2,
    }


def test_recorders_that_get_the_same_messages_at_once_count_each_call_once(databases: Databases) -> None:
    messages = [message for number in range(30) for message in call(number)]
    failed: list[Any] = []

    def work(seed: int) -> None:
        own = list(messages)
        random.Random(seed).shuffle(own)
        database = Database(databases.registry)
        failed.extend(Recorder(database, PRODUCT).record(own[:30]).values())
        failed.extend(Recorder(database, PRODUCT).record(own[30:]).values())
        database.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = Database(databases.registry)
    found = seen(reader)
    reader.close()

    assert failed == []
    assert found["outcomes"] == {"ok": 20, "trapped": 10}
    assert found["totals"][0] == ("00", 30, 10, 30, 300)


def test_a_batch_is_one_transaction_for_each_tenant(database: CountedDatabase) -> None:
    recorder = Recorder(database, PRODUCT)
    recorder.record(call(0))  # makes the day
    database.transactions = 0

    batch = [message for number in range(20) for message in call(number, f"tenant-{number % 2}")]
    assert recorder.record(batch) == {}

    assert database.transactions == 2
    assert seen(database, "tenant-1")["outcomes"] == {"ok": 7, "trapped": 3}


def test_calls_of_two_days_count_for_the_day_on_which_they_were_accepted(database: CountedDatabase) -> None:
    yesterday = NOW - timedelta(days=1)
    assert Recorder(database, PRODUCT).record([*call(1), *call(1, at=yesterday)]) == {}

    with database.tenant("tenant-a") as tx:
        totals = tx.rows("select period, calls from app.extension_quota_usage where install_id = :owner "
                         "and length(period) = 10 order by period", owner=TENANT_AS_INSTALL)  # fmt: skip
    assert totals == [{"period": f"{day:%Y-%m-%d}", "calls": 1} for day in (yesterday, NOW)]


def test_a_set_that_passes_several_thresholds_records_each_of_them_once(
    databases: Databases, database: CountedDatabase
) -> None:
    owner = Database(databases.owner)
    with owner.system() as tx:
        tx.execute(
            "insert into app.extension_limit (tenant_id, install_id, by_platform, changed_by) "
            "values ('tenant-a', :install_id, cast(:limits as jsonb), 't')",
            install_id=TENANT_AS_INSTALL,
            limits='{"quotas": {"day": {"calls": {"hard": 10}}}}',
        )
    owner.close()
    messages = [message for number in range(9) for message in call(number)]
    recorder = Recorder(database, PRODUCT)
    for _ in range(2):
        assert recorder.record(messages) == {}

    with database.tenant("tenant-a") as tx:
        events = tx.rows("select threshold, used from app.extension_quota_event order by event_id")
    assert [tuple(event.values()) for event in events] == [("50", 9), ("75", 9), ("90", 9)]


def counted(database: Database, tenant_id: str) -> int:
    """Return how many calls of a tenant are in the totals of its days."""
    with database.tenant(tenant_id) as tx:
        sql = "select sum(calls) as n from app.extension_quota_usage where install_id = :owner and length(period) = 10"
        return int(tx.one(sql, owner=TENANT_AS_INSTALL)["n"])


def test_a_recorder_that_is_killed_at_any_step_loses_no_call_and_counts_none_twice(world: RegistryWorld) -> None:
    """Each step is tried on new calls of two tenants, on a new day, and the whole batch comes again afterwards."""
    step, killed = 0, True
    with RegistryProcess(world) as process:
        while killed:
            step += 1
            at = NOW + timedelta(days=2 - step)
            event = sqs_event(*call(1, at=at), *call(2, at=at), *call(1, "tenant-b", at))
            killed = process.answer(event, "recorder", step) is None
            assert process.answer(event, "recorder", 1_000) == {"batchItemFailures": []}

            for tenant_id, calls in (("tenant-a", 2 * step), ("tenant-b", step)):
                assert seen(world.services.database, tenant_id)["outcomes"] == {"ok": calls}
                assert counted(world.services.database, tenant_id) == calls
    assert step > 12, "with a day that has to be made, a batch of two tenants has more steps than these"


# Days


def test_the_first_record_of_a_day_makes_the_day(databases: Databases, database: CountedDatabase) -> None:
    assert Recorder(database, PRODUCT).record(call(1)) == {}
    assert Recorder(database, PRODUCT).record(call(1, at=NOW - timedelta(days=1))) == {}

    assert seen(database)["outcomes"] == {"ok": 2}


def test_a_message_that_waited_for_two_weeks_is_recorded(database: CountedDatabase) -> None:
    assert Recorder(database, PRODUCT).record(call(1, at=NOW - timedelta(days=14))) == {}

    assert seen(database)["outcomes"] == {"ok": 1}


def test_a_message_of_an_older_gateway_with_a_random_id_is_recorded_on_the_day_of_its_acceptance(
    database: CountedDatabase,
) -> None:
    assert Recorder(database, PRODUCT).record(call(1, execution_id=str(uuid.uuid4()), path_template=None)) == {}

    with database.tenant("tenant-a") as tx:
        row = tx.one("select day, path_template from app.extension_execution_log")
    assert row == {"day": NOW.date(), "path_template": None}


# A message that cannot be recorded

POISON = {
    "an id that is none": {"execution_id": "x"},
    "an install that is none": {"install_id": "x"},
    "a NUL": {"path": "/\0"},
    "a lone surrogate": {"principal": "\ud800"},
    "a day long past": {"at": NOW - timedelta(days=400)},
    "a day far ahead": {"at": NOW + timedelta(days=40)},
    "a tenant that is none": {"tenant_id": "no/tenant"},
}


@pytest.mark.parametrize("changes", POISON.values(), ids=POISON)
def test_a_message_that_cannot_be_recorded_fails_alone(database: CountedDatabase, changes: dict[str, Any]) -> None:
    bad = call(1, **changes)[1]

    failed = Recorder(database, PRODUCT).record([*call(1), bad, *call(2), *call(3, "tenant-b")])

    assert [(place, error.code) for place, error in failed.items() if isinstance(error, PlatformError)] == [
        (2, "invalid_request")
    ]
    assert seen(database)["outcomes"] == {"ok": 2}
    assert seen(database, "tenant-b")["outcomes"] == {"trapped": 1}


def test_a_message_of_another_kind_fails_alone(database: CountedDatabase) -> None:
    failed = Recorder(database, PRODUCT).record([PrepareMessage(version_id="v", content_hash="h"), *call(1)])

    assert list(failed) == [0]
    assert seen(database)["outcomes"] == {"ok": 1}


def test_an_instant_without_an_offset_is_refused(database: CountedDatabase) -> None:
    accepted = call(1)[0]
    assert isinstance(accepted, ExecutionAccepted)
    accepted.at = f"{NOW:%Y-%m-%dT%H:%M:%S}"

    (error,) = Recorder(database, PRODUCT).record([accepted]).values()

    assert "has no offset" in str(error)


def test_a_tenant_whose_totals_are_locked_delays_no_other_tenant(
    databases: Databases, database: CountedDatabase
) -> None:
    """Only its own messages come again; the wait ends with the statement's time."""
    recorder = Recorder(database, PRODUCT, pause=_never)
    recorder.record([*call(1), *call(1, "tenant-b")])
    holder, hasty = Database(databases.registry), Database(databases.registry, statement_timeout_ms=300)
    with holder.tenant("tenant-a") as tx:
        tx.rows("select 1 from app.extension_quota_usage for update")
        failed = Recorder(hasty, PRODUCT, pause=_never).record([*call(1), *call(2), *call(2, "tenant-b")])
    holder.close()
    hasty.close()

    assert sorted(failed) == [0, 1, 2, 3]
    assert seen(database, "tenant-b")["outcomes"] == {"ok": 2}


# An outage


def _never(_: float) -> None:
    pytest.fail("there is nothing to wait for")


class _Unreachable(CountedDatabase):
    """A database whose connections are refused for some transactions."""

    unreachable = 0

    @contextmanager
    def tenant(self, tenant_id: str, timeout_ms: int | None = None, *, durable: bool = True) -> Iterator[Tx]:
        self.transactions += 1
        if self.transactions <= self.unreachable:
            database = Database(f"postgresql://u:p@127.0.0.1:{_closed_port()}/none?sslmode=disable")
            with database.tenant(tenant_id) as tx:
                yield tx
            return
        with Database.tenant(self, tenant_id, timeout_ms, durable=durable) as tx:
            yield tx


def _closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def outage(databases: Databases, transactions: int) -> tuple[Recorder, _Unreachable, list[float]]:
    database, pauses = _Unreachable(databases.registry), list[float]()
    database.unreachable = transactions
    return Recorder(database, PRODUCT, pause=pauses.append), database, pauses


def test_in_an_outage_a_batch_fails_after_two_tries_and_one_pause(databases: Databases) -> None:
    recorder, database, pauses = outage(databases, 1_000)
    batch = [message for number in range(10) for message in call(number, f"tenant-{number}")]

    failed = recorder.record(batch)

    assert sorted(failed) == list(range(20))
    assert {error.code for error in failed.values() if isinstance(error, PlatformError)} == {"database_unavailable"}
    assert (database.transactions, pauses) == (2, [recording.PAUSE_S])


def test_a_database_that_is_back_after_the_pause_gets_the_batch(databases: Databases) -> None:
    recorder, database, pauses = outage(databases, 1)

    assert recorder.record([*call(1), *call(2, "tenant-b")]) == {}

    assert pauses == [recording.PAUSE_S]
    assert seen(database)["outcomes"] == seen(database, "tenant-b")["outcomes"] == {"ok": 1}
    database.close()


def test_a_batch_whose_time_has_passed_is_not_begun_and_waits_for_nothing(database: CountedDatabase) -> None:
    instants = iter([0.0, *[recording.TIME_LIMIT_S] * 10])
    recorder = Recorder(database, PRODUCT, lambda: next(instants), _never)

    failed = recorder.record([*call(1), *call(2, "tenant-b")])

    assert sorted(failed) == [2, 3]
    assert seen(database)["outcomes"] == {"ok": 1}


def test_a_message_that_fails_when_the_time_has_passed_gives_the_others_no_error_of_its_own(
    database: CountedDatabase,
) -> None:
    instants = iter([0.0, *[recording.TIME_LIMIT_S] * 10])
    recorder = Recorder(database, PRODUCT, lambda: next(instants), _never)

    failed = recorder.record([call(1, install_id="x")[1], *call(2, "tenant-b")])

    codes = {place: error.code for place, error in failed.items() if isinstance(error, PlatformError)}
    assert codes == {0: "invalid_request", 1: "database_unavailable", 2: "database_unavailable"}


def test_the_recorder_ends_within_its_time_in_an_outage() -> None:
    """One transaction more may begin when the time is nearly over; a connection is waited for 3.25 s."""
    from topology.functions import RECORDER

    assert RECORDER.timeout_s > recording.TIME_LIMIT_S + recording.PAUSE_S + 3.25
