"""Usage: totals of the tenant, its installs and their endpoints by day and month, beside the quotas; kept for good."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from alga_ext.calls.envelope import Usage
from alga_ext.calls.limits import PRODUCT, TENANT_AS_INSTALL
from alga_ext.calls.messages import Message
from alga_ext.stores.database import Database
from functions.registry.api.paging import encode_cursor
from functions.registry.records import days
from functions.registry.records.recording import Recorder
from functions.registry.tenant_sweeping import sweep_tenants
from tests.registry.test_call_logs import OTHER_INSTALL, execution_id, make_day, record, recorded
from tests.registry.test_days import no_pause
from tests.registry.test_recorder import IDENTITY, accepted, finished, make_march
from tests.support.counted_database import CountedDatabase
from tests.support.registry import Answer, RegistryWorld

pytestmark = pytest.mark.one_day
INSTALL = IDENTITY["install_id"]
NOW = datetime.now(UTC)
TODAY, MONTH = f"{NOW:%Y-%m-%d}", f"{NOW:%Y-%m}"
MARCH = {"from": "2026-03-01", "to": "2026-03-31"}
ROUTES = pytest.mark.parametrize("route", ["/usage", "/usage/endpoints"])


@pytest.fixture(autouse=True)
def march(world: RegistryWorld) -> None:
    """The days that these tests use. The recorder itself makes only those near today."""
    make_march(world.databases)


def ask(world: RegistryWorld, route: str = "/usage", **query: str | int) -> Answer:
    return world.call("GET", route, world.tenant_viewer(), query=urlencode(query))


def items(world: RegistryWorld, route: str = "/usage", **query: str | int) -> list[dict[str, Any]]:
    """The items of all pages."""
    found, cursor = list[dict[str, Any]](), ""
    while cursor is not None:
        page = ask(world, route, **query, **({"cursor": cursor} if cursor else {}))
        assert page.status == 200, page
        found += page.body["items"]
        cursor = page.body["next_cursor"]
    return found


def calls(found: list[dict[str, Any]]) -> list[tuple[str | None, str, int]]:
    return [(item["install_id"], item["period"], item["calls"]) for item in found]


def used(**amounts: Any) -> Usage:
    return Usage(
        **{"duration_ms": 10.0, "cpu_ms": 2.0, "memory_peak_bytes": 100, "egress_bytes": 3, "log_bytes": 4} | amounts
    )


# The tenant and its installs


def test_the_present_month_of_the_tenant_and_of_each_install_is_listed(world: RegistryWorld) -> None:
    at = NOW.isoformat()
    record(world, accepted_at=at, at=at, usage=used())
    record(world, accepted_at=at, at=at, usage=used(memory_peak_bytes=700), status=500)
    record(world, accepted_at=at, at=at, usage=used(memory_peak_bytes=50), install_id=OTHER_INSTALL)

    amounts = {"duration_ms": 30.0, "cpu_ms": 6.0, "egress_bytes": 9, "log_bytes": 12}
    tenant, first, second = items(world)

    assert tenant == {
        "period": MONTH, "install_id": None, "calls": 3, "failed_calls": 1, "unknown_calls": 0,
        "memory_peak_bytes": 700, **amounts, "storage_bytes": 0, "quotas": tenant["quotas"],
    }  # fmt: skip
    assert [(row["install_id"], row["calls"], row["memory_peak_bytes"]) for row in (first, second)] == [
        (INSTALL, 2, 700),
        (OTHER_INSTALL, 1, 50),
    ]


def test_a_recorder_that_gets_a_smaller_call_later_keeps_the_largest_memory(world: RegistryWorld) -> None:
    for size in (500, 900, 100):
        record(world, usage=used(memory_peak_bytes=size))

    assert {row["memory_peak_bytes"] for row in items(world, **MARCH)} == {900}
    assert [row["memory_peak_bytes"] for row in items(world, "/usage/endpoints", **MARCH)] == [900]


def test_days_and_months_of_a_time_are_listed(world: RegistryWorld) -> None:
    for day in ("3-01", "3-01", "3-02", "4-01"):
        record(world, accepted_at=f"2026-0{day}T12:00:00+00:00")

    assert calls(items(world, period="day", install=INSTALL, **MARCH)) == [
        (INSTALL, "2026-03-01", 2), (INSTALL, "2026-03-02", 1),
    ]  # fmt: skip
    assert calls(items(world, install="tenant", **{"from": "2026-03-31", "to": "2026-04-30"})) == [
        (None, "2026-03", 3), (None, "2026-04", 1),
    ]  # fmt: skip
    assert calls(items(world, period="day", **{"from": "2026-03-02", "to": "2026-03-02"})) == [
        (None, "2026-03-02", 1), (INSTALL, "2026-03-02", 1),
    ]  # fmt: skip


def test_only_the_present_period_has_storage_and_quotas(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    store(published, install_id, "four")
    limit(
        published, TENANT_AS_INSTALL, '{"quotas": {"day": {"calls": {"hard": 9}}, "month": {"cpu_ms": {"warning": 5}}}}'
    )
    limit(published, install_id, '{"quotas": {"storage_bytes": {"hard": 1000}}}')
    record(published, install_id=install_id)

    assert [(row["storage_bytes"], row["quotas"]) for row in items(published, **MARCH)] == [(None, None)] * 2
    tenant, install = items(published)
    assert (tenant["storage_bytes"], install["storage_bytes"]) == (5, 5)
    assert tenant["quotas"]["cpu_ms"]["warning"] == 5
    assert install["quotas"]["storage_bytes"]["hard"] == 1000
    assert items(published, period="day")[0]["quotas"]["calls"]["hard"] == 9


def test_in_the_present_period_owners_without_a_call_are_listed(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    assert calls(items(published)) == [(None, MONTH, 0)]

    store(published, install_id, "four")

    assert calls(items(published)) == [(None, MONTH, 0), (install_id, MONTH, 0)]
    assert calls(items(published, install=install_id, period="day")) == [(install_id, TODAY, 0)]
    assert items(published, **MARCH) == []


def store(world: RegistryWorld, install_id: str, value: str) -> None:
    """Store an entry as the runner does."""
    owner = Database(world.databases.owner)
    with owner.tenant("tenant-a") as tx:
        tx.execute(
            "insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value) "
            "values ('tenant-a', :install_id, 'n', 'k', cast(:value as bytea))",
            install_id=install_id,
            value=value.encode(),
        )
    owner.close()


def limit(world: RegistryWorld, install_id: str, document: str) -> None:
    owner = Database(world.databases.owner)
    with owner.tenant("tenant-a") as tx:
        tx.execute(
            "insert into app.extension_limit (tenant_id, install_id, by_platform, changed_by) "
            "values ('tenant-a', :install_id, cast(:document as jsonb), 't')",
            install_id=install_id,
            document=document,
        )
    owner.close()


# Endpoints


def test_each_endpoint_has_totals_by_its_declared_path(world: RegistryWorld) -> None:
    record(world, path="/notes/7", usage=used())
    record(world, path="/notes/8", usage=used(), status=500)
    record(world, path="/notes", path_template="/notes", method="POST", usage=used())
    record(world, path="/notes/9", usage=used(), accepted_at="2026-03-02T00:00:00+00:00")

    by_id, posted = items(world, "/usage/endpoints", **MARCH)

    assert by_id == {
        "period": "2026-03", "install_id": INSTALL, "method": "GET", "path_template": "/notes/:id", "calls": 3,
        "failed_calls": 1, "unknown_calls": 0, "duration_ms": 30.0, "cpu_ms": 6.0, "memory_peak_bytes": 100,
        "egress_bytes": 9, "log_bytes": 12,
    }  # fmt: skip
    assert (posted["method"], posted["path_template"], posted["calls"]) == ("POST", "/notes", 1)
    by_day = items(world, "/usage/endpoints", period="day", **MARCH)
    assert calls(by_day) == [(INSTALL, "2026-03-01", 2), (INSTALL, "2026-03-02", 1), (INSTALL, "2026-03-01", 1)]


def test_a_month_is_whole_whichever_of_its_days_is_asked_for(world: RegistryWorld) -> None:
    for day in ("3-01", "3-02", "4-01"):
        record(world, accepted_at=f"2026-0{day}T12:00:00+00:00")

    found = items(world, "/usage/endpoints", **{"from": "2026-03-02", "to": "2026-03-02"})

    assert calls(found) == [(INSTALL, "2026-03", 2)]


def test_a_call_of_an_older_gateway_has_no_declared_path(world: RegistryWorld) -> None:
    record(world, path_template=None)

    assert [row["path_template"] for row in items(world, "/usage/endpoints", **MARCH)] == [None]


def test_totals_of_endpoints_have_neither_the_path_that_was_called_nor_the_caller(world: RegistryWorld) -> None:
    record(world, path="/canary-path", principal="canary-user")

    assert "canary" not in str(world.rows("select * from app.extension_endpoint_total"))


def test_totals_outlive_the_records(world: RegistryWorld) -> None:
    old = NOW - timedelta(days=100)
    make_day(world, old.date())
    record(world, accepted_at=old.isoformat())
    for _ in range(2):
        days.sweep(world.services.database, timedelta(days=90), timedelta(days=14), timedelta(days=400), no_pause)

    asked = {"period": "day", "from": f"{old:%Y-%m-%d}", "to": f"{old:%Y-%m-%d}"}
    assert world.rows("select 1 from app.extension_execution_log") == []
    assert [row["calls"] for route in ("/usage", "/usage/endpoints") for row in items(world, route, **asked)] == [1] * 3


# Each call counts once


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_call_counts_once_for_its_endpoint_whatever_the_order_of_its_messages(
    world: RegistryWorld, order: tuple[int, ...]
) -> None:
    messages: list[Message] = [accepted(), accepted(), finished(), finished()]
    for index in order:
        recorded(world, messages[index])

    assert [(row["calls"], row["unknown_calls"]) for row in items(world, "/usage/endpoints", **MARCH)] == [(1, 0)]


def test_a_call_whose_outcome_was_lost_counts_as_unknown_and_later_as_finished(world: RegistryWorld) -> None:
    at = (NOW - timedelta(minutes=20)).isoformat()
    lost = [execution_id(at) for _ in range(3)]
    recorded(world, *(accepted(execution_id=call, at=at) for call in lost))

    def counts(route: str) -> list[tuple[int, int, int]]:
        found = items(world, route, **{"from": at[:10], "to": at[:10]})
        return [(row["calls"], row["failed_calls"], row["unknown_calls"]) for row in found]

    assert counts("/usage/endpoints") == []
    for _ in range(2):
        sweep_tenants(world.services.database, NOW, timedelta(days=7))
    assert (counts("/usage/endpoints"), counts("/usage")) == ([(0, 0, 3)], [(0, 0, 3)] * 2)

    for _ in range(2):
        recorded(world, finished(execution_id=lost[0], accepted_at=at, at=at, status=500))
    assert (counts("/usage/endpoints"), counts("/usage")) == ([(1, 1, 2)], [(1, 1, 2)] * 2)


@pytest.mark.parametrize("period", ["day", "month"])
@pytest.mark.parametrize("install", [None, "tenant", INSTALL, OTHER_INSTALL])
def test_calls_with_an_unknown_outcome_are_listed_by_owner_and_period(
    world: RegistryWorld, period: str, install: str | None
) -> None:
    lost = (("2026-03-01", INSTALL, 2), ("2026-03-02", OTHER_INSTALL, 1), ("2026-04-01", OTHER_INSTALL, 4))
    for day, owner, count in lost:
        at = f"{day}T12:00:00+00:00"
        recorded(world, *(accepted(execution_id=execution_id(at), at=at, install_id=owner) for _ in range(count)))
        sweep_tenants(world.services.database, datetime.fromisoformat(at) + timedelta(hours=1), timedelta(days=7))
    record(world, accepted_at="2026-03-01T12:00:00+00:00", path_template="/other")
    asked = {"period": period, "from": "2026-03-01", "to": "2026-04-01"} | ({"install": install} if install else {})

    found = items(world, **asked)

    names = [day if period == "day" else day[:7] for day, _, _ in lost]
    expected = dict[tuple[str | None, str], int]()
    for name, (_, owner, count) in zip(names, lost, strict=True):
        for each in (None, owner):
            if install is None or install == (each or "tenant"):
                expected[each, name] = expected.get((each, name), 0) + count
    assert {(row["install_id"], row["period"]): row["unknown_calls"] for row in found} == expected
    assert sum(row["calls"] for row in found) == {None: 2, "tenant": 1, INSTALL: 1, OTHER_INSTALL: 0}[install]
    for page_size in (1, 2):
        assert items(world, page_size=page_size, **asked) == found


def test_recording_endpoints_needs_no_further_statement(world: RegistryWorld) -> None:
    database = CountedDatabase(world.databases.registry)
    messages = [
        finished(execution_id=execution_id("2026-03-01T10:00:00+00:00"), path_template=f"/{n}") for n in range(9)
    ]

    assert Recorder(database, PRODUCT).record(messages) == {}

    assert database.transactions == 1
    assert len(items(world, "/usage/endpoints", **MARCH)) == 9
    database.close()


# Pages


@ROUTES
@pytest.mark.parametrize("period", ["day", "month"])
def test_pages_of_each_size_list_every_total_once(world: RegistryWorld, route: str, period: str) -> None:
    for day, install, template in itertools.product(("3-01", "3-02", "4-01"), (INSTALL, OTHER_INSTALL), ("/a", "/b")):
        at = f"2026-0{day}T12:00:00+00:00"
        record(world, accepted_at=at, install_id=install, path_template=template)
    asked = {"period": period, "from": "2026-03-01", "to": "2026-04-30"}
    whole = items(world, route, **asked)

    assert len(whole) == {"/usage": 9, "/usage/endpoints": 12}[route] * (2 if period == "month" else 3) // 3
    for page_size in (1, 2, 5):
        assert items(world, route, page_size=page_size, **asked) == whole


@ROUTES
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"period": "week"}, "period"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "is after to"),
        ({"from": "soon"}, "from"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": encode_cursor("x", "GET", "/", "2026-03-01")}, "cursor"),
        ({"cursor": encode_cursor("x", "2026-03")}, "cursor"),
        ({"cursor": encode_cursor(INSTALL, "GET", "/", "2026-02-30")}, "cursor"),
    ],
)
def test_usage_that_cannot_be_given_is_refused(
    world: RegistryWorld, route: str, query: dict[str, str], says: str
) -> None:
    answer = ask(world, route, **query)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert says in answer.body["detail"]


@ROUTES
def test_usage_of_what_is_not_an_install_is_refused(world: RegistryWorld, route: str) -> None:
    assert ask(world, route, install="x").code == "install_not_found"


@pytest.mark.parametrize(("first", "status"), [("2025-01-02", 200), ("2025-01-01", 400)])
def test_366_periods_may_be_asked_for_at_once(world: RegistryWorld, first: str, status: int) -> None:
    answer = ask(world, period="day", **{"from": first, "to": "2026-01-02"})

    assert answer.status == status
    assert status == 200 or "at most 366" in answer.body["detail"]


@ROUTES
def test_usage_of_other_tenants_is_not_listed(world: RegistryWorld, route: str) -> None:
    record(world, tenant_id="tenant-b")

    assert items(world, route, **MARCH) == []
    assert items(world, route, install=INSTALL, **MARCH) == []
