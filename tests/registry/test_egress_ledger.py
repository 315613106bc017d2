"""The egress ledger: each call counts once, bounded whatever a guest requests, and a tenant reads its own."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.egress_totals import OTHER, TOTALS_LIMIT
from alga_ext.calls.envelope import EgressTotal
from alga_ext.calls.limits import PRODUCT
from alga_ext.stores.database import Database
from functions.registry.records import egress_days
from functions.registry.records.recording import Recorder
from functions.registry.settings import SweeperSettings
from tests.registry.test_call_logs import make_day
from tests.registry.test_recorder import finished
from tests.registry.test_ui_invalidation import REQUIRED
from tests.support.registry import RegistryWorld

pytestmark = pytest.mark.one_day
INSTALL, SECOND = (f"00000000-0000-0000-0000-00000000000{digit}" for digit in "ab")
TODAY = datetime.now(UTC).date()


def total(destination: str, requests: int = 0, refused: int = 0, sent: int = 0, received: int = 0) -> EgressTotal:
    return EgressTotal(
        destination=destination, requests=requests, refused=refused, bytes_sent=sent, bytes_received=received
    )


def message(number: int, *egress: EgressTotal, age_days: int = 0, **changes: Any) -> Any:
    at = (datetime.now(UTC) - timedelta(days=age_days)).isoformat()
    execution_id = f"00000000-0000-4000-8000-{number:012x}"
    return finished(execution_id=execution_id, accepted_at=at, at=at, egress=list(egress), **changes)


def record(world: RegistryWorld, *messages: Any) -> None:
    assert Recorder(world.services.database, PRODUCT).record(messages) == {}


def listed(world: RegistryWorld, query: str = "", token: str | None = None) -> list[dict[str, Any]]:
    answer = world.call("GET", "/egress", token or world.tenant_viewer(), query=query)
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = answer.body["items"]
    return items


def rows(world: RegistryWorld) -> dict[str, tuple[int, int]]:
    found = world.rows("select destination, requests, refused from app.extension_egress_day")
    return {row["destination"]: (row["requests"], row["refused"]) for row in found}


def test_a_tenant_reads_the_sums_of_each_install_and_destination(world: RegistryWorld) -> None:
    record(
        world,
        message(1, total("a.example", 1, 0, 100, 200), total("http://b.example:8080", 0, 3)),
        message(2, total("a.example", 2, 1, 10, 20)),
        message(3, total("a.example", 5), install_id=SECOND),
    )

    assert listed(world) == [
        {
            "install_id": INSTALL,
            "destination": "a.example",
            "requests": 3,
            "bytes_sent": 110,
            "bytes_received": 220,
            "refused": 1,
        },
        {
            "install_id": INSTALL,
            "destination": "http://b.example:8080",
            "requests": 0,
            "bytes_sent": 0,
            "bytes_received": 0,
            "refused": 3,
        },
        {
            "install_id": SECOND,
            "destination": "a.example",
            "requests": 5,
            "bytes_sent": 0,
            "bytes_received": 0,
            "refused": 0,
        },
    ]
    assert [item["requests"] for item in listed(world, f"install={SECOND}")] == [5]


def test_a_message_that_comes_again_counts_once(world: RegistryWorld) -> None:
    one = message(1, total("a.example", 1))
    record(world, one, one)
    record(world, one)

    assert rows(world) == {"a.example": (1, 0)}


def test_a_message_of_a_gateway_that_knows_no_destinations_is_recorded(world: RegistryWorld) -> None:
    record(world, message(1))

    assert (rows(world), len(world.rows("select 1 from app.extension_execution_log"))) == ({}, 1)


def test_pages_end_where_the_next_one_begins(world: RegistryWorld) -> None:
    names = [f"h{number}.example" for number in range(5)]
    record(world, message(1, *(total(name, 1) for name in names)))

    found, cursor = [], ""
    while cursor is not None:
        query = f"page_size=2{f'&cursor={cursor}' if cursor else ''}"
        page = world.call("GET", "/egress", world.tenant_viewer(), query=query).body
        found += [item["destination"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == names


def test_days_outside_of_the_asked_range_are_left_out(world: RegistryWorld) -> None:
    make_day(world, TODAY - timedelta(days=40))
    record(world, message(1, total("old.example", 1), age_days=40), message(2, total("new.example", 1)))

    assert [item["destination"] for item in listed(world)] == ["new.example"]
    old = TODAY - timedelta(days=40)
    assert [item["destination"] for item in listed(world, f"first_day={old}&last_day={old}")] == ["old.example"]


@pytest.mark.parametrize(
    "query",
    [
        "first_day=yesterday",
        "last_day=2026-13-01",
        "first_day=2026-03-02&last_day=2026-03-01",
        "first_day=9999-01-01",
        "page_size=0",
        "cursor=x",
        "cursor=WyJ4IiwieSJd",
    ],
)
def test_a_query_that_cannot_be_read_is_refused(world: RegistryWorld, query: str) -> None:
    answer = world.call("GET", "/egress", world.tenant_viewer(), query=query)

    assert (answer.status, answer.code) == (400, "invalid_request")


def test_another_tenant_reads_none_of_it(world: RegistryWorld) -> None:
    record(world, message(1, total("a.example", 1)))

    other = world.token(sub="b", roles=["tenant_viewer"], tenant_id="tenant-b")
    assert listed(world, token=other) == []
    assert listed(world, f"install={INSTALL}", token=other) == []


# A guest chooses destinations freely


def test_a_day_of_an_install_names_a_bounded_number_of_destinations(world: RegistryWorld) -> None:
    made = [
        message(number, *(total(f"h{number}-{each}.example", 1) for each in range(TOTALS_LIMIT)))
        for number in range(10)
    ]
    for one in made:
        record(world, one)

    found = rows(world)
    assert len(found) == egress_days.DESTINATIONS_LIMIT + 1
    assert found[OTHER] == (10 * TOTALS_LIMIT - egress_days.DESTINATIONS_LIMIT, 0)


def test_one_batch_is_bounded_as_many_are(world: RegistryWorld) -> None:
    record(
        world,
        *(
            message(number, *(total(f"h{number}-{each}.example", 1) for each in range(TOTALS_LIMIT)))
            for number in range(10)
        ),
    )

    assert len(rows(world)) == egress_days.DESTINATIONS_LIMIT + 1


def test_a_named_destination_still_counts_when_no_other_is_named_any_more(world: RegistryWorld) -> None:
    record(world, *(message(n, *(total(f"h{n}-{m}.example", 1) for m in range(50))) for n in range(10)))
    record(world, message(99, total("h0-0.example", 7), total("late.example", 5)))

    found = rows(world)
    assert (found["h0-0.example"], found[OTHER]) == ((8, 0), (5, 0))


def test_refused_destinations_do_not_take_the_place_of_those_that_are_reached(world: RegistryWorld) -> None:
    refused = [message(n, *(total(f"h{n}-{m}.example", 0, 9) for m in range(TOTALS_LIMIT))) for n in range(10)]
    record(world, *refused)
    record(world, message(99, total("granted.example", 1)))

    found = rows(world)
    assert found["granted.example"] == (1, 0)
    assert len(found) == egress_days.REFUSED_LIMIT + 2
    assert sum(count for _, count in found.values()) == 10 * TOTALS_LIMIT * 9


def test_recorders_side_by_side_stay_within_the_bound_and_lose_nothing(world: RegistryWorld) -> None:
    failures: list[Any] = []

    def work(worker: int) -> None:
        database = Database(world.databases.registry)
        for number in range(4):
            egress = [total(f"w{worker}-{number}-{each}.example", 1) for each in reversed(range(50))]
            failures.extend(Recorder(database, PRODUCT).record([message(100 * worker + number, *egress)]).values())
        database.close()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = rows(world)
    assert failures == []
    assert len(found) == egress_days.DESTINATIONS_LIMIT + 1
    assert sum(requests for requests, _ in found.values()) == 4 * 4 * 50


def test_the_retention_is_a_setting_and_longer_than_that_of_records() -> None:
    settings = SweeperSettings.read(REQUIRED)
    assert (settings.egress_retention_days, settings.execution_retention_days) == (400, 90)
