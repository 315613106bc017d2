"""``GET /healthz`` of the registry: ok or not ok for everyone, the parts for platform admins."""

import json
from typing import Any

import pytest

from alga_ext.stores.database import Database
from functions.registry.api.registry import Registry
from tests.support.registry import Context, RegistryWorld


def health(world: RegistryWorld, token: str | None = None, method: str = "GET") -> tuple[int, Any]:
    """Ask a registry of this world; each is asked for the first time."""
    event = world.event(method, "/healthz", token or "")
    if token is None:
        del event["headers"]["authorization"]
    answer = Registry(world.services).answer(event, Context())
    return answer["statusCode"], json.loads(answer["body"])


def test_everyone_is_told_whether_it_is_ok(world: RegistryWorld) -> None:
    assert health(world) == (200, {"status": "ok"})


def test_platform_admins_are_told_the_parts(world: RegistryWorld) -> None:
    status, document = health(world, world.admin)

    assert status == 200
    assert list(document["checks"]) == ["database", "key_set", "trust_bundle", "object_store"]


def test_a_tenants_admin_is_not_told_the_parts(world: RegistryWorld) -> None:
    assert health(world, world.tenant_admin()) == (200, {"status": "ok"})


def test_a_token_that_does_not_verify_is_refused(world: RegistryWorld) -> None:
    status, document = health(world, "nonsense")

    assert (status, document["code"]) == (401, "unauthenticated")


def test_another_method_is_refused(world: RegistryWorld) -> None:
    status, document = health(world, method="POST")

    assert (status, document["code"]) == (405, "method_not_allowed")


def test_it_opens_no_connection_to_a_database(world: RegistryWorld) -> None:
    with world.replaced(database=Database("postgresql://nobody@127.0.0.1:1/none")):
        status, document = health(world, world.admin)

    assert (status, document["checks"]["database"]) == (200, {"ok": True, "connected": False})


def test_an_open_connection_that_broke_is_reported(world: RegistryWorld) -> None:
    with world.services.database.system() as tx:
        process_id = tx.one("select pg_backend_pid() as id")["id"]
    world.rows("select pg_terminate_backend(:id)", id=process_id)

    status, document = health(world, world.admin)

    assert (status, document["checks"]["database"]["ok"]) == (503, False)


def test_a_store_that_cannot_be_reached_is_reported(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    world.rewire()

    status, document = health(world, world.admin)

    assert (status, document["checks"]["object_store"]["ok"]) == (503, False)
