"""Every route with the right caller under its own path, and an object in it that belongs to somebody else.

A role and a path are not enough: each route also checks that the object is the publisher's or the tenant's.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.conftest import fresh_databases
from tests.registry.conftest import registry
from tests.registry.test_who_may_what import BODIES, ROUTES
from tests.support.deliveries import dead_delivery
from tests.support.registry import RegistryWorld
from tests.support.schedules import SYNC, add_schedule
from tests.support.server_extension import publish_server, put_secret

OF_OBJECTS: Final = ("{key_id}", "{version_id}", "{reference}", "{install_id}", "{schedule_id}", "{delivery_id}")
OF_TENANTS: Final = ("{install_id}", "{schedule_id}", "{delivery_id}")
ROUTES_OF_OBJECTS: Final = [
    (method, path)
    for (method, path), who in ROUTES.items()
    if who not in ("any", "admin") and any(name in path for name in OF_OBJECTS)
]
CHANGED: Final = (
    "publisher_key", "extension_version", "extension_registry", "tenant_extension_install", "extension_install_secret",
    "extension_install_request",
    "extension_egress_trial",
    "extension_limit",
    "audit_event",
    "transparency_leaf",
    "extension_schedule",
    "extension_delivery",
)  # fmt: skip


@pytest.fixture(scope="module")
def scene(
    postgres_server: str, template_database: str, moto_url: str
) -> Iterator[tuple[RegistryWorld, dict[str, str]]]:
    """Acme and tenant-a have one of everything. Globex has a key and tenant-b an install, so neither has nothing."""
    with fresh_databases(postgres_server, template_database) as databases, registry(databases, moto_url) as world:
        world.register()
        world.register("globex", LocalSigner.generate())
        version = publish_server(world, api=SYNC)
        install = world.install()
        put_secret(world, install, "salt", value="of tenant-a")
        world.install(tenant_id="tenant-b")
        yield (
            world,
            {
                "publisher": "globex",
                "key_id": world.publisher_key.key_id,
                "version_id": version["version_id"],
                "reference": "com.acme.notes",
                "install_id": install["install_id"],
                "name": "salt",
                "schedule_id": add_schedule(world, install["install_id"], due_at=None),
                "delivery_id": dead_delivery(world, install["install_id"]),
            },
        )


def rows(world: RegistryWorld) -> list[dict[str, Any]]:
    tables = (f"(select json_agg(t order by t::text) from app.{table} t) as {table}" for table in CHANGED)
    return world.rows(f"select {', '.join(tables)}")


def test_the_routes_of_objects_are_found() -> None:
    assert ("POST", "/publishers/{publisher}/keys/{key_id}/retire") in ROUTES_OF_OBJECTS
    assert len(ROUTES_OF_OBJECTS) > 20


@pytest.mark.parametrize(("method", "path"), ROUTES_OF_OBJECTS, ids=" ".join)
def test_a_foreign_object_is_not_reached_from_ones_own_path(
    scene: tuple[RegistryWorld, dict[str, str]], method: str, path: str
) -> None:
    world, places = scene
    if any(name in path for name in OF_TENANTS):
        token = world.tenant_admin("tenant-b")
    else:
        token = world.token(sub="dev", roles=["publisher"], publishers=["globex"])
    body = BODIES.get(path) if method in ("POST", "PUT") else None
    before = rows(world)

    answer = world.call(method, path.format(**places), token, body)

    assert answer.status in (403, 404) or answer.code == "key_unknown", answer
    assert rows(world) == before


UNKNOWN: Final = {
    "publisher": "acme",
    "key_id": "sha256:" + "0" * 64,
    "version_id": "00000000-0000-0000-0000-000000000000",
    "reference": "com.acme.none",
    "install_id": "00000000-0000-0000-0000-000000000000",
    "name": "salt",
    "schedule_id": "00000000-0000-0000-0000-000000000000",
    "delivery_id": "00000000-0000-0000-0000-000000000000",
}


@pytest.mark.parametrize(("method", "path"), ROUTES_OF_OBJECTS, ids=" ".join)
def test_an_object_that_does_not_exist_is_not_found(
    scene: tuple[RegistryWorld, dict[str, str]], method: str, path: str
) -> None:
    world, _ = scene
    token = world.tenant_admin() if any(name in path for name in OF_TENANTS) else world.publisher
    body = BODIES.get(path) if method in ("POST", "PUT") else None
    before = rows(world)

    answer = world.call(method, path.format(**UNKNOWN), token, body)

    assert answer.code.endswith(("_not_found", "key_unknown")), answer
    assert rows(world) == before
