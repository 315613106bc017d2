"""``scheduler``: an install's schedules of its own endpoints."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.guest import Guest
from tests.conformance.installs import ENDPOINTS, Install, Installs
from tests.conformance.values import Err, Ok

DAILY = {"endpoint": "POST /sync", "cron": "0 3 * * *"}
EVERYTHING = {
    "endpoint": "POST /sync",
    "cron": "*/15 8-18 * * 1-5",
    "timezone": "Europe/Berlin",
    "enabled": False,
    "name": "Abgleich ünï",
    "payload": '{"a": "🦊"}',
}
STRANGER = str(uuid.UUID(int=1))

_FILL = """
insert into app.extension_schedule (tenant_id, install_id, endpoint_method, endpoint_path, cron)
select :tenant, cast(:install as uuid), 'POST', '/sync', '* * * * *' from generate_series(1, 49) returning 1 as one
"""
_DISABLE = """
update app.extension_schedule set enabled = false, next_run_at = null, disabled_reason = :reason
where tenant_id = :tenant and install_id = cast(:install as uuid) returning 1 as one
"""
_RAN = """
update app.extension_schedule set last_run_at = timestamptz '2026-01-31 03:00:00+00', last_run_status = 'failed',
  last_error = 'guest_timeout: ünï'
where tenant_id = :tenant and install_id = cast(:install as uuid) returning 1 as one
"""


class Plan:
    """The schedules of one install, through one guest."""

    def __init__(self, guest: Guest, install: Install) -> None:
        self.guest = guest
        self._given: dict[str, Any] = {"tenant_id": install.tenant_id, "install_id": install.install_id}

    def call(self, function: str, *arguments: Any) -> Any:
        return self.guest.call(f"scheduler.{function}", *arguments, **self._given)

    def create(self, **wanted: Any) -> Any:
        return self.call("create-schedule", {**DAILY, **wanted})

    def made(self, **wanted: Any) -> str:
        outcome = self.create(**wanted)
        assert outcome["success"], outcome
        return str(outcome["schedule-id"])

    def update(self, schedule: str, **changes: Any) -> Any:
        return self.call("update-schedule", schedule, changes)

    def delete(self, schedule: str) -> Any:
        return self.call("delete-schedule", schedule)

    def get(self, schedule: str) -> dict[str, Any]:
        outcome: dict[str, Any] = self.call("get-schedule", schedule).value
        return outcome

    def names(self) -> list[str | None]:
        return [schedule["name"] for schedule in self.call("list-schedules").value]


@pytest.fixture
def plan(guest: Guest, install: Install) -> Plan:
    return Plan(guest, install)


def test_a_schedule_with_every_field_is_kept_as_given(plan: Plan) -> None:
    outcome = plan.create(**EVERYTHING)
    assert (outcome["success"], outcome["error"], outcome["field-errors"]) == (True, None, None)
    found = plan.get(outcome["schedule-id"])
    created = datetime.fromisoformat(found.pop("created-at"))
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=5)
    assert found == {
        "id": outcome["schedule-id"],
        "endpoint-path": "/sync",
        "endpoint-method": "POST",
        "name": "Abgleich ünï",
        "cron": "*/15 8-18 * * 1-5",
        "timezone": "Europe/Berlin",
        "enabled": False,
        "payload": '{"a": "🦊"}',
        "last-run-at": None,
        "last-run-status": None,
        "last-error": None,
    }


def test_what_is_not_given_is_utc_enabled_and_absent(plan: Plan) -> None:
    found = plan.get(plan.made())
    assert (found["timezone"], found["enabled"], found["name"], found["payload"]) == ("UTC", True, None, None)


@pytest.mark.parametrize(
    ("endpoint", "method", "path"),
    [
        ("POST /sync", "POST", "/sync"),
        ("GET /report", "GET", "/report"),
        ("/report", "GET", "/report"),
        ("GET /both", "GET", "/both"),
    ],
)
def test_an_endpoint_is_named_by_its_id_or_by_a_path_of_its_own(
    plan: Plan, endpoint: str, method: str, path: str
) -> None:
    found = plan.get(plan.made(endpoint=endpoint))
    assert (found["endpoint-method"], found["endpoint-path"]) == (method, path)


def test_schedules_are_listed_in_order_of_their_making(plan: Plan) -> None:
    assert plan.names() == []
    for name in ("c", "a", "b"):
        plan.made(name=name)
    assert plan.names() == ["c", "a", "b"]


@pytest.mark.parametrize("identifier", [STRANGER, "", "no id", "ünï", "' or true --"])
def test_a_schedule_that_is_not_there_is_none(plan: Plan, identifier: str) -> None:
    plan.made()
    assert plan.call("get-schedule", identifier) == Ok(None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cron": "5 4 * * *"}, {"cron": "5 4 * * *"}),
        ({"timezone": "America/New_York"}, {"timezone": "America/New_York"}),
        ({"enabled": True}, {"enabled": True}),
        ({"enabled": False}, {"enabled": False}),
        ({"name": "other"}, {"name": "other"}),
        ({"payload": "other"}, {"payload": "other"}),
        ({"payload": ""}, {"payload": None}),
        ({"endpoint": "GET /report"}, {"endpoint-method": "GET", "endpoint-path": "/report"}),
        ({}, {}),
    ],
)
def test_a_change_touches_what_it_names_and_nothing_else(
    plan: Plan, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    schedule = plan.made(**EVERYTHING)
    before = plan.get(schedule)
    assert plan.update(schedule, **changes) == {"success": True, "error": None, "field-errors": None}
    assert plan.get(schedule) == {**before, **expected}


def test_everything_may_change_at_once(plan: Plan) -> None:
    schedule = plan.made()
    assert plan.update(schedule, **EVERYTHING)["success"]
    found = plan.get(schedule)
    assert (found["cron"], found["timezone"], found["enabled"], found["name"], found["payload"]) == (
        EVERYTHING["cron"], "Europe/Berlin", False, "Abgleich ünï", '{"a": "🦊"}',
    )  # fmt: skip


def test_a_deleted_schedule_is_gone(plan: Plan) -> None:
    kept, gone = plan.made(name="kept"), plan.made(name="gone")
    assert plan.delete(gone) == {"success": True, "error": None}
    assert plan.get(gone) is None
    assert plan.names() == ["kept"]
    assert plan.get(kept)["name"] == "kept"


@pytest.mark.parametrize("identifier", [STRANGER, "no id"])
def test_what_is_not_there_is_neither_changed_nor_deleted(plan: Plan, identifier: str) -> None:
    updated, deleted = plan.update(identifier, enabled=False), plan.delete(identifier)
    assert (updated["success"], deleted["success"]) == (False, False)
    assert updated["error"]
    assert deleted["error"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", ""), ("endpoint", "/nowhere"), ("endpoint", "POST /nowhere"), ("endpoint", "POST /plain"),
        ("endpoint", "DELETE /gone"), ("endpoint", "GET /items/:id"), ("endpoint", "GET /items/1"),
        ("endpoint", "/both"), ("endpoint", "https://example.com/"),
        ("cron", ""), ("cron", "* * * *"), ("cron", "* * * * * *"), ("cron", "@reboot"), ("cron", "61 * * * *"),
        ("cron", "every day"), ("cron", "0 0 30 2 *"), ("cron", "* " * 200),
        ("timezone", ""), ("timezone", "Nowhere/City"), ("timezone", "../etc/passwd"), ("timezone", "+02:00"),
        ("name", ""), ("name", "n" * 129), ("name", "a\nb"), ("name", "a\0b"),
        ("payload", "p" * (64 * 1024 + 1)), ("payload", "a\0b"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_is_named_when_creating_and_when_changing(plan: Plan, field: str, value: str) -> None:
    outcome = plan.create(**{field: value})
    assert (outcome["success"], outcome["schedule-id"]) == (False, None)
    assert outcome["error"]
    assert list(json.loads(outcome["field-errors"])) == [field]
    schedule = plan.made(name="kept")
    before = plan.get(schedule)
    outcome = plan.update(schedule, **{field: value})
    assert outcome["success"] is False
    assert list(json.loads(outcome["field-errors"])) == [field]
    assert plan.get(schedule) == before


def test_several_fields_that_cannot_be_are_all_named(plan: Plan) -> None:
    outcome = plan.create(endpoint="/nowhere", cron="never", timezone="Nowhere")
    errors = json.loads(outcome["field-errors"])
    assert set(errors) == {"endpoint", "cron", "timezone"}
    assert all(errors.values())


def test_a_name_is_used_once_in_an_install(plan: Plan) -> None:
    plan.made(name="nightly")
    outcome = plan.create(name="nightly")
    assert (outcome["success"], list(json.loads(outcome["field-errors"]))) == (False, ["name"])
    other = plan.made(name="other")
    assert list(json.loads(plan.update(other, name="nightly")["field-errors"])) == ["name"]
    assert plan.update(other, name="other")["success"]
    assert plan.names() == ["nightly", "other"]


def test_schedules_without_a_name_are_many(plan: Plan) -> None:
    assert len({plan.made(), plan.made(), plan.made()}) == 3


def test_a_name_of_128_characters_and_a_payload_of_64_kib_are_kept(plan: Plan) -> None:
    found = plan.get(plan.made(name="ü" * 128, payload="p" * 64 * 1024))
    assert (found["name"], found["payload"]) == ("ü" * 128, "p" * 64 * 1024)


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kathmandu"])
def test_a_time_zone_is_one_of_the_worlds(plan: Plan, timezone: str) -> None:
    assert plan.get(plan.made(timezone=timezone))["timezone"] == timezone


def test_there_are_ten_changes_a_minute(plan: Plan) -> None:
    schedules = [plan.made() for _ in range(6)]
    assert all(plan.update(schedule, enabled=False)["success"] for schedule in schedules[:3])
    assert plan.delete(schedules[0])["success"]
    for outcome in (plan.create(), plan.update(schedules[1], enabled=True), plan.delete(schedules[1])):
        assert (outcome["success"], bool(outcome["error"])) == (False, True)
    assert len(plan.names()) == 5


def test_what_failed_is_no_change(plan: Plan) -> None:
    for _ in range(12):
        assert plan.create(cron="never")["success"] is False
    assert plan.create()["success"]


def test_an_install_has_fifty_schedules(any_guest: Guest, installs: Installs) -> None:
    install = installs.make()
    assert len(installs.rows(install, _FILL)) == 49
    plan = Plan(any_guest, install)
    schedule = plan.made(name="fiftieth")
    outcome = plan.create(name="one more")
    assert (outcome["success"], bool(outcome["error"])) == (False, True)
    assert plan.delete(schedule)["success"]
    assert plan.create(name="one more")["success"]
    assert len(plan.names()) == 50


def test_how_a_schedule_last_ran_is_told(plan: Plan, installs: Installs, install: Install) -> None:
    schedule = plan.made()
    assert len(installs.rows(install, _RAN)) == 1
    found = plan.get(schedule)
    assert datetime.fromisoformat(found["last-run-at"]) == datetime(2026, 1, 31, 3, tzinfo=UTC)
    assert (found["last-run-status"], found["last-error"]) == ("failed", "guest_timeout: ünï")


@pytest.mark.parametrize(("reason", "enabled"), [("admin", False), ("endpoint", True)])
def test_what_an_admin_has_disabled_is_not_enabled_by_the_extension(
    plan: Plan, installs: Installs, install: Install, reason: str, enabled: bool
) -> None:
    schedule = plan.made()
    assert len(installs.rows(install, _DISABLE.replace(":reason", f"'{reason}'"))) == 1

    assert plan.update(schedule, cron="0 4 * * *")["success"]
    outcome = plan.update(schedule, enabled=True)

    assert (outcome["success"], "admin" in (outcome["error"] or "")) == (enabled, not enabled)
    assert plan.get(schedule)["enabled"] is enabled


def test_the_declared_endpoints_are_told_with_what_can_be_scheduled(plan: Plan) -> None:
    found = {endpoint["id"]: endpoint for endpoint in plan.call("get-endpoints").value}
    assert set(found) == {f"{endpoint['method']} {endpoint['path']}" for endpoint in ENDPOINTS}
    assert found["POST /sync"] == {
        "id": "POST /sync", "method": "POST", "path": "/sync", "handler": "sync", "schedulable": True,
    }  # fmt: skip
    schedulable = {name for name, endpoint in found.items() if endpoint["schedulable"]}
    assert schedulable == {"POST /sync", "GET /report", "GET /both", "POST /both"}


def test_an_install_that_declares_nothing_has_no_endpoints(guest: Guest, installs: Installs) -> None:
    plan = Plan(guest, installs.make(endpoints=()))
    assert plan.call("get-endpoints") == Ok([])
    assert list(json.loads(plan.create()["field-errors"])) == ["endpoint"]


def test_installs_see_and_touch_their_own_schedules_only(guest: Guest, installs: Installs) -> None:
    ours, theirs = Plan(guest, installs.make()), Plan(guest, installs.make())
    schedule = ours.made(name="ours")
    assert theirs.names() == []
    assert theirs.get(schedule) is None
    assert theirs.update(schedule, enabled=False)["success"] is False
    assert theirs.delete(schedule)["success"] is False
    assert theirs.create(name="ours")["success"]
    assert ours.get(schedule)["enabled"] is True


def test_without_the_capability_schedules_are_neither_read_nor_changed(guest: Guest, install: Install) -> None:
    schedule = Plan(guest, install).made()
    given: dict[str, Any] = {"install_id": install.install_id, "without": "cap:scheduler.manage"}
    assert guest.call("scheduler.get-schedule", schedule, **given) == Err("denied")
    assert guest.call("scheduler.delete-schedule", schedule, **given)["success"] is False
    assert guest.call("scheduler.update-schedule", schedule, {"enabled": False}, **given)["success"] is False
    assert Plan(guest, install).get(schedule)["enabled"] is True
