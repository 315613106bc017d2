"""Trials of a narrower list of hosts: what they report, what ends them, and what applying one changes."""

from datetime import timedelta
from typing import Any

import pytest

from alga_ext.calls.egress_totals import OTHER
from tests.registry.test_call_logs import make_day
from tests.registry.test_egress_ledger import TODAY, message, record, total
from tests.support.registry import Answer, RegistryWorld
from tests.support.server_extension import change, publish_server

GRANTS = {"capabilities": ["http.fetch", "secrets.get"], "egress": ["*.example.com"], "secrets": {"api-key": []}}
NARROW = {"hosts": ["api.example.com"], "days": 7}


@pytest.fixture
def install(world: RegistryWorld) -> dict[str, Any]:
    world.register()
    publish_server(world)
    return world.install(grants=GRANTS)


def trial(world: RegistryWorld, install: dict[str, Any], method: str, body: Any = None, **headers: str) -> Answer:
    path = f"/installs/{install['install_id']}/egress-trial"
    if method == "POST":
        path += "/apply"
    return world.call(method, path, world.tenant_admin(), body, headers=headers)


def actions(world: RegistryWorld) -> list[str]:
    rows = world.rows("select action from app.audit_event order by audit_id")
    return [row["action"] for row in rows if row["action"] != "install.create"]


def shown(world: RegistryWorld, install: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = world.call("GET", f"/installs/{install['install_id']}", world.tenant_admin()).body
    return body


def test_a_trial_begins_today_and_lasts_for_the_days_given(world: RegistryWorld, install: dict[str, Any]) -> None:
    answer = trial(world, install, "PUT", NARROW)

    assert answer.status == 200, answer
    del answer.body["started_at"]
    assert answer.body == {
        "install_id": install["install_id"],
        "hosts": ["api.example.com"],
        "first_day": f"{TODAY}",
        "last_day": f"{TODAY + timedelta(days=7)}",
        "state": "running",
        "started_by": "admin@tenant-a",
        "requests": 0,
        "refused_requests": 0,
        "unjudged_requests": 0,
        "would_refuse": [],
        "more_destinations": 0,
        "revision": install["revision"] + 1,
    }
    assert trial(world, install, "GET").body["hosts"] == ["api.example.com"]


def test_a_trial_refuses_nothing(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)

    assert shown(world, install)["grants"] == install["grants"]


def test_the_report_has_what_the_list_does_not_cover_and_nothing_else(
    world: RegistryWorld, install: dict[str, Any]
) -> None:
    trial(world, install, "PUT", NARROW)
    mine = {"install_id": install["install_id"]}
    record(
        world,
        message(1, total("api.example.com", 5), total("b.example.com", 2), total("not-granted.org", 0, 9), **mine),
        message(2, total("c.example.com", 3), total("b.example.com", 2), total(OTHER, 4, 1), **mine),
        message(3, total("elsewhere.example.com", 7)),
    )

    found = trial(world, install, "GET").body

    day = {"first_day": f"{TODAY}", "last_day": f"{TODAY}"}
    assert found["would_refuse"] == [
        {"destination": "b.example.com", "requests": 4, **day},
        {"destination": "c.example.com", "requests": 3, **day},
    ]
    assert (found["requests"], found["refused_requests"], found["unjudged_requests"]) == (16, 7, 4)


def test_the_report_shows_a_hundred_destinations_and_counts_the_others(
    world: RegistryWorld, install: dict[str, Any]
) -> None:
    trial(world, install, "PUT", {"hosts": [], "days": 1})
    for number in range(3):
        egress = [total(f"h{number}-{each}.example.com", 1) for each in range(40)]
        record(world, message(number, *egress, install_id=install["install_id"]))

    found = trial(world, install, "GET").body

    assert (len(found["would_refuse"]), found["more_destinations"], found["refused_requests"]) == (100, 20, 120)


def test_a_trial_whose_days_have_passed_keeps_its_report_and_counts_nothing_more(
    world: RegistryWorld, install: dict[str, Any]
) -> None:
    trial(world, install, "PUT", {"hosts": [], "days": 1})
    past = "first_day = first_day - 3, last_day = last_day - 3"
    world.rows(f"update app.extension_egress_trial set {past} returning install_id")
    make_day(world, TODAY - timedelta(days=2))
    mine = {"install_id": install["install_id"]}
    record(
        world, message(1, total("a.example.com", 1), **mine), message(2, total("b.example.com", 1), age_days=2, **mine)
    )

    found = trial(world, install, "GET").body

    assert found["state"] == "ended"
    assert [one["destination"] for one in found["would_refuse"]] == ["b.example.com"]


@pytest.mark.parametrize(
    "body",
    [
        {"hosts": ["example.com"], "days": 1},
        {"hosts": ["http://api.example.com"], "days": 1},
        {"hosts": ["api.example.com:8443"], "days": 1},
        {"hosts": ["*"], "days": 1},
        {"hosts": ["api.other.org"], "days": 1},
    ],
)
def test_a_list_that_is_not_narrower_is_refused_and_nothing_is_recorded(
    world: RegistryWorld, install: dict[str, Any], body: dict[str, Any]
) -> None:
    answer = trial(world, install, "PUT", body)

    assert (answer.status, answer.code) == (400, "grants_invalid")
    assert "cannot be tried" in answer.body["detail"]
    assert actions(world) == []
    assert trial(world, install, "GET").code == "egress_trial_not_found"


@pytest.mark.parametrize(
    "body",
    [
        {"hosts": [], "days": 0},
        {"hosts": [], "days": 31},
        {"hosts": []},
        {"days": 1},
        {"hosts": ["a" * 301], "days": 1},
        {"hosts": ["api.example.com"] * 201, "days": 1},
        {"hosts": [], "days": 1, "more": 1},
    ],
)
def test_a_body_that_is_not_valid_is_refused(world: RegistryWorld, install: dict[str, Any], body: Any) -> None:
    answer = trial(world, install, "PUT", body)

    assert (answer.status, answer.code) == (400, "invalid_request")


@pytest.mark.parametrize("days", [1, 30])
def test_a_trial_lasts_1_to_30_days(world: RegistryWorld, install: dict[str, Any], days: int) -> None:
    assert trial(world, install, "PUT", {"hosts": [], "days": days}).status == 200


def test_to_apply_a_trial_grants_exactly_its_hosts_and_changes_nothing_else(
    world: RegistryWorld, install: dict[str, Any]
) -> None:
    trial(world, install, "PUT", NARROW)

    answer = trial(world, install, "POST")

    assert answer.status == 200, answer
    before, after = install["grants"], answer.body["grants"]
    assert after["egress"] == ["api.example.com"]
    assert after["hash"] != before["hash"]
    rest = {"egress", "hash"}
    assert {k: v for k, v in after.items() if k not in rest} == {k: v for k, v in before.items() if k not in rest}
    assert trial(world, install, "GET").code == "egress_trial_not_found"
    assert actions(world) == ["egress_trial.begin", "egress_trial.apply", "install.grant"]


def test_a_trial_with_a_configured_host_is_applied_as_it_is_granted(world: RegistryWorld) -> None:
    world.register()
    schema = {"type": "object", "properties": {"base": {"type": "string"}}}
    publish_server(world, egress=["config:base", "api.example.com"], config=schema)
    grants = {"capabilities": ["http.fetch"], "egress": ["config:base", "api.example.com"]}
    install = world.install(grants=grants, config={"base": "https://old.example.com"})
    assert trial(world, install, "PUT", {"hosts": ["config:base"], "days": 1}).status == 200

    assert trial(world, install, "POST").body["grants"]["egress"] == ["config:base=old.example.com"]


def test_a_trial_is_not_applied_when_that_would_grant_a_newly_configured_host(world: RegistryWorld) -> None:
    world.register()
    schema = {"type": "object", "properties": {"base": {"type": "string"}}}
    publish_server(world, egress=["config:base", "api.example.com"], config=schema)
    grants = {"capabilities": ["http.fetch"], "egress": ["config:base", "api.example.com"]}
    install = world.install(grants=grants, config={"base": "https://old.example.com"})
    trial(world, install, "PUT", {"hosts": ["config:base"], "days": 1})
    path = f"/installs/{install['install_id']}/config"
    world.call("PUT", path, world.tenant_admin(), {"config": {"base": "https://new.example.com"}})

    answer = trial(world, install, "POST")

    assert (answer.status, answer.code) == (409, "conflict")
    assert shown(world, install)["grants"] == install["grants"]
    assert trial(world, install, "GET").body["hosts"] == ["config:base=old.example.com"]


# Another admin may have changed something


def test_a_trial_changes_the_etag_that_protects_it(world: RegistryWorld, install: dict[str, Any]) -> None:
    read = trial(world, install, "PUT", NARROW).headers["etag"]
    trial(world, install, "PUT", {"hosts": [], "days": 1})

    answer = trial(world, install, "POST", **{"if-match": read})

    assert (answer.status, answer.code) == (412, "precondition_failed")
    assert shown(world, install)["grants"] == install["grants"]


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_what_is_not_tried_cannot_be_ended_or_applied(
    world: RegistryWorld, install: dict[str, Any], method: str
) -> None:
    answer = trial(world, install, method)

    assert (answer.status, answer.code) == (404, "egress_trial_not_found")
    assert actions(world) == []


def test_an_ended_trial_leaves_the_grants(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)

    assert trial(world, install, "DELETE").status == 204
    assert shown(world, install)["grants"] == install["grants"]
    assert actions(world) == ["egress_trial.begin", "egress_trial.end"]


# What ends a trial


def test_other_granted_hosts_end_the_trial(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)
    path = f"/installs/{install['install_id']}/grants"
    world.call("PUT", path, world.tenant_admin(), {**GRANTS, "egress": ["a.example.com", "api.example.com"]})

    assert trial(world, install, "GET").code == "egress_trial_not_found"
    assert actions(world) == ["egress_trial.begin", "egress_trial.end", "install.grant"]


def test_grants_with_the_same_hosts_leave_the_trial(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)
    path = f"/installs/{install['install_id']}/grants"
    assert world.call("PUT", path, world.tenant_admin(), {**GRANTS, "capabilities": ["http.fetch"]}).status == 200

    assert trial(world, install, "GET").status == 200


def test_an_update_that_keeps_the_hosts_leaves_the_trial(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)
    publish_server(world, "1.1.0")
    assert change(world, install, "update", {"version": "1.1.0"}).status == 200

    assert trial(world, install, "GET").status == 200


def test_an_update_that_takes_hosts_away_ends_the_trial(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)
    publish_server(world, "1.1.0", egress=["only.example.com"], secrets=[])
    assert change(world, install, "update", {"version": "1.1.0"}).status == 200

    assert trial(world, install, "GET").code == "egress_trial_not_found"


def test_an_approved_widening_ends_the_trial(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)
    publish_server(world, "1.1.0", egress=["*.example.com", "api.other.org"])
    change(world, install, "update", {"version": "1.1.0"})
    assert trial(world, install, "GET").status == 200
    assert change(world, install, "request/approve", {}).status == 200

    assert trial(world, install, "GET").code == "egress_trial_not_found"


def test_an_uninstallation_ends_the_trial(world: RegistryWorld, install: dict[str, Any]) -> None:
    trial(world, install, "PUT", NARROW)
    world.call("DELETE", f"/installs/{install['install_id']}", world.tenant_admin())
    again = world.install(grants=GRANTS)

    assert again["install_id"] == install["install_id"]
    assert trial(world, again, "GET").code == "egress_trial_not_found"
