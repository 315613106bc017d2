"""What a tenant is told of the extensions it has installed: every change of code, keys and owner since then."""

import json
from datetime import timedelta
from typing import Any

import pytest

from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.registry.publishing import publishers
from functions.registry.records import transparency
from functions.registry.records.audit import Actor
from tests.support.registry import RegistryWorld, manifest_of


@pytest.fixture(params=["few", "many"])
def installed(world: RegistryWorld, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An extension installed by tenant-a; tenants with many installs are read in another way."""
    if request.param == "many":
        monkeypatch.setattr(transparency, "_LARGE_TENANT_INSTALLS", 1)
    world.register()
    world.publish()
    return world.install()


def events(world: RegistryWorld, tenant_id: str = "tenant-a", query: str = "") -> list[dict[str, Any]]:
    page = world.call("GET", "/events", world.tenant_viewer(tenant_id), query=query).body
    return list(page["items"])


def kinds(world: RegistryWorld, tenant_id: str = "tenant-a") -> list[str]:
    return [event["kind"] for event in events(world, tenant_id)]


def test_a_new_key_of_the_publisher_is_an_event_its_tenants_see(
    world: RegistryWorld, installed: dict[str, Any]
) -> None:
    assert installed
    world.add_key("acme", LocalSigner.generate())

    assert kinds(world) == ["publisher.key_added"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([("POST", "/versions/{version_id}/yank")], ["version.yanked"]),
        (
            [("POST", "/versions/{version_id}/yank"), ("POST", "/versions/{version_id}/unyank")],
            ["version.unyanked", "version.yanked"],
        ),
        ([("POST", "/versions/{version_id}/withdraw")], ["version.withdrawn"]),
        ([("POST", "/extensions/com.acme.notes/deprecate")], ["extension.deprecated"]),
        (
            [("POST", "/extensions/com.acme.notes/deprecate"), ("DELETE", "/extensions/com.acme.notes/deprecate")],
            ["extension.undeprecated", "extension.deprecated"],
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value[-1], str) else "",
)
def test_a_change_of_an_extension_is_an_event_its_tenants_see(
    world: RegistryWorld, installed: dict[str, Any], changes: list[tuple[str, str]], told: list[str]
) -> None:
    for method, path in changes:
        body = None if method == "DELETE" else {"reason": "r"}
        assert world.call(method, path.format(**installed), world.publisher, body).status == 200

    assert kinds(world) == told


def test_a_transfer_is_an_event_its_tenants_see(world: RegistryWorld, installed: dict[str, Any]) -> None:
    assert installed
    world.register("globex", LocalSigner.generate())
    world.call("POST", "/extensions/com.acme.notes/transfer", world.admin, {"publisher": "globex"})

    (event,) = (event for event in events(world) if event["kind"] == "extension.transferred")

    assert {name: json.loads(event["entry"])[name] for name in ("from", "to")} == {"from": "acme", "to": "globex"}


def test_keys_of_the_new_owner_are_events_after_a_transfer(world: RegistryWorld, installed: dict[str, Any]) -> None:
    assert installed
    world.register("globex", LocalSigner.generate())
    world.call("POST", "/extensions/com.acme.notes/transfer", world.admin, {"publisher": "globex"})
    world.add_key("globex", LocalSigner.generate())

    assert kinds(world)[0] == "publisher.key_added"


def test_what_happened_before_the_installation_is_not_told(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    world.add_key("acme", LocalSigner.generate())
    world.install()

    assert events(world) == []


def test_other_tenants_are_told_nothing(world: RegistryWorld, installed: dict[str, Any]) -> None:
    assert installed
    world.add_key("acme", LocalSigner.generate())

    assert events(world, "tenant-z") == []


def test_after_the_uninstall_nothing_is_told(world: RegistryWorld, installed: dict[str, Any]) -> None:
    world.add_key("acme", LocalSigner.generate())
    world.call("DELETE", f"/installs/{installed['install_id']}", world.tenant_admin())

    assert events(world) == []


def test_pages_hold_each_event_once_newest_first(world: RegistryWorld, installed: dict[str, Any]) -> None:
    assert installed
    world.publish(manifest_of("com.acme.more"))
    world.install("com.acme.more")
    for number in range(1, 4):
        world.publish(manifest_of(version=f"1.{number}.0"))
        world.publish(manifest_of("com.acme.more", f"1.{number}.0"))
        world.add_key("acme", LocalSigner.generate())

    found: list[int] = []
    cursor = ""
    while cursor is not None:
        query = "page_size=2" + (f"&cursor={cursor}" if cursor else "")
        page = world.call("GET", "/events", world.tenant_viewer(), query=query).body
        found += [event["leaf_index"] for event in page["items"]]
        cursor = page["next_cursor"]

    # Of the publication of "more" itself only com.acme.notes' tenant is not told: it was not installed yet.
    assert len(found) == 9
    assert found == sorted(set(found), reverse=True)


def test_a_page_of_few_installs_does_not_cost_more_in_a_longer_log(world: RegistryWorld) -> None:
    _install_and_add_a_key(world)
    _fill(world, first=100, at="now()")

    assert _blocks_of_a_page(world, transparency._OF_TENANT) < 100


def test_a_page_of_many_installs_does_not_cost_more_after_a_longer_past(world: RegistryWorld) -> None:
    _install_and_add_a_key(world)
    _as_owner(
        world,
        "update app.transparency_leaf set leaf_index = leaf_index + 60000",
        "update app.tenant_extension_install set log_size_at_install = log_size_at_install + 60000",
    )
    _fill(world, first=0, at="now() - interval '1 year'")

    assert _blocks_of_a_page(world, transparency._OF_LARGE_TENANT) < 100


def _install_and_add_a_key(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    world.install()
    world.add_key("acme", LocalSigner.generate())


def _fill(world: RegistryWorld, first: int, at: str) -> None:
    """Put 50,000 leaves of somebody else into the log."""
    _as_owner(
        world,
        "insert into app.transparency_leaf (leaf_index, entry, leaf_hash, kind, publisher, extension_id, at) "
        f"select {first} + i, '{{}}', sha256('x'), 'publisher.key_added', 'globex', null, {at} "
        "from generate_series(0, 49999) i",
        "analyze app.transparency_leaf",
    )


def _as_owner(world: RegistryWorld, *statements: str) -> None:
    owner = Database(world.databases.owner, 60_000)
    for statement in statements:
        with owner.system() as tx:
            tx.execute(statement)
    owner.close()


def _blocks_of_a_page(world: RegistryWorld, sql: str) -> int:
    """Return how many blocks of the database a tenant's first page reads; it must hold the one event there is."""
    with world.services.database.tenant("tenant-a") as tx:
        plan = tx.rows(
            f"explain (analyze, buffers, format json) {sql}", tenant_id="tenant-a", before=2**62, page_size=25
        )[0]["QUERY PLAN"][0]["Plan"]
    assert plan["Actual Rows"] == 1, plan
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_what_was_being_recorded_while_an_extension_was_installed_is_told(world: RegistryWorld) -> None:
    """A change waits for the log, the installation is done meanwhile, and the change's instant is the earlier one."""
    world.register()
    world.publish()
    before = world.services.now()
    world.install()
    with world.services.database.system() as tx:
        publishers.add_key(
            tx, "acme", LocalSigner.generate().public_pem, None, None, Actor("dev", "r"), before - timedelta(seconds=20)
        )

    assert kinds(world) == ["publisher.key_added"]
