"""What an install's change of version, of configuration or of a request leaves behind, and what it waits for."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from alga_ext.stores.database import Database, Tx
from alga_ext.trust.signing import LocalSigner
from functions.registry.installing import installs, updates
from functions.registry.installing.installs import CheckedConfig
from functions.registry.publishing import versions
from functions.registry.records.audit import Actor
from tests.support.refusals import code_of
from tests.support.registry import RegistryWorld
from tests.support.server_extension import change, publish_server

TENANT, SOMEBODY = "tenant-a", Actor("admin@tenant-a", "request")
WIDER = ["*.example.com", "api.other.org"]
MORE = {"egress": ["api.other.org"]}
HOST: dict[str, Any] = {
    "egress": ["config:base"],
    "secrets": [],
    "config": {"type": "object", "properties": {"base": {"type": "string"}}},
}
HOST_GRANTS = {"capabilities": ["http.fetch"], "egress": ["config:base"]}


def audited(world: RegistryWorld, action: str) -> list[tuple[Any, Any]]:
    """What was before and after each change of this name, oldest first."""
    rows = world.rows(
        "select before, after from app.audit_event where action = :action order by audit_id", action=action
    )
    return [(row["before"], row["after"]) for row in rows]


def requests(world: RegistryWorld) -> list[str]:
    """The states of all requests, oldest first."""
    return [row["state"] for row in world.rows("select state from app.extension_install_request order by created_at")]


def configure(world: RegistryWorld, install: dict[str, Any], base: str) -> dict[str, Any]:
    path = f"/installs/{install['install_id']}/config"
    answer = world.call("PUT", path, world.tenant_admin(), {"config": {"base": f"https://{base}"}})
    assert answer.status == 200, answer
    shown: dict[str, Any] = answer.body
    return shown


# The audit trail


def test_a_request_is_recorded_with_what_it_asks_for_and_what_it_replaces(published: RegistryWorld) -> None:
    install = published.install()
    for version in ("1.1.0", "1.2.0"):
        publish_server(published, version, egress=WIDER)
        asking = change(published, install, "update", {}).body

    declined = change(published, install, "request/decline").body

    first = {"from": "1.0.0", "to": "1.1.0", "holds_code": False, "asks_for": MORE}
    second = {**first, "to": "1.2.0"}
    assert audited(published, "install.request") == [(None, first), (first, second)]
    assert audited(published, "install.decline") == [(second, {"declined": "1.2.0"})]
    assert requests(published) == ["superseded", "declined"]
    assert declined["revision"] == asking["revision"] + 1


def test_a_request_that_holds_code_is_recorded_with_both_keys(published: RegistryWorld) -> None:
    install = published.install()
    fresh = LocalSigner.generate()
    published.add_key("acme", fresh)
    publish_server(published, "1.1.0", fresh)
    change(published, install, "update", {})

    ((_, asked),) = audited(published, "install.request")

    keys = {"from": published.publisher_key.key_id, "to": fresh.key_id}
    assert asked == {"from": "1.0.0", "to": "1.1.0", "holds_code": True, "asks_for": {"publisher_key": keys}}


def test_a_rollback_is_recorded_with_its_reason(published: RegistryWorld) -> None:
    install = published.install()
    publish_server(published, "1.1.0", egress=WIDER)
    change(published, install, "update", {})

    back = change(published, install, "rollback", {"version": "1.0.0", "reason": "loses notes"}).body

    ((_, updated),) = audited(published, "install.update")
    ((before, after),) = audited(published, "install.rollback")
    assert (before, "reason" in updated) == (updated, False)
    assert (after["reason"], after["version"], before["version"]) == ("loses notes", "1.0.0", "1.1.0")
    assert (back["waiting_request"], requests(published)) == (None, ["superseded"])


def test_each_change_of_a_configured_host_is_recorded_with_the_request_it_replaces(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, **HOST)
    install = world.install(grants=HOST_GRANTS, config={"base": "https://old.example.com"})

    for host in ("a.example.com", "b.example.com", "old.example.com"):
        shown = configure(world, install, host)

    def asks(host: str) -> dict[str, Any]:
        return {"configured_hosts": {"base": {"from": "old.example.com", "to": host}}}

    waited = {"from": "1.0.0", "to": "1.0.0", "holds_code": False}
    assert audited(world, "install.request") == [
        (None, {"asks_for": asks("a.example.com")}),
        ({**waited, "asks_for": asks("a.example.com")}, {"asks_for": asks("b.example.com")}),
        ({**waited, "asks_for": asks("b.example.com")}, {"asks_for": {}}),
    ]
    assert (shown["waiting_request"], requests(world)) == (None, ["superseded", "superseded"])


# What a request carries on


def test_a_changed_host_joins_a_request_that_holds_code_and_it_still_does(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, **HOST)
    install = world.install(grants=HOST_GRANTS, config={"base": "https://old.example.com"})
    fresh = LocalSigner.generate()
    world.add_key("acme", fresh)
    publish_server(world, "1.1.0", fresh, **HOST)
    change(world, install, "update", {})

    asked = configure(world, install, "new.example.com")["waiting_request"]
    approved = change(world, install, "request/approve", {}).body

    assert (asked["from_version"], asked["to_version"], asked["holds_code"]) == ("1.0.0", "1.1.0", True)
    assert asked["difference"].keys() == {"publisher_key", "configured_hosts"}
    assert (approved["version"], approved["publisher_key_id"]) == ("1.1.0", fresh.key_id)
    assert approved["grants"]["egress"] == ["config:base=new.example.com"]


def test_an_approval_grants_all_kinds_of_what_was_asked_and_keeps_what_was_granted(published: RegistryWorld) -> None:
    """All but the first of each kind are new with the second version."""
    asked: dict[str, Any] = {
        "egress": ["*.example.com", "api.other.org"],
        "secrets": [
            {"name": "api-key", "hosts": ["api.example.com"]},
            {"name": "other-key", "hosts": ["api.other.org"], "header": "x-key"},
        ],
        "limits": {"timeout_ms": 20_000},
    }
    publish_server(published, "1.0.1", capabilities=["http.fetch", "secrets.get"], limits={"timeout_ms": 10_000})
    granted = {
        "capabilities": ["http.fetch", "secrets.get"],
        "egress": ["a.example.com"],
        "secrets": {"api-key": ["api.example.com"]},
        "limits": {"timeout_ms": 5_000},
    }
    install = published.install(grants=granted)
    capabilities = ["http.fetch", "secrets.get", "storage.kv"]
    publish_server(published, "1.1.0", **asked, capabilities=capabilities)
    change(published, install, "update", {})

    grants = change(published, install, "request/approve", {}).body["grants"]

    assert set(grants["capabilities"]) >= {f"cap:{name}" for name in capabilities}
    assert grants["egress"] == ["a.example.com", "api.other.org"]
    assert grants["secrets"] == {"api-key": ["api.example.com"], "other-key": ["api.other.org"]}
    assert grants["secret_headers"] == {"other-key": "x-key"}
    assert grants["limits"]["timeout_ms"] == 20_000


def test_a_moved_install_hears_the_events_of_its_version(published: RegistryWorld) -> None:
    install = published.install()
    publish_server(published, "1.1.0", events=[{"topic": "note.created", "handler": "/on-note"}])

    def heard() -> list[str]:
        return [row["topic"] for row in published.rows("select topic from app.extension_event_subscription")]

    assert heard() == []
    change(published, install, "update", {})
    assert heard() == ["note.created"]
    change(published, install, "rollback", {"version": "1.0.0", "reason": "r"})
    assert heard() == []


def test_a_build_of_the_same_version_is_an_update_and_no_way_back(published: RegistryWorld) -> None:
    install = published.install()
    publish_server(published, "1.0.0+fix")

    updated = change(published, install, "update", {"version": "1.0.0+fix"})
    back = change(published, install, "rollback", {"version": "1.0.0", "reason": "r"})

    assert (updated.status, updated.body["version"]) == (200, "1.0.0+fix")
    assert (back.status, back.code) == (409, "conflict")


# Changes at once


def changes(tx: Tx, install_id: str, version: str, config: dict[str, Any]) -> dict[str, Callable[[], None]]:
    """The changes of an install, with a configuration that was checked against a version before."""
    install = installs.load_install(tx, TENANT, install_id)
    target = versions.load_runnable(tx, str(install["extension_id"]), version)
    checked = CheckedConfig(str(target["version_id"]), config)
    return {
        "update": lambda: updates.update(tx, TENANT, install_id, target, checked, SOMEBODY),
        "rollback": lambda: updates.roll_back(tx, TENANT, install_id, target, checked, "reason", SOMEBODY),
        "grants": lambda: updates.regrant(tx, TENANT, install_id, {"capabilities": ["none"]}, SOMEBODY),
        "unpin": lambda: updates.set_pinned(tx, TENANT, install_id, False, SOMEBODY),
        "approve": lambda: updates.approve(tx, TENANT, install_id, None, checked, SOMEBODY),
        "decline": lambda: updates.decline(tx, TENANT, install_id, SOMEBODY),
    }


@pytest.mark.parametrize(
    ("what", "otherwise"),
    [
        ("update", "conflict"),
        ("rollback", "conflict"),
        ("grants", "grants_invalid"),
        ("unpin", None),
        ("approve", "request_not_found"),
        ("decline", "request_not_found"),
    ],
)
def test_a_change_waits_for_the_one_before_it_even_to_do_nothing(
    published: RegistryWorld, what: str, otherwise: str | None
) -> None:
    install_id = published.install()["install_id"]
    database, other = published.services.database, Database(published.databases.registry)

    def tried() -> str | None:
        def change_it() -> None:
            with database.tenant(TENANT) as tx:
                tx.execute("set local lock_timeout = 1")
                changes(tx, install_id, "1.0.0", {})[what]()

        return code_of(change_it)

    with closing(other), other.tenant(TENANT) as before:
        installs.load_install(before, TENANT, install_id, lock=True)
        assert tried() == "database_unavailable"
    assert tried() == otherwise


@pytest.mark.parametrize(("what", "version"), [("update", "1.2.0"), ("rollback", "1.0.0"), ("approve", "1.1.0")])
def test_a_change_is_not_made_with_another_configuration_than_was_checked(
    published: RegistryWorld, what: str, version: str
) -> None:
    install = published.install()
    publish_server(published, "1.1.0", egress=WIDER)
    change(published, install, "update", {})
    publish_server(published, "1.2.0", egress=WIDER)

    def made(checked: dict[str, Any]) -> str | None:
        def change_it() -> None:
            with published.services.database.tenant(TENANT) as tx:
                changes(tx, install["install_id"], version, checked)[what]()

        return code_of(change_it)

    assert made({"colour": "red"}) == "conflict"
    assert made({}) is None
