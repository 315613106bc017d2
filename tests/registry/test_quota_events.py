"""Quota events: once for each threshold that a total or the storage reaches in a period, whoever counts."""

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from alga_ext.calls.envelope import Usage
from alga_ext.calls.limits import PRODUCT, TENANT_AS_INSTALL, Amount, Quota, parse_defaults
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.limiting import quota_events
from functions.registry.records.recording import Recorder
from tests.conftest import Databases
from tests.registry.test_lifecycle_events import SCHEMAS
from tests.registry.test_recorder import IDENTITY, finished, make_march
from tests.support.registry import RegistryWorld
from tests.support.rows import fill_tenant

INSTALL, OTHER = IDENTITY["install_id"], "00000000-0000-0000-0000-0000000000aa"
DAY, MONTH = "2026-03-01", "2026-03"


class Scene:
    """A recorder and the rows that it writes."""

    def __init__(self, databases: Databases) -> None:
        self.databases = databases
        make_march(databases)
        self.database = Database(databases.registry)
        self.owner = Database(databases.owner)

    def limit(self, quotas: Any, install_id: str = INSTALL, tenant_id: str = "tenant-a", by: str = "platform") -> None:
        document = quotas if isinstance(quotas, str) else json.dumps({"quotas": quotas})
        with self.owner.tenant(tenant_id) as tx:
            tx.execute(
                f"insert into app.extension_limit (tenant_id, install_id, by_{by}, changed_by) "
                f"values (:tenant_id, :install_id, cast(:document as jsonb), 't') "
                f"on conflict (tenant_id, install_id) do update set by_{by} = excluded.by_{by}",
                tenant_id=tenant_id,
                install_id=install_id,
                document=document,
            )

    def record(self, calls: int = 1, database: Database | None = None, defaults: Any = PRODUCT, **changes: Any) -> None:
        for _ in range(calls):
            message = finished(**{"execution_id": str(uuid.uuid4()), "usage": Usage(), **changes})
            for error in Recorder(database or self.database, defaults).record([message]).values():
                raise error

    def events(self, tenant_id: str = "tenant-a") -> list[tuple[str, str, str, str]]:
        """Owner, period, metric and threshold of each event, oldest first."""
        with self.owner.tenant(tenant_id) as tx:
            rows = tx.rows(
                "select * from app.extension_quota_event where tenant_id = :tenant_id order by event_id",
                tenant_id=tenant_id,
            )
        owners = {TENANT_AS_INSTALL: "tenant", INSTALL: "install", OTHER: "other"}
        return [
            (owners.get(str(row["install_id"]), "?"), row["period"], row["metric"], row["threshold"]) for row in rows
        ]


@pytest.fixture
def scene(databases: Databases) -> Iterator[Scene]:
    made = Scene(databases)
    yield made
    made.database.close()
    made.owner.close()


def day_calls(**amount: int) -> Any:
    return {"day": {"calls": amount}}


# The decision


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (0, []),
        (49.9, []),
        (50, ["50"]),
        (74.999, ["50"]),
        (75, ["50", "75"]),
        (90, ["50", "75", "90"]),
        (99, ["50", "75", "90"]),
        (100, ["50", "75", "90", "100"]),
        (1e9, ["50", "75", "90", "100"]),
    ],
)
def test_a_part_of_a_hard_limit_is_reached_when_it_is_used(used: float, expected: list[str]) -> None:
    quotas = [Quota("day", "calls", Amount(hard=100))]
    assert [one.threshold for one in quota_events.newly_reached(quotas, {"calls": used}, [])] == expected


@pytest.mark.parametrize(("used", "expected"), [(39, []), (40, ["warning"])])
def test_a_warning_is_reached_without_a_hard_limit(used: int, expected: list[str]) -> None:
    quotas = [Quota("day", "calls", Amount(warning=40))]
    assert [one.threshold for one in quota_events.newly_reached(quotas, {"calls": used}, [])] == expected


def test_what_is_known_is_not_reached_again() -> None:
    quotas = [Quota("day", "calls", Amount(hard=100))]
    assert quota_events.newly_reached(quotas, {"calls": 60}, ["calls:50"]) == []


def test_an_event_says_how_much_of_which_limit() -> None:
    quotas = [Quota("day", "cpu_ms", Amount(warning=70, hard=100))]
    found = quota_events.newly_reached(quotas, {"cpu_ms": 80.9}, ["cpu_ms:50"])
    assert [(one.threshold, one.used, one.limited_to) for one in found] == [("75", 80, 100), ("warning", 80, 70)]


# The recorder


def test_each_threshold_is_recorded_once_as_calls_are_counted(scene: Scene) -> None:
    scene.limit(day_calls(hard=8, warning=5))
    seen = []
    for _ in range(10):
        scene.record()
        seen.append([threshold for *_, threshold in scene.events()])
    assert seen[2] == []
    assert seen[3] == ["50"]
    assert seen[4] == ["50", "warning"]
    assert seen[5] == ["50", "warning", "75"]
    assert seen[7] == seen[9] == ["50", "warning", "75", "90", "100"]


@pytest.mark.parametrize(
    ("changes", "hops"), [({}, 0), ({"principal": "system:event", "hops": 3}, 4)], ids=["a user's call", "a delivery"]
)
def test_each_event_is_published_once_in_the_same_transaction(scene: Scene, changes: dict[str, Any], hops: int) -> None:
    scene.limit(day_calls(hard=2))
    scene.record(2, **changes)
    with scene.owner.tenant("tenant-a") as tx:
        rows = tx.rows("select body from app.extension_event where topic = 'quota.warning' order by received_at")
    told = [json.loads(row["body"]) for row in rows]

    for event in told:
        jsonschema.validate(event["data"], SCHEMAS["quota.warning"])
    assert [event["data"]["threshold"] for event in told] == [threshold for *_, threshold in scene.events()]
    assert {event["algahops"] for event in told} == {hops}
    assert {event["data"]["install_id"] for event in told} == {INSTALL}


def test_a_message_that_comes_twice_counts_once(scene: Scene) -> None:
    scene.limit(day_calls(hard=2))
    for _ in range(3):
        scene.record(execution_id=IDENTITY["execution_id"])
    assert [threshold for *_, threshold in scene.events()] == ["50"]


@pytest.mark.parametrize(
    ("metric", "usage"),
    [
        ("calls", Usage()),
        ("cpu_ms", Usage(cpu_ms=1.0)),
        ("egress_bytes", Usage(egress_bytes=1)),
        ("log_bytes", Usage(log_bytes=1)),
    ],
)
@pytest.mark.parametrize(("period", "name"), [("day", DAY), ("month", MONTH)])
@pytest.mark.parametrize(("owner", "owner_id"), [("install", INSTALL), ("tenant", TENANT_AS_INSTALL)])
def test_every_metric_has_events_in_both_periods_of_both_owners(
    scene: Scene, owner: str, owner_id: str, period: str, name: str, metric: str, usage: Usage
) -> None:
    scene.limit({period: {metric: {"hard": 2}}}, owner_id)
    scene.record(usage=usage)
    assert scene.events() == [(owner, name, metric, "50")]


def test_calls_of_two_installs_add_up_for_their_tenant(scene: Scene) -> None:
    scene.limit(day_calls(hard=4), TENANT_AS_INSTALL)
    scene.record()
    scene.record(install_id=OTHER)
    assert scene.events() == [("tenant", DAY, "calls", "50")]


def test_another_tenants_calls_do_not_count(scene: Scene) -> None:
    scene.limit(day_calls(hard=2), TENANT_AS_INSTALL)
    scene.record(calls=5, tenant_id="tenant-b")
    assert scene.events() == scene.events("tenant-b") == []


def test_a_new_day_has_its_own_events(scene: Scene) -> None:
    scene.limit(day_calls(hard=2))
    scene.record()
    scene.record(accepted_at="2026-03-02T00:00:00+00:00")
    assert [period for _, period, *_ in scene.events()] == [DAY, "2026-03-02"]


def test_the_lower_limit_of_platform_and_tenant_counts(scene: Scene) -> None:
    scene.limit(day_calls(hard=100))
    scene.limit(day_calls(hard=2), by="tenant")
    scene.record()
    assert [threshold for *_, threshold in scene.events()] == ["50"]


def test_a_limit_that_is_lowered_below_the_total_tells_at_the_next_call(scene: Scene) -> None:
    scene.limit(day_calls(hard=100))
    scene.record(calls=3)
    assert scene.events() == []
    scene.limit(day_calls(hard=4))
    scene.record()
    assert [threshold for *_, threshold in scene.events()] == ["50", "75", "90", "100"]


def test_a_limit_that_is_raised_again_repeats_no_event_of_the_period(scene: Scene) -> None:
    scene.limit(day_calls(hard=2))
    scene.record(calls=2)
    told = scene.events()
    scene.limit(day_calls(hard=5))
    scene.record()
    assert scene.events() == told


def test_a_stages_default_quota_has_events_too(scene: Scene) -> None:
    defaults = parse_defaults('{"install": {"quotas": {"month": {"calls": {"hard": 2}}}}}')
    scene.record(defaults=defaults)
    assert scene.events() == [("install", MONTH, "calls", "50")]


def test_a_call_is_recorded_even_if_its_limits_cannot_be_read(scene: Scene) -> None:
    scene.limit('{"quotas": {"week": 1}}')
    scene.record()
    with scene.database.tenant("tenant-a") as tx:
        assert [row["calls"] for row in tx.rows("select calls from app.extension_quota_usage")] == [1, 1, 1, 1]


def test_events_are_written_with_the_count_or_not_at_all(scene: Scene) -> None:
    scene.limit(day_calls(hard=1))
    with scene.owner.system() as tx:
        tx.script("revoke insert on app.extension_quota_event from fn_registry; "
                  "revoke insert (tenant_id, install_id, period, metric, threshold, used, limited_to) "
                  "on app.extension_quota_event from fn_registry")  # fmt: skip
    with pytest.raises(PlatformError):
        scene.record()
    with scene.database.tenant("tenant-a") as tx:
        assert tx.rows("select 1 from app.extension_quota_usage") == []


def test_recorders_at_the_same_time_lose_no_event_and_double_none(scene: Scene) -> None:
    """Four recorders, two installs: calls of both add up to the tenant's total, which all of them lock."""
    scene.limit(day_calls(hard=20))
    scene.limit(day_calls(hard=20), OTHER)
    scene.limit(day_calls(hard=40), TENANT_AS_INSTALL)
    faults: list[BaseException] = []

    def work(install_id: str) -> None:
        database = Database(scene.databases.registry)
        try:
            scene.record(calls=10, database=database, install_id=install_id)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            faults.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=work, args=(install_id,)) for install_id in (INSTALL, OTHER) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    expected = {
        (owner, DAY, "calls", threshold)
        for owner in ("install", "other", "tenant")
        for threshold in ("50", "75", "90", "100")
    }
    events = scene.events()
    assert (len(events), set(events)) == (len(expected), expected)


# Storage


@pytest.fixture
def storing(scene: Scene) -> Scene:
    """``tenant-a`` has an install that stores two bytes, key and value."""
    fill_tenant(scene.databases, "tenant-a")
    return scene


STORING = "00000000-0000-0000-0000-0000000000a1"


@pytest.mark.parametrize("owner_id", [STORING, TENANT_AS_INSTALL])
def test_stored_bytes_are_told_once_a_month(storing: Scene, owner_id: str) -> None:
    storing.limit({"storage_bytes": {"hard": 4}}, owner_id)
    for day in ("2026-03-01", "2026-03-02", "2026-04-01"):
        storing.record(install_id=STORING, accepted_at=f"{day}T10:00:00+00:00")
    found = [event[1:] for event in storing.events() if event[2] == "storage_bytes"]
    assert found == [("2026-03", "storage_bytes", "50"), ("2026-04", "storage_bytes", "50")]


def write(scene: Scene, value: bytes, tenant_id: str = "tenant-a", key: str = "k2") -> None:
    """Write an entry of the install as the runner does."""
    database = Database(scene.databases.runner)
    try:
        with database.tenant(tenant_id) as tx:
            tx.execute(
                "insert into app.extension_storage_entry (tenant_id, install_id, namespace, key, value) "
                "values (:tenant, :install, 'n', :key, cast(:value as bytea)) "
                "on conflict (tenant_id, install_id, namespace, key) do update set value = excluded.value",
                tenant=tenant_id, install=STORING, key=key, value=value,
            )  # fmt: skip
    finally:
        database.close()


@pytest.mark.parametrize(("owner_id", "who"), [(STORING, "An install"), (TENANT_AS_INSTALL, "The tenant")])
@pytest.mark.parametrize("by", ["platform", "tenant"])
def test_a_write_beyond_a_lower_storage_limit_is_refused(storing: Scene, by: str, owner_id: str, who: str) -> None:
    storing.limit({"storage_bytes": {"hard": 10}}, owner_id, by=by)
    write(storing, b"x" * 6)  # 2 + 2 + 6
    with pytest.raises(PlatformError) as refused:
        write(storing, b"x" * 7)
    assert (refused.value.code, refused.value.detail) == ("quota_exceeded", f"{who} stores at most 10 bytes.")


def test_a_write_that_frees_bytes_is_allowed_beyond_the_limit(storing: Scene) -> None:
    write(storing, b"x" * 60)
    storing.limit({"storage_bytes": {"hard": 10}}, STORING)
    write(storing, b"x" * 50)
    with pytest.raises(PlatformError):
        write(storing, b"x" * 51)


def test_the_storage_limit_of_another_tenant_does_not_count(storing: Scene) -> None:
    fill_tenant(storing.databases, "tenant-b")
    storing.limit({"storage_bytes": {"hard": 0}}, STORING, tenant_id="tenant-b")
    storing.limit({"storage_bytes": {"hard": 0}}, TENANT_AS_INSTALL, tenant_id="tenant-b")
    write(storing, b"x" * 60)


# The list


def test_a_tenant_lists_its_events_newest_first_in_pages(world: RegistryWorld) -> None:
    scene = Scene(world.databases)
    scene.limit(day_calls(hard=2))
    scene.limit(day_calls(hard=4), TENANT_AS_INSTALL)
    scene.record(calls=2)
    first = world.call("GET", "/quota-events", world.tenant_viewer(), query="page_size=3").body
    rest = world.call(
        "GET", "/quota-events", world.tenant_admin(), query=f"page_size=3&cursor={first['next_cursor']}"
    ).body
    found = [*first["items"], *rest["items"]]
    assert [(one["install_id"], one["threshold"]) for one in found] == [
        (None, "50"), (INSTALL, "100"), (INSTALL, "90"), (INSTALL, "75"), (INSTALL, "50"),
    ]  # fmt: skip
    assert (found[1]["used"], found[1]["limited_to"], found[1]["period"], rest["next_cursor"]) == (2, 2, DAY, None)
    scene.database.close()
    scene.owner.close()


def test_another_tenants_events_are_not_listed(world: RegistryWorld) -> None:
    scene = Scene(world.databases)
    scene.limit(day_calls(hard=2))
    scene.record()
    assert len(scene.events()) == 1
    assert world.call("GET", "/quota-events", world.tenant_admin("tenant-b")).body["items"] == []
    scene.database.close()
    scene.owner.close()
