"""What publishers and tenants are told when an evaluation was killed, and when something changed while it ran."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from functions.registry.evaluation.evaluator import Evaluator
from tests.support.registry import RegistryWorld, manifest_of
from tests.support.server_extension import publish_server


@pytest.fixture
def impatient(world: RegistryWorld) -> Iterator[Evaluator]:
    """An evaluator that gives every request no time at all."""
    made = Evaluator(lambda: world.services.database.in_transaction, budget_s=0)
    yield made
    made.close()


_CHANGE_CONFIG = """update app.tenant_extension_install set config = '{"colour": "blue"}' returning install_id"""
_CHANGE_VERSION = """
update app.tenant_extension_install
set version_id = (select version_id from app.extension_version where version = '1.2.0') returning install_id
"""


class Interrupted:
    """An evaluator during whose first check of a configuration something else happens."""

    def __init__(self, inner: Evaluator, meanwhile: Callable[[], None]) -> None:
        self._inner, self._meanwhile = inner, [meanwhile]

    def first_fault(self, schema: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
        if self._meanwhile:
            self._meanwhile.pop()()
        return self._inner.first_fault(schema, config)


def test_a_schema_whose_check_was_killed_is_refused_at_publish(world: RegistryWorld, impatient: Evaluator) -> None:
    world.register()
    with world.replaced(evaluator=impatient):
        refused = world.send(world.signed(manifest_of(config={"type": "object"})))

    assert (refused.status, refused.code) == (400, "manifest_invalid")
    assert "checking it takes more than 0 s" in refused.body["detail"]
    assert world.rows("select 1 from app.extension_version") == []


def test_a_configuration_whose_check_was_killed_is_refused(world: RegistryWorld, impatient: Evaluator) -> None:
    world.register()
    publish_server(world, "1.0.0")
    install = world.install(version="1.0.0")
    publish_server(world, "1.1.0")
    admin, path = world.tenant_admin(), f"/installs/{install['install_id']}"

    with world.replaced(evaluator=impatient):
        for refused in (
            world.call("POST", "/installs", world.tenant_admin("tenant-b"), {"extension": "com.acme.notes"}),
            world.call("POST", f"{path}/update", admin, {}),
            world.call("PUT", f"{path}/config", admin, {"config": {"colour": "red"}}),
        ):
            assert (refused.status, refused.code) == (400, "config_invalid")
            assert "checking it takes more than 0 s" in refused.body["detail"]

    assert world.call("GET", path, admin).body["version"] == "1.0.0"


def test_ui_files_whose_compression_was_killed_are_published_as_they_are(
    world: RegistryWorld, impatient: Evaluator
) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of())).body

    with world.replaced(evaluator=impatient):
        assert world.prepare() == ["ready"]

    folder = f"ui/{sent['content_hash'].removeprefix('sha256:')}"
    assert world.objects.size(f"{folder}/files/index.html") is not None
    assert world.objects.size(f"{folder}/files/index.html.br") is None


@pytest.mark.parametrize("what", ["update", "rollback", "request/approve", "config"])
def test_what_changed_while_it_was_checked_is_a_conflict_and_nothing_is_changed(
    world: RegistryWorld, what: str
) -> None:
    world.register()
    publish_server(world, "1.0.0")
    publish_server(world, "1.1.0")
    publish_server(world, "1.2.0", egress=["*.example.com", "api.other.com"])
    install = world.install(version="1.1.0")
    admin, path = world.tenant_admin(), f"/installs/{install['install_id']}"
    if what == "request/approve":
        assert world.call("POST", f"{path}/update", admin, {"version": "1.2.0"}).status == 200
    before = world.call("GET", path, admin).body["version"]
    method, body = {
        "update": ("POST", {"version": "1.2.0"}),
        "rollback": ("POST", {"version": "1.0.0", "reason": "r"}),
        "request/approve": ("POST", {}),
        "config": ("PUT", {"config": {"colour": "red"}}),
    }[what]

    def meanwhile() -> None:
        world.rows(_CHANGE_VERSION if what == "config" else _CHANGE_CONFIG)

    interrupted = Interrupted(world.services.evaluator, meanwhile)
    with world.replaced(evaluator=interrupted):
        refused = world.call(method, f"{path}/{what}", admin, body)

    assert (refused.status, refused.code) == (409, "conflict")
    shown = world.rows(
        "select config, version from app.tenant_extension_install join app.extension_version using (version_id)"
    )
    changed = ({}, "1.2.0") if what == "config" else ({"colour": "blue"}, before)
    assert [(row["config"], row["version"]) for row in shown] == [changed]


def test_a_version_that_is_yanked_while_its_configuration_is_checked_is_not_installed(world: RegistryWorld) -> None:
    world.register()
    publish_server(world)

    def yank() -> None:
        world.rows("update app.extension_version set state = 'yanked' returning version_id")

    interrupted = Interrupted(world.services.evaluator, yank)
    with world.replaced(evaluator=interrupted):
        refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})

    assert (refused.status, refused.code) == (409, "version_not_ready")
    assert world.rows("select 1 from app.tenant_extension_install") == []
