"""Metrics in the database: each call counts once, a tenant sees its own, the platform's totals name no tenant."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.calls.envelope import MetricTotal
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry import sweeping
from functions.registry.metering import counting, reading
from tests.registry.test_recorder import finished
from tests.registry.test_recorder import record as record_message
from tests.support.emitted import totals
from tests.support.openmetrics import families
from tests.support.registry import RegistryWorld

pytestmark = pytest.mark.one_day
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


def emitted(name: str, *values: float) -> MetricTotal:
    return MetricTotal(name=name, unit="Count", count=len(values), sum=sum(values), min=min(values), max=max(values))


def execution(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def record(world: RegistryWorld, number: int, **changes: Any) -> None:
    at = f"{datetime.now(UTC).isoformat()}"
    message = finished(execution_id=execution(number), accepted_at=at, at=at, **changes)
    record_message(world.services.database, message)


def scraped(world: RegistryWorld) -> dict[str, list[Any]]:
    answer = world.call("GET", "/metrics", world.admin)
    assert (answer.status, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    assert answer.body.endswith("# EOF\n")
    return {name: family.samples for name, family in families(answer.body).items()}


def values(samples: list[Any], label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in samples}


# Metrics of an install


def test_a_tenant_reads_the_totals_of_its_install_by_day_and_name(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    record(published, 1, install_id=install_id, metrics=[emitted("orders", 2, 3), emitted("errors", 1)])
    record(published, 2, install_id=install_id, metrics=[emitted("orders", -1)])

    answer = published.call("GET", f"/installs/{install_id}/metrics", published.tenant_viewer())

    assert answer.body["items"] == [
        {"day": TODAY, "name": "errors", "unit": "Count", "count": 1, "sum": 1, "min": 1, "max": 1},
        {"day": TODAY, "name": "orders", "unit": "Count", "count": 3, "sum": 4, "min": -1, "max": 3},
    ]


def test_a_message_that_comes_twice_counts_once(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    for _ in range(2):
        record(published, 1, install_id=install_id, metrics=[emitted("orders", 2)])

    answer = published.call("GET", f"/installs/{install_id}/metrics", published.tenant_viewer())
    assert [item["count"] for item in answer.body["items"]] == [1]
    assert values(scraped(published)["alga_ext_calls"], "outcome") == {"ok": 1}


def test_pages_end_where_the_next_one_begins(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    names = [f"m{number}" for number in range(5)]
    record(published, 1, install_id=install_id, metrics=[emitted(name, 1) for name in names])

    found, cursor = [], ""
    while cursor is not None:
        query = f"page_size=2{f'&cursor={cursor}' if cursor else ''}"
        page = published.call("GET", f"/installs/{install_id}/metrics", published.tenant_viewer(), query=query).body
        found += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == names


def test_days_outside_of_the_asked_range_are_left_out(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    record(published, 1, install_id=install_id, metrics=[emitted("orders", 2)])

    path, viewer = f"/installs/{install_id}/metrics", published.tenant_viewer()
    assert published.call("GET", path, viewer, query="last_day=2020-01-01").body["items"] == []
    assert len(published.call("GET", path, viewer, query=f"first_day={TODAY}&last_day={TODAY}").body["items"]) == 1


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
def test_a_query_that_cannot_be_read_is_refused(published: RegistryWorld, query: str) -> None:
    install_id = published.install()["install_id"]

    answer = published.call("GET", f"/installs/{install_id}/metrics", published.tenant_viewer(), query=query)

    assert (answer.status, answer.code) == (400, "invalid_request")


def test_another_tenant_does_not_find_the_install(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    record(published, 1, install_id=install_id, metrics=[emitted("orders", 2)])

    other = published.token(sub="b", roles=["tenant_viewer"], tenant_id="tenant-b")
    answer = published.call("GET", f"/installs/{install_id}/metrics", other)

    assert (answer.status, answer.code) == (404, "install_not_found")


def test_a_row_of_another_tenant_is_not_read(published: RegistryWorld) -> None:
    record(published, 1, tenant_id="tenant-b", metrics=[emitted("orders", 2)])

    with published.services.database.tenant("tenant-a") as tx:
        assert tx.rows("select 1 from app.extension_metric_total") == []


# Totals of the platform


def test_calls_are_exposed_by_outcome_over_all_tenants(world: RegistryWorld) -> None:
    record(world, 1)
    record(world, 2, tenant_id="tenant-b")
    record(world, 3, status=504, error_code="guest_timeout")

    found = scraped(world)
    assert values(found["alga_ext_calls"], "outcome") == {"ok": 2, "timeout": 1}
    buckets = [sample for sample in found["alga_ext_call_duration_seconds"] if sample.labels.get("le") == "+Inf"]
    assert values(buckets, "outcome") == {"ok": 2, "timeout": 1}
    assert [sample.value for sample in found["alga_ext_active_tenants"]] == [2]


def test_rows_of_all_shards_are_added(world: RegistryWorld) -> None:
    for number in range(16):
        record(world, number)

    with world.services.database.system() as tx:
        rows = tx.rows("select shard, calls from app.platform_call_total order by shard")
    assert rows == [{"shard": shard, "calls": 2} for shard in range(8)]
    assert values(scraped(world)["alga_ext_calls"], "outcome") == {"ok": 16}


def test_extensions_are_named_and_those_beyond_the_busiest_are_other(
    published: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = published.install()
    for number in range(3):
        record(published, number, extension_id=install["extension_id"])
    for number in range(3, 5):
        record(published, number, extension_id="00000000-0000-0000-0000-0000000000f0")
    record(published, 5, extension_id="00000000-0000-0000-0000-0000000000f1", status=500)
    monkeypatch.setattr(reading, "BUSIEST", 2)

    found = scraped(published)
    assert values(found["alga_ext_extension_calls"], "extension") == {
        "com.acme.notes": 3,
        "00000000-0000-0000-0000-0000000000f0": 2,
        "other": 1,
    }
    assert values(found["alga_ext_extension_failed_calls"], "extension")["other"] == 1


def test_two_hundred_extensions_have_a_label(world: RegistryWorld) -> None:
    for number in range(203):
        with world.services.database.tenant("tenant-a") as tx:
            call = finished(execution_id=execution(number), extension_id=execution(number))
            counting.count_metrics(tx, [call], datetime.now(UTC))

    found = values(scraped(world)["alga_ext_extension_calls"], "extension")
    assert (len(found), found["other"]) == (201, 3)


def test_recorders_that_add_to_the_same_rows_wait_and_do_not_fail(world: RegistryWorld) -> None:
    faults: list[BaseException] = []

    def add(tenant_id: str) -> None:
        database = Database(world.databases.registry)
        try:
            for number in range(20):
                codes = [None, "guest_timeout", "internal"]
                calls = [
                    finished(
                        tenant_id=tenant_id,
                        execution_id=execution(0),
                        extension_id=execution(place % 2),
                        error_code=codes[(number + place) % 3],
                    )
                    for place in range(3)
                ]
                with database.tenant(tenant_id) as tx:
                    counting.count_metrics(tx, calls, datetime.now(UTC))
        except BaseException as error:  # noqa: BLE001 - seen in the test's own thread
            faults.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=add, args=(f"tenant-{letter}",)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    found = values(scraped(world)["alga_ext_calls"], "outcome")
    assert found == {"ok": 80, "timeout": 80, "platform_error": 80}


def test_a_call_that_is_not_recorded_is_not_counted(world: RegistryWorld) -> None:
    class LostError(Exception):
        pass

    def lose() -> None:
        with world.services.database.tenant("tenant-a") as tx:
            counting.count_metrics(tx, [finished(metrics=[emitted("orders", 1)])], datetime.now(UTC))
            raise LostError

    with pytest.raises(LostError):
        lose()

    assert scraped(world)["alga_ext_calls"] == []


def test_the_exposition_has_no_text_of_a_tenant(published: RegistryWorld) -> None:
    canaries = {"tenant_id": "tenant-canary", "path": "/canary-path", "principal": "canary-user"}
    record(published, 1, **canaries, request_id="canary-request", metrics=[emitted("canary.metric", 1)])

    assert "canary" not in published.call("GET", "/metrics", published.admin).body


def test_gateways_and_runners_do_not_see_the_totals(world: RegistryWorld) -> None:
    for role in ("gateway", "runner"):
        database = Database(getattr(world.databases, role))
        with pytest.raises(PlatformError), database.system() as tx:
            tx.rows("select 1 from app.platform_call_total")
        database.close()


# What recorder and sweeper write to their logs


def test_the_recorder_writes_how_late_it_is(world: RegistryWorld, capsys: pytest.CaptureFixture[str]) -> None:
    ended = datetime.now(UTC) - timedelta(seconds=90)
    message = finished(execution_id=execution(1), accepted_at=ended.isoformat(), at=ended.isoformat())

    record_message(world.services.database, message)

    assert 90_000 <= totals(capsys.readouterr().out)["RecorderLag"] < 150_000


def test_the_sweeper_writes_how_many_tenants_had_a_call(
    world: RegistryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    for number, (tenant_id, minutes) in enumerate([("tenant-a", 1), ("tenant-b", 14), ("tenant-c", 16)]):
        at = (now - timedelta(minutes=minutes)).isoformat()
        message = finished(execution_id=execution(number), tenant_id=tenant_id, accepted_at=at, at=at)
        record_message(world.services.database, message)
    capsys.readouterr()

    assert sweeping.report_tenants(world.services.database, now) == {}

    assert totals(capsys.readouterr().out) == {"DistinctTenants": 2}
