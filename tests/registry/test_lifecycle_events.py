"""What the platform itself tells: each change with its event, in the form that the reference page describes."""

import json
import re
from datetime import timedelta
from typing import Any, Final

import jsonschema
import pytest

from alga_ext.calls.messages import EventReceived, ExecutionFinished
from alga_ext.calls.topics import PLATFORM_SOURCE, PLATFORM_TOPICS
from functions.registry.events import lifecycle
from functions.registry.limiting.counting import caused_by
from functions.registry.tenant_sweeping import sweep_tenants
from tests.support.emitted import totals
from tests.support.events import as_owner, fan_out, received, told
from tests.support.places import ROOT
from tests.support.registry import RegistryWorld
from tests.support.server_extension import change, publish_server, put_secret

PAGE: Final = (ROOT / "docs/reference/events.md").read_text()
SCHEMAS: Final = {
    topic: json.loads(schema)
    for topic, schema in re.findall(r"^### `([^`]+)`.*?```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
}
GRANTS: Final = {"capabilities": ["storage.kv"]}


@pytest.fixture
def installed(published: RegistryWorld) -> tuple[RegistryWorld, dict[str, Any]]:
    return published, published.install()


def one(world: RegistryWorld, topic: str) -> dict[str, Any]:
    """Return the data of the only event on a topic, after comparing it with the reference page."""
    (event,) = told(world, topic)
    assert (event["specversion"], event["source"], event["type"]) == ("1.0", PLATFORM_SOURCE, topic)
    jsonschema.validate(event["data"], SCHEMAS[topic])
    data: dict[str, Any] = event["data"]
    return data


def test_the_reference_describes_every_topic_of_the_platform() -> None:
    assert set(SCHEMAS) == set(PLATFORM_TOPICS)


def test_an_installation_is_told(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, install = installed

    assert one(world, "install.created") == {
        "install_id": install["install_id"],
        "extension": "com.acme.notes",
        "publisher": "acme",
        "version": "1.0.0",
        "revived": False,
    }


def test_an_extension_that_is_installed_again_is_told_as_revived(
    installed: tuple[RegistryWorld, dict[str, Any]],
) -> None:
    world, install = installed
    world.call("DELETE", f"/installs/{install['install_id']}", world.tenant_admin())
    world.install()

    assert [event["data"]["revived"] for event in told(world, "install.created")] == [False, True]


def test_an_uninstallation_is_told(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, install = installed
    world.call("DELETE", f"/installs/{install['install_id']}", world.tenant_admin())

    assert one(world, "install.removed")["install_id"] == install["install_id"]


def test_a_changed_configuration_is_told_without_its_content(
    installed: tuple[RegistryWorld, dict[str, Any]],
) -> None:
    world, install = installed
    path = f"/installs/{install['install_id']}/config"
    assert world.call("PUT", path, world.tenant_admin(), {"config": {"colour": "red"}}).status == 200

    assert "red" not in str(one(world, "install.config-changed"))


def test_an_update_is_told_with_the_version_before(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, install = installed
    publish_server(world, "1.1.0")
    change(world, install, "update", {})

    data = one(world, "install.updated")

    assert (data["version"], data["previous_version"], data["change"]) == ("1.1.0", "1.0.0", "update")


def test_changed_grants_are_told(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, install = installed
    world.call("PUT", f"/installs/{install['install_id']}/grants", world.tenant_admin(), GRANTS)

    assert one(world, "install.updated")["change"] == "grant"


def test_an_update_that_asks_for_more_is_told_as_waiting(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, install = installed
    publish_server(world, "1.1.0", egress=["*.example.com", "other.test"])
    change(world, install, "update", {})

    data = one(world, "update.waiting")

    assert (data["from_version"], data["to_version"], data["holds_code"]) == ("1.0.0", "1.1.0", False)
    assert data["asks_for"] == ["egress"]


def test_a_change_that_is_refused_tells_nothing(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, install = installed
    before = len(world.rows("select 1 from app.extension_event"))
    assert change(world, install, "rollback", {"version": "1.0.0", "reason": "r"}).status == 409

    assert len(world.rows("select 1 from app.extension_event")) == before


def test_a_change_wakes_fan_out_after_its_transaction(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, _ = installed
    (row,) = world.rows("select event_key from app.extension_event")

    assert received(world) == [EventReceived(tenant_id="tenant-a", event_key=str(row["event_key"]))]


def test_a_subscriber_gets_the_events_of_the_platform(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, events=[{"topic": "install.*", "handler": "/on"}])
    install = world.install()

    assert fan_out(world) == {}

    (row,) = world.rows("select install_id, subject, path from app.extension_delivery")
    assert (str(row["install_id"]), row["subject"], row["path"]) == (install["install_id"], "install.created", "/on")


# Quotas


@pytest.mark.parametrize(
    ("principal", "hops", "told_hops"), [("user-1", 5, 0), ("system:event", 0, 1), ("system:schedule", 3, 4)]
)
def test_a_warning_has_a_hop_more_than_the_delivery_that_caused_it(principal: str, hops: int, told_hops: int) -> None:
    assert caused_by([finished(principal, hops)]) == {INSTALL: told_hops}


def test_of_several_calls_the_one_with_most_hops_counts() -> None:
    calls = [finished("system:event", 2), finished("system:event", 6), finished("user-1", 0)]

    assert caused_by(calls) == {INSTALL: 7}


INSTALL: Final = "00000000-0000-0000-0000-0000000000a1"


def finished(principal: str, hops: int) -> ExecutionFinished:
    return ExecutionFinished(
        execution_id="e", tenant_id="tenant-a", install_id=INSTALL, extension_id="x", version_id="v",
        content_hash="h", request_id="r", trace_id="t", method="POST", path="/", principal=principal,
        accepted_at="2026-03-01T00:00:00+00:00", at="2026-03-01T00:00:00+00:00", status=200, hops=hops,
    )  # fmt: skip


# Secrets


@pytest.fixture
def with_secret(installed: tuple[RegistryWorld, dict[str, Any]]) -> RegistryWorld:
    """An install whose secret expires in 20 days."""
    world, install = installed
    assert put_secret(world, install, "salt", value="hunter2", max_age_s=20 * 86_400).status == 200
    return world


def days_later(world: RegistryWorld, days: float) -> int:
    now = world.services.now() + timedelta(days=days)
    return sweep_tenants(world.services.database, now, timedelta(days=7))["secrets_told"]


def test_a_secret_is_told_of_once_for_each_threshold(with_secret: RegistryWorld) -> None:
    told_at = {}
    for days in (0, 5, 6.1, 6.2, 13.1, 13.2, 19.1, 19.2, 30):
        if days_later(with_secret, days):
            told_at[days] = one(with_secret, "secret.expiring")
            as_owner(with_secret, "delete from app.extension_event")

    assert {days: data["threshold_days"] for days, data in told_at.items()} == {6.1: 14, 13.1: 7, 19.1: 1}
    assert "hunter2" not in str(told_at)


def test_thresholds_that_have_passed_together_are_told_once(with_secret: RegistryWorld) -> None:
    assert days_later(with_secret, 19.5) == 1
    assert [event["data"]["threshold_days"] for event in told(with_secret, "secret.expiring")] == [1]


def test_a_value_that_was_replaced_is_not_told_of(
    with_secret: RegistryWorld, installed: tuple[RegistryWorld, dict[str, Any]]
) -> None:
    put_secret(with_secret, installed[1], "salt", value="newer")

    assert days_later(with_secret, 19.5) == 0


def test_secrets_of_an_uninstalled_extension_are_not_told_of(
    with_secret: RegistryWorld, installed: tuple[RegistryWorld, dict[str, Any]]
) -> None:
    with_secret.call("DELETE", f"/installs/{installed[1]['install_id']}", with_secret.tenant_admin())

    assert days_later(with_secret, 6.5) == 0


def test_a_version_that_allows_a_shorter_life_is_told_of(installed: tuple[RegistryWorld, dict[str, Any]]) -> None:
    world, install = installed
    put_secret(world, install, "salt", value="x")
    assert days_later(world, 20) == 0
    secrets = [{"name": "api-key", "hosts": ["api.example.com"]}, {"name": "salt", "max_age_days": 30}]
    publish_server(world, "1.1.0", secrets=secrets)
    assert change(world, install, "update", {}).status == 200

    assert days_later(world, 20) == 1


def test_an_event_with_too_many_hops_is_not_stored_and_counted(
    installed: tuple[RegistryWorld, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    world, _ = installed
    capsys.readouterr()
    with world.services.database.tenant("tenant-a") as tx:
        for hops in (8, 9):
            lifecycle.tell(tx, "tenant-a", "quota.warning", {}, hops)

    assert [event["algahops"] for event in told(world, "quota.warning")] == [8]
    assert totals(capsys.readouterr().out)["EventsRefused"] == 1
