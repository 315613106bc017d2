"""What a tenant's admin sees of schedules and changes, by the API and by ``alga-ext schedules``."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alga_ext.bundles.manifest import Manifest
from alga_ext.stores.database import Database
from functions.registry.installing import updates
from functions.registry.installing.installs import CheckedConfig
from functions.registry.publishing import versions
from functions.registry.records.audit import Actor
from functions.registry.scheduling import schedules
from functions.runner.imports.call_context import CallContext
from functions.runner.imports.scheduler.scheduler import Scheduler
from tests.registry.test_limits_command import served
from tests.support.answering import answering
from tests.support.lock_watch import lock_watch
from tests.support.registry import Answer, RegistryWorld
from tests.support.runner_fixture import EVERY_CAPABILITY, call
from tests.support.schedules import SYNC, add_schedule, as_owner
from tests.support.server_extension import change, publish_server, server
from tools.cli.main import run

NOW = datetime(2026, 7, 1, 9, 0, 20, tzinfo=UTC)


@pytest.fixture
def install(world: RegistryWorld) -> dict[str, Any]:
    world.register()
    publish_server(world, api=SYNC)
    return world.install()


@pytest.fixture
def schedule_id(world: RegistryWorld, install: dict[str, Any]) -> str:
    return add_schedule(world, install["install_id"], due_at=NOW, cron="0 0 1 1 *", name="yearly")


def ask(world: RegistryWorld, method: str, path: str, **more: Any) -> Answer:
    return world.call(method, f"/schedules{path}", world.tenant_admin(), **more)


def audited(world: RegistryWorld, action: str) -> list[dict[str, Any]]:
    return world.rows("select * from app.audit_event where action = :action", action=action)


def stored(world: RegistryWorld) -> list[tuple[Any, ...]]:
    rows = world.rows(
        "select enabled, disabled_reason, next_run_at from app.extension_schedule order by endpoint_path, schedule_id"
    )
    return [tuple(row.values()) for row in rows]


def next_year(world: RegistryWorld) -> datetime:
    return datetime(world.services.now().year + 1, 1, 1, tzinfo=UTC)


@contextmanager
def extension_of(world: RegistryWorld, install: dict[str, Any], now: Callable[[], datetime]) -> Iterator[Scheduler]:
    """The schedules of an install as its extension changes them, on a connection of its own."""
    request = call("sha256:" + "0" * 64, tenant_id="tenant-a", install_id=install["install_id"])
    deadline_ns = time.monotonic_ns() + 600_000_000_000
    runner = Database(world.databases.runner)
    yield Scheduler(runner, CallContext(request, frozenset(EVERY_CAPABILITY), deadline_ns, None, time.time), now)
    runner.close()


def until_ends_or_waits(other: Future[Any], waits: Callable[[], bool]) -> None:
    while not other.done() and not waits():
        time.sleep(0.01)


def test_a_viewer_reads_schedules(world: RegistryWorld, install: dict[str, Any], schedule_id: str) -> None:
    found = world.call("GET", f"/schedules/{schedule_id}", world.tenant_viewer())
    listed = world.call("GET", "/schedules", world.tenant_viewer()).body["items"]

    assert found.status == 200, found
    assert listed == [found.body]
    shown = {name: found.body[name] for name in ("name", "method", "path", "cron", "timezone", "enabled")}
    assert shown == {
        "name": "yearly", "method": "POST", "path": "/sync", "cron": "0 0 1 1 *", "timezone": "UTC", "enabled": True,
    }  # fmt: skip
    assert (found.body["install_id"], found.body["payload_bytes"]) == (install["install_id"], 8)


def test_the_list_has_pages_and_is_narrowed_to_an_install(world: RegistryWorld, install: dict[str, Any]) -> None:
    ids = sorted(add_schedule(world, install["install_id"], due_at=NOW) for _ in range(3))

    first = ask(world, "GET", "", query="page_size=2").body
    second = ask(world, "GET", "", query=f"page_size=2&cursor={first['next_cursor']}").body
    other = ask(world, "GET", "", query="install=00000000-0000-0000-0000-000000000000").body

    assert [item["schedule_id"] for item in first["items"] + second["items"]] == ids
    assert (second["next_cursor"], other["items"]) == (None, [])


@pytest.mark.parametrize("query", ["cursor=x", "cursor=WyJ4Il0", "install=x"])
def test_a_list_that_is_asked_for_wrongly_is_refused(world: RegistryWorld, query: str) -> None:
    assert ask(world, "GET", "", query=query).status in (400, 404)


def test_a_disabled_schedule_runs_no_more(world: RegistryWorld, schedule_id: str) -> None:
    answer = ask(world, "POST", f"/{schedule_id}/disable")

    assert (answer.status, answer.body["enabled"], answer.body["disabled_reason"]) == (200, False, "admin")
    assert stored(world) == [(False, "admin", None)]
    assert [row["subject"] for row in audited(world, "schedule.disabled")] == [schedule_id]


def test_to_disable_it_twice_is_recorded_once(world: RegistryWorld, schedule_id: str) -> None:
    for _ in range(2):
        assert ask(world, "POST", f"/{schedule_id}/disable").status == 200

    assert len(audited(world, "schedule.disabled")) == 1


def test_a_schedule_that_its_extension_disabled_can_be_kept_from_it(world: RegistryWorld, schedule_id: str) -> None:
    as_owner(world, "update app.extension_schedule set enabled = false, next_run_at = null")

    ask(world, "POST", f"/{schedule_id}/disable")

    assert stored(world) == [(False, "admin", None)]


def test_an_extension_that_changes_a_schedule_meanwhile_does_not_enable_it_again(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    admin = Database(world.databases.registry)

    with (
        extension_of(world, install, world.services.now) as extension,
        lock_watch(world.databases) as waits,
        ThreadPoolExecutor(1) as guest,
    ):
        with admin.tenant("tenant-a") as tx:
            schedules.disable(tx, "tenant-a", schedule_id, Actor("admin", "r-1"))
            changed = guest.submit(extension.update, schedule_id, (None, None, None, None, "renamed", None))
            until_ends_or_waits(changed, waits)
        assert changed.result() == (True, None, None)
    admin.close()

    assert stored(world) == [(False, "admin", None)]


# An update that drops the endpoint at the same moment

WITHOUT_SYNC = {"endpoints": [{"method": "GET", "path": "/other"}]}


@pytest.fixture
def updating(world: RegistryWorld, install: dict[str, Any]) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Opens a transaction that has updated the install to a version without the endpoint, and is not committed."""
    publish_server(world, "1.1.0", api=WITHOUT_SYNC)
    [version] = world.rows("select version_id from app.extension_version where version = '1.1.0'")
    target_id, admin = str(version["version_id"]), Database(world.databases.registry)

    @contextmanager
    def update() -> Iterator[None]:
        with admin.tenant("tenant-a") as tx:
            target = versions.load_version(tx, target_id)
            checked = CheckedConfig(target_id, {})
            updates.update(tx, "tenant-a", install["install_id"], target, checked, Actor("admin", "r-1"))
            yield

    yield update
    admin.close()


@pytest.mark.parametrize("what", ["create", "update"])
def test_an_extension_enables_no_schedule_while_an_update_drops_its_endpoint(
    world: RegistryWorld,
    install: dict[str, Any],
    updating: Callable[[], AbstractContextManager[None]],
    what: str,
) -> None:
    schedule_id = add_schedule(world, install["install_id"], due_at=NOW)
    as_owner(world, "update app.extension_schedule set enabled = false, next_run_at = null")

    with (
        extension_of(world, install, world.services.now) as extension,
        lock_watch(world.databases) as waits,
        ThreadPoolExecutor(1) as guest,
    ):
        with updating():
            if what == "create":
                made: Future[Any] = guest.submit(extension.create, ("POST /sync", "* * * * *", None, None, None, None))
            else:
                made = guest.submit(extension.update, schedule_id, (None, None, None, True, None, None))
            until_ends_or_waits(made, waits)
        assert made.result()[0] is False

    assert stored(world) == [(False, None, None)]


@pytest.mark.parametrize("what", ["create", "update"])
def test_an_update_disables_what_an_extension_is_just_enabling(
    world: RegistryWorld, install: dict[str, Any], what: str
) -> None:
    schedule_id = add_schedule(world, install["install_id"], due_at=NOW)
    as_owner(world, "update app.extension_schedule set enabled = false, next_run_at = null")
    publish_server(world, "1.1.0", api=WITHOUT_SYNC)
    updated: list[Future[Any]] = []

    with lock_watch(world.databases) as waits, ThreadPoolExecutor(1) as admin:

        def now() -> datetime:
            """Asked when the endpoints have been read, in the transaction of the extension."""
            updated.append(admin.submit(change, world, install, "update", {}))
            until_ends_or_waits(updated[0], waits)
            return NOW

        with extension_of(world, install, now) as extension:
            if what == "create":
                assert extension.create(("POST /sync", "* * * * *", None, None, None, None))[0]
            else:
                assert extension.update(schedule_id, (None, None, None, True, None, None))[0]
        assert updated[0].result().status == 200

    assert (True, None) not in [row[:2] for row in stored(world)]
    assert (False, "endpoint", None) in stored(world)


def test_an_admin_enables_no_schedule_while_an_update_drops_its_endpoint(
    world: RegistryWorld, schedule_id: str, updating: Callable[[], AbstractContextManager[None]]
) -> None:
    ask(world, "POST", f"/{schedule_id}/disable")

    with lock_watch(world.databases) as waits, ThreadPoolExecutor(1) as admin:
        with updating():
            enabled = admin.submit(ask, world, "POST", f"/{schedule_id}/enable")
            until_ends_or_waits(enabled, waits)
        assert enabled.result().code == "conflict"

    assert stored(world) == [(False, "admin", None)]


def test_an_update_disables_what_an_admin_is_just_enabling(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    ask(world, "POST", f"/{schedule_id}/disable")
    publish_server(world, "1.1.0", api=WITHOUT_SYNC)
    before = Manifest.model_validate(server(api=SYNC))
    enabling = Database(world.databases.registry)

    with lock_watch(world.databases) as waits, ThreadPoolExecutor(1) as admin:
        with enabling.tenant("tenant-a") as tx:
            schedules.lock_beside(tx, "tenant-a", schedule_id)
            schedules.enable(tx, "tenant-a", schedule_id, before, NOW, Actor("admin", "r-1"))
            updated = admin.submit(change, world, install, "update", {})
            until_ends_or_waits(updated, waits)
        assert updated.result().status == 200
    enabling.close()

    assert stored(world) == [(False, "endpoint", None)]


# What an admin enables and runs


def test_an_enabled_schedule_runs_at_its_next_time(world: RegistryWorld, schedule_id: str) -> None:
    ask(world, "POST", f"/{schedule_id}/disable")

    answer = ask(world, "POST", f"/{schedule_id}/enable")

    assert (answer.status, answer.body["enabled"], answer.body["disabled_reason"]) == (200, True, None)
    assert stored(world) == [(True, None, next_year(world))]
    assert len(audited(world, "schedule.enabled")) == 1


def test_to_enable_what_is_enabled_changes_nothing(world: RegistryWorld, schedule_id: str) -> None:
    assert ask(world, "POST", f"/{schedule_id}/enable").status == 200
    assert stored(world) == [(True, None, NOW)]
    assert audited(world, "schedule.enabled") == []


def test_a_schedule_that_was_put_aside_runs_again_when_it_is_enabled(world: RegistryWorld, schedule_id: str) -> None:
    """The ticker puts a schedule aside whose time zone it does not know; here it is known again."""
    as_owner(world, "update app.extension_schedule set next_run_at = null")

    assert ask(world, "POST", f"/{schedule_id}/enable").status == 200

    assert stored(world) == [(True, None, next_year(world))]


def test_a_schedule_in_a_time_zone_that_is_not_known_is_not_enabled(world: RegistryWorld, schedule_id: str) -> None:
    as_owner(world, "update app.extension_schedule set next_run_at = null, timezone = 'Mars/Olympus_Mons'")

    answer = ask(world, "POST", f"/{schedule_id}/enable")

    assert (answer.status, answer.code) == (409, "conflict")
    assert "Mars/Olympus_Mons" in answer.body["detail"]
    assert stored(world) == [(True, None, None)]


def test_to_enable_a_schedule_ends_its_back_off(world: RegistryWorld, schedule_id: str) -> None:
    as_owner(
        world, "update app.extension_schedule set consecutive_failures = 12, backs_off_until = now() + interval '1 day'"
    )

    body = ask(world, "POST", f"/{schedule_id}/enable").body

    assert (body["consecutive_failures"], body["backs_off_until"]) == (0, None)


def test_a_change_of_what_was_read_long_ago_is_refused(world: RegistryWorld, schedule_id: str) -> None:
    answer = ask(world, "POST", f"/{schedule_id}/disable", headers={"if-match": '"0"'})

    assert answer.code == "precondition_failed"
    assert stored(world) == [(True, None, NOW)]


@pytest.mark.parametrize("action", ["enable", "run"])
def test_a_schedule_without_an_endpoint_is_neither_enabled_nor_run(
    world: RegistryWorld, install: dict[str, Any], action: str
) -> None:
    lost = add_schedule(world, install["install_id"], due_at=NOW, path="/gone")
    ask(world, "POST", f"/{lost}/disable")

    answer = ask(world, "POST", f"/{lost}/{action}")

    assert (answer.status, answer.code) == (409, "conflict")
    assert "POST /gone" in answer.body["detail"]


def test_a_run_by_hand_is_a_delivery_beside_the_schedules_own_times(world: RegistryWorld, schedule_id: str) -> None:
    answer = ask(world, "POST", f"/{schedule_id}/run")

    assert answer.status == 202, answer
    [delivery] = world.rows("select * from app.extension_delivery")
    assert str(delivery["delivery_id"]) == answer.body["delivery_id"]
    assert (delivery["trigger"], delivery["subject"], delivery["state"]) == ("schedule", "yearly", "queued")
    assert stored(world) == [(True, None, NOW)]
    messages = world.sqs.receive_message(QueueUrl=world.deliveries_url)["Messages"]
    assert answer.body["delivery_id"] in messages[0]["Body"]
    assert [row["after"] for row in audited(world, "schedule.run")] == [{"delivery_id": answer.body["delivery_id"]}]


def test_no_schedule_of_an_install_that_is_disabled_is_run(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    assert change(world, install, "disable").status == 200

    refused = ask(world, "POST", f"/{schedule_id}/run")

    assert (refused.status, refused.code) == (409, "conflict")
    assert "The install is disabled" in refused.body["detail"]
    assert world.rows("select 1 from app.extension_delivery") == []

    assert change(world, install, "enable").status == 200
    assert ask(world, "POST", f"/{schedule_id}/run").status == 202


def test_each_run_by_hand_is_a_run_of_its_own(world: RegistryWorld, schedule_id: str) -> None:
    ids = {ask(world, "POST", f"/{schedule_id}/run").body["delivery_id"] for _ in range(3)}

    assert len(ids) == 3


def test_the_same_request_under_one_key_is_one_run(world: RegistryWorld, schedule_id: str) -> None:
    headers = {"idempotency-key": "k"}
    first, again = (ask(world, "POST", f"/{schedule_id}/run", headers=headers) for _ in range(2))

    assert (first.status, again.status, again.body) == (202, 202, first.body)
    assert len(world.rows("select 1 from app.extension_delivery")) == 1


def test_a_run_whose_message_is_not_sent_is_kept_for_the_ticker(world: RegistryWorld, schedule_id: str) -> None:
    world.sqs.delete_queue(QueueUrl=world.deliveries_url)

    assert ask(world, "POST", f"/{schedule_id}/run").status == 202
    assert [row["state"] for row in world.rows("select state from app.extension_delivery")] == ["queued"]


def test_an_installs_schedules_are_run_by_hand_five_times_a_minute(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    other = add_schedule(world, install["install_id"], due_at=NOW)
    for _ in range(4):
        assert ask(world, "POST", f"/{schedule_id}/run").status == 202
    assert ask(world, "POST", f"/{other}/run").status == 202

    refused = ask(world, "POST", f"/{other}/run")

    assert (refused.status, refused.code) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert len(world.rows("select 1 from app.extension_delivery")) == 5

    as_owner(world, "update app.extension_schedule_request set requested_at = requested_at - interval '1 minute'")
    assert ask(world, "POST", f"/{other}/run").status == 202


def test_nothing_is_enabled_or_run_while_extensions_are_switched_off(world: RegistryWorld, schedule_id: str) -> None:
    ask(world, "POST", f"/{schedule_id}/disable")
    world.rewire(EXTENSIONS_ENABLED="false")

    assert ask(world, "POST", f"/{schedule_id}/enable").code == "extensions_disabled"
    assert ask(world, "POST", f"/{schedule_id}/run").code == "extensions_disabled"
    assert ask(world, "POST", f"/{schedule_id}/disable").status == 200


def test_an_update_that_drops_an_endpoint_disables_its_schedules_and_tells_the_tenant(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    publish_server(world, "1.1.0", api={"endpoints": [{"method": "GET", "path": "/other"}]})

    assert change(world, install, "update", {}).status == 200

    assert stored(world) == [(False, "endpoint", None)]
    [row] = audited(world, "install.schedules-disabled")
    assert row["subject"] == install["install_id"]
    assert row["after"]["schedules"] == [{"schedule_id": schedule_id, "name": "yearly", "endpoint": "POST /sync"}]
    assert ask(world, "GET", f"/{schedule_id}").body["disabled_reason"] == "endpoint"


def test_an_update_that_makes_an_endpoint_unschedulable_disables_its_schedules(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    publish_server(world, "1.1.0", api={"endpoints": [{"method": "POST", "path": "/sync", "schedulable": False}]})
    change(world, install, "update", {})

    assert stored(world) == [(False, "endpoint", None)]


def test_an_update_that_keeps_an_endpoint_leaves_its_schedules_alone(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    publish_server(world, "1.1.0", api=SYNC)
    change(world, install, "update", {})

    assert stored(world) == [(True, None, NOW)]
    assert audited(world, "install.schedules-disabled") == []


def test_a_rollback_that_drops_an_endpoint_disables_its_schedules(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    more = {"endpoints": [*SYNC["endpoints"], {"method": "POST", "path": "/later"}]}
    publish_server(world, "1.1.0", api=more)
    change(world, install, "update", {})
    add_schedule(world, install["install_id"], due_at=NOW, path="/later")

    change(world, install, "rollback", {"version": "1.0.0", "reason": "slow"})

    assert stored(world) == [(False, "endpoint", None), (True, None, NOW)]


def test_an_extension_that_is_installed_again_runs_its_schedules_at_their_next_times(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    world.call("DELETE", f"/installs/{install['install_id']}", world.tenant_admin())

    world.install()

    assert stored(world) == [(True, None, next_year(world))]


def test_an_extension_installed_again_in_a_version_without_the_endpoint_keeps_no_schedule_of_it(
    world: RegistryWorld, install: dict[str, Any], schedule_id: str
) -> None:
    publish_server(world, "1.1.0", api={"endpoints": []})
    world.call("DELETE", f"/installs/{install['install_id']}", world.tenant_admin())

    world.install()

    assert stored(world) == [(False, "endpoint", None)]


# The command


@pytest.fixture
def platform(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with answering(served(world)) as server:
        monkeypatch.setenv("ALGA_URL", server.url)
        monkeypatch.setenv("ALGA_TOKEN", world.tenant_admin())
        yield


@pytest.mark.usefixtures("platform")
def test_the_command_lists_disables_enables_and_runs(
    world: RegistryWorld, schedule_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schedules", "disable", schedule_id]) == 0
    assert "disabled_reason: admin" in capsys.readouterr().out
    assert run(["schedules", "list"]) == 0
    assert capsys.readouterr().out == f"{schedule_id}  yearly  0 0 1 1 * UTC POST /sync  disabled (admin)\n"
    assert run(["schedules", "enable", schedule_id]) == 0
    assert run(["schedules", "show", schedule_id]) == 0
    assert "enabled: True" in capsys.readouterr().out
    assert run(["schedules", "run", schedule_id]) == 0
    [delivery] = world.rows("select delivery_id from app.extension_delivery")
    assert capsys.readouterr().out == f"delivery {delivery['delivery_id']}\n"


@pytest.mark.usefixtures("platform")
def test_the_command_says_what_backs_off(
    world: RegistryWorld, schedule_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    until = NOW + timedelta(days=1)
    as_owner(
        world, "update app.extension_schedule set consecutive_failures = 12, backs_off_until = :until", until=until
    )

    assert run(["schedules", "list"]) == 0
    assert "backs off until 2026-07-02T09:00:20Z after 12 failures" in capsys.readouterr().out


@pytest.mark.usefixtures("platform")
def test_a_schedules_name_cannot_control_the_terminal(
    world: RegistryWorld, install: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    schedule_id = add_schedule(world, install["install_id"], due_at=NOW, name="a\x9b2Jb\u202ec")

    run(["schedules", "list"])
    run(["schedules", "show", schedule_id])

    shown = capsys.readouterr().out
    assert shown.count("a\ufffd2Jb\ufffdc") == 2
