"""Disabling an install takes effect at once, whatever another request has locked, and is a change like any other."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.stores.database import Database
from functions.registry.installing import installs
from functions.registry.records.audit import Actor
from tests.support.impatient_database import ImpatientDatabase
from tests.support.registry import Answer, RegistryWorld
from tests.support.server_extension import change, publish_server

TENANT, OTHER = "tenant-a", Actor("other", "r")

HELD = {
    "a locked row": "select from app.tenant_extension_install for no key update",
    "a changed row": "update app.tenant_extension_install set config = '{}', revision = revision + 1",
    "an uninstall": "update app.tenant_extension_install set state = 'uninstalled', uninstalled_at = now()",
    "a disabling": "insert into app.extension_install_disabling (tenant_id, install_id)"
    " select tenant_id, install_id from app.tenant_extension_install",
    "a secret": "insert into app.extension_install_secret"
    " (tenant_id, install_id, name, secret_version, sealed, created_by)"
    " select tenant_id, install_id, 'salt', 1, 'x', 't' from app.tenant_extension_install",
    "an audit row": "insert into app.audit_event (tenant_id, actor, action, subject, request_id)"
    " values ('tenant-a', 'a', 'install.disabled', 's', 'request-1')",
}
"""What a request of the tenant may hold in an open transaction."""


class _RolledBackError(Exception):
    """Ends a transaction without keeping what it did."""


@pytest.fixture
def installed(world: RegistryWorld) -> dict[str, Any]:
    world.register()
    publish_server(world, "1.0.0")
    publish_server(world, "1.1.0")
    return world.install("com.acme.notes", version="1.0.0")


@pytest.fixture
def other(world: RegistryWorld) -> Iterator[Database]:
    """The connection of another process of the registry."""
    database = Database(world.databases.registry)
    yield database
    database.close()


@pytest.fixture
def impatient(world: RegistryWorld) -> Iterator[RegistryWorld]:
    database = ImpatientDatabase(world.databases.registry)
    with world.replaced(database=database):
        yield world
    database.close()


def shown(world: RegistryWorld, install: dict[str, Any]) -> dict[str, Any]:
    answer: Answer = world.call("GET", f"/installs/{install['install_id']}", world.tenant_viewer())
    assert answer.headers["etag"] == f'"{answer.body["revision"]}"'
    body: dict[str, Any] = answer.body
    return body


@pytest.mark.parametrize("was_disabled", [False, True], ids=["enabled", "disabled"])
@pytest.mark.parametrize("held", HELD)
def test_disabling_waits_for_nothing_that_an_open_transaction_holds(
    installed: dict[str, Any], impatient: RegistryWorld, other: Database, held: str, was_disabled: bool
) -> None:
    if was_disabled:
        change(impatient, installed, "disable")

    with suppress(_RolledBackError), other.tenant(TENANT) as tx:
        assert tx.execute(HELD[held]) == 1
        answer = change(impatient, installed, "disable")
        assert (answer.status, answer.body["state"]) == (200, "disabled")
        raise _RolledBackError

    assert shown(impatient, installed)["state"] == "disabled"


@pytest.mark.parametrize("is_kept", [True, False], ids=["it commits", "it is rolled back"])
def test_a_disabling_during_an_enabling_waits_for_nothing_and_stays_in_force(
    installed: dict[str, Any], impatient: RegistryWorld, other: Database, is_kept: bool
) -> None:
    change(impatient, installed, "disable")

    with suppress(_RolledBackError), other.tenant(TENANT) as tx:
        installs.enable(tx, TENANT, installed["install_id"], OTHER)
        answer = change(impatient, installed, "disable")
        assert (answer.status, answer.body["state"]) == (200, "disabled")
        if not is_kept:
            raise _RolledBackError

    assert shown(impatient, installed)["state"] == "disabled"
    assert change(impatient, installed, "enable").body["state"] == "enabled"
    assert shown(impatient, installed)["state"] == "enabled"


def test_two_disablings_at_once_are_undone_by_one_enabling(
    installed: dict[str, Any], impatient: RegistryWorld, other: Database
) -> None:
    with other.tenant(TENANT) as tx:
        installs.disable(tx, TENANT, installed["install_id"], OTHER)
        change(impatient, installed, "disable")
    (rows,) = impatient.rows("select count(*) as number from app.extension_install_disabling")

    assert rows["number"] == 2
    assert change(impatient, installed, "enable").body["state"] == "enabled"


def test_a_repeated_disabling_stores_and_records_nothing(world: RegistryWorld, installed: dict[str, Any]) -> None:
    first = change(world, installed, "disable")

    assert change(world, installed, "disable").body == first.body
    (rows,) = world.rows("select count(*) as number from app.extension_install_disabling")
    (audit,) = world.rows("select count(*) as number from app.audit_event where action = 'install.disabled'")
    assert (rows["number"], audit["number"]) == (1, 1)


def test_a_disabling_about_an_older_state_is_refused(world: RegistryWorld, installed: dict[str, Any]) -> None:
    change(world, installed, "pin")

    refused = change(world, installed, "disable", None, **{"if-match": f'"{installed["revision"]}"'})

    assert (refused.status, refused.code) == (412, "precondition_failed")
    assert shown(world, installed)["state"] == "enabled"


def test_what_is_uninstalled_or_of_another_tenant_is_not_disabled(
    world: RegistryWorld, installed: dict[str, Any]
) -> None:
    path = f"/installs/{installed['install_id']}"
    stranger = world.call("POST", f"{path}/disable", world.tenant_admin("tenant-b"))
    assert world.call("DELETE", path, world.tenant_admin()).status == 204

    assert stranger.code == change(world, installed, "disable").code == "install_not_found"
    assert world.rows("select from app.extension_install_disabling") == []


def test_a_disabled_install_is_not_counted_among_those_that_a_revocation_stops(
    world: RegistryWorld, installed: dict[str, Any]
) -> None:
    world.install("com.acme.notes", "tenant-b", version="1.0.0")
    change(world, installed, "disable")
    path = f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke"
    body = {"reason": "r", "revoked_from": "2026-01-01T00:00:00Z", "dry_run": True}

    told = world.call("POST", path, world.admin, body).body

    assert sum(version["installs"] for version in told["stopped"]) == 1


def test_an_install_that_earlier_code_disabled_is_enabled_again(
    world: RegistryWorld, installed: dict[str, Any], other: Database
) -> None:
    with other.tenant(TENANT) as tx:
        tx.execute("update app.tenant_extension_install set state = 'disabled', revision = revision + 1")
    before = shown(world, installed)

    after = change(world, installed, "enable").body

    assert (before["state"], after["state"], after["revision"] > before["revision"]) == ("disabled", "enabled", True)


WAITS_FOR_A_LOCK = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
CHANGES = st.lists(st.sampled_from(["disable", "enable", "pin", "unpin", "reinstall"]), max_size=12)


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_each_change_gives_a_higher_revision_and_what_changes_nothing_the_same(
    world: RegistryWorld, installed: dict[str, Any], changes: list[str]
) -> None:
    before = shown(world, installed)
    for what in changes:
        if what == "reinstall":
            assert world.call("DELETE", f"/installs/{installed['install_id']}", world.tenant_admin()).status == 204
            world.install("com.acme.notes", version="1.0.0")
        else:
            answer = change(world, installed, what, None, **{"if-match": f'"{before["revision"]}"'})
            assert answer.status == 200
        after = shown(world, installed)
        assert after["install_id"] == installed["install_id"]
        assert after["state"] == {"disable": "disabled", "enable": "enabled", "reinstall": "enabled"}.get(
            what, before["state"]
        )
        assert after["changed_at"] >= before["changed_at"]
        if {**after, "revision": 0, "changed_at": 0} == {**before, "revision": 0, "changed_at": 0}:
            assert what == "reinstall" or after == before
        else:
            assert after["revision"] > before["revision"]
        before = after


def test_a_change_that_waited_for_another_is_decided_by_what_that_one_left(
    world: RegistryWorld, installed: dict[str, Any], other: Database
) -> None:
    """The other one moves the install to another version, which the waiting request must see."""
    answers: list[Answer] = []
    match = {"if-match": f'"{installed["revision"]}"'}
    waiter = threading.Thread(
        target=lambda: answers.append(change(world, installed, "update", {"version": "1.1.0"}, **match))
    )
    watching = Database(world.databases.owner)

    def waits() -> bool:
        with watching.system() as tx:
            return bool(tx.rows(WAITS_FOR_A_LOCK))

    assert not waits()  # connects, so that watching is quick while the other one waits
    target = world.rows("select version_id, content_hash from app.extension_version where version = '1.1.0'")[0]

    with other.tenant(TENANT) as tx:
        tx.execute(
            "update app.tenant_extension_install set version_id = :version_id, content_hash = :content_hash,"
            " revision = revision + 1",
            **target,
        )
        waiter.start()
        while waiter.is_alive() and not waits():
            time.sleep(0.01)
    waiter.join()
    watching.close()

    assert [(answer.status, answer.code) for answer in answers] == [(412, "precondition_failed")]
