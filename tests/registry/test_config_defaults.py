"""Defaults of a configuration: the guest reads those of the version that is installed; stored is what the admin set."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.gateway.refusals import outward
from functions.gateway.resolution import Installs
from tests.support.registry import RegistryWorld
from tests.support.server_extension import change, publish_server


def schema(default: Any, **members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"colour": {"type": "string", "default": default}, "size": {"type": "string"}},
        "required": ["colour"],
        **members,
    }


def read_by_the_guest(world: RegistryWorld, install: dict[str, Any]) -> dict[str, Any]:
    database = Database(world.databases.gateway)
    try:
        found = Installs(database, 0).find("tenant-a", install["install_id"], 0, datetime.now(UTC))
        assert found is not None
        return found.config
    finally:
        database.close()


def test_the_guest_reads_a_default_and_the_admins_own_values_are_stored(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, config=schema("blue"))
    install = world.install(config={"size": "l"})

    assert install["config"] == {"size": "l"}
    assert read_by_the_guest(world, install) == {"colour": "blue", "size": "l"}


def test_an_update_brings_the_new_versions_default_unless_the_admin_set_a_value(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, config=schema("blue"))
    install = world.install()
    publish_server(world, "2.0.0", config=schema("red"))
    assert change(world, install, "update", {}).status == 200
    assert read_by_the_guest(world, install) == {"colour": "red"}

    assert world.call("PUT", f"/installs/{install['install_id']}/config", world.tenant_admin(),
                      {"config": {"colour": "green"}}).status == 200  # fmt: skip
    assert read_by_the_guest(world, install) == {"colour": "green"}


def test_a_default_that_does_not_fit_its_schema_is_refused_like_a_value(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, config=schema(5))
    refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})
    assert (refused.status, refused.code) == (400, "config_invalid")
    assert world.install(config={"colour": "mine"})["config"] == {"colour": "mine"}


def test_a_configuration_is_measured_with_its_defaults_and_as_the_guest_reads_it(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, config=schema("b" * 1_000, additionalProperties=True))
    body = {"extension": "com.acme.notes", "config": {"size": "s" * 64_514}}
    refused = world.call("POST", "/installs", world.tenant_admin(), body)
    assert (refused.status, refused.code) == (400, "config_invalid")
    assert "65537 bytes" in refused.body["detail"]
    quotes = {"extension": "com.acme.notes", "config": {"list": ['"' * 20_000]}}
    assert world.call("POST", "/installs", world.tenant_admin(), quotes).code == "config_invalid"
    fits = world.install(config={"size": "s" * 64_513})
    assert len(read_by_the_guest(world, fits)) == 2


def listed(default: str) -> dict[str, Any]:
    server = {"type": "object", "allOf": [{"properties": {"note": {"type": "string", "default": default}}}]}
    return {"type": "object", "properties": {"servers": {"type": "array", "items": server}}}


def test_defaults_in_items_and_behind_all_of_are_read_and_cannot_be_multiplied_without_end(
    world: RegistryWorld,
) -> None:
    world.register()
    publish_server(world, config=listed("n" * 1_000))
    body = {"extension": "com.acme.notes", "config": {"servers": [{} for _ in range(70)]}}
    refused = world.call("POST", "/installs", world.tenant_admin(), body)
    assert (refused.status, refused.code) == (400, "config_invalid")
    assert "more than 65536 bytes" in refused.body["detail"]

    install = world.install(config={"servers": [{}]})
    assert install["config"] == {"servers": [{}]}
    assert read_by_the_guest(world, install) == {"servers": [{"note": "n" * 1_000}]}


def test_a_stored_configuration_whose_defaults_are_too_many_answers_bad_gateway(world: RegistryWorld) -> None:
    """The registry stores none. One could be left from before the defaults in items counted."""
    world.register()
    publish_server(world, config=listed("n" * 1_000))
    install = world.install()
    assert world.rows(
        "update app.tenant_extension_install set config = cast(:config as jsonb) returning install_id",
        config=json.dumps({"servers": [{} for _ in range(70)]}),
    )
    with pytest.raises(PlatformError) as refused:
        read_by_the_guest(world, install)
    shown = outward(refused.value)
    assert (refused.value.code, shown.code, shown.status) == ("config_invalid", "bad_gateway", 502)
