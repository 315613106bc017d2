"""Every route of the registry with every role: docs/reference/http-api.md says who may, and the registry does so."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.conftest import fresh_databases
from tests.registry.conftest import registry
from tests.support.events import BATCH
from tests.support.places import ROOT
from tests.support.registry import RegistryWorld
from tests.support.schedules import add_schedule
from tests.support.server_extension import publish_server

REFERENCE = ROOT / "docs/reference/http-api.md"
ROUTES: Final = {
    (method, path): who
    for method, path, who in re.findall(
        r"^\| (GET|POST|PUT|DELETE) \| `([^`]+)` \| ([a-z ]+) \|", REFERENCE.read_text(), re.MULTILINE
    )
}
ALLOWED: Final = {
    "any": {"platform_admin", "publisher", "tenant_admin", "tenant_viewer"},
    "admin": {"platform_admin"},
    "publisher": {"platform_admin", "publisher"},
    "event publisher": {"event:publish"},
    "metrics reader": {"platform_admin", "metrics:read"},
    "tenant admin": {"tenant_admin"},
    # Each user of the tenant, whatever its roles.
    "tenant user": {"tenant_admin", "tenant_viewer", "event:publish", "none"},
    "tenant viewer": {"tenant_admin", "tenant_viewer"},
    "admin or tenant admin": {"platform_admin", "tenant_admin"},
    "admin or tenant viewer": {"platform_admin", "tenant_admin", "tenant_viewer"},
}
ROLES: Final = (
    "platform_admin",
    "publisher",
    "publisher of others",
    "event:publish",
    "metrics:read",
    "tenant_admin",
    "tenant_viewer",
    "none",
)
HASH: Final = "sha256:" + "0" * 64
REASON: Final = {"reason": "r"}
# Bodies that are valid and change nothing: the request is about something older, or about what is not there.
BODIES: Final[dict[str, Any]] = {
    "/publishers": {"publisher": "acme", "display_name": "again"},
    "/publishers/{publisher}/keys": {"public_key": "none"},
    "/publishers/{publisher}/keys/{key_id}/retire": {},
    "/publishers/{publisher}/keys/{key_id}/revoke": REASON,
    "/uploads": {"publisher": "acme", "content_hash": HASH, "size_bytes": 1},
    "/versions": {"signature": {}},
    "/versions/{version_id}/yank": REASON,
    "/versions/{version_id}/unyank": REASON,
    "/versions/{version_id}/withdraw": REASON,
    "/extensions/{reference}/deprecate": REASON,
    "/extensions/{reference}/transfer": {"publisher": "acme"},
    "/installs": {"extension": "com.acme.none"},
    "/installs/{install_id}/update": {},
    "/installs/{install_id}/rollback": {"version": "1.0.0", **REASON},
    "/installs/{install_id}/request/approve": {},
    "/installs/{install_id}/grants": {},
    "/installs/{install_id}/egress-trial": {"hosts": [], "days": 1},
    "/installs/{install_id}/config": {"config": {}},
    "/installs/{install_id}/secrets/{name}": {"value": "x"},
    "/installs/{install_id}/limits": {},
    "/tenants/{tenant_id}/limits": {},
    "/topics/{topic}": {"schema": {}},
    "/api/events": [],
}


@pytest.fixture(scope="module")
def scene(
    postgres_server: str, template_database: str, moto_url: str
) -> Iterator[tuple[RegistryWorld, dict[str, str]]]:
    """A registry with one of everything, and the places of it."""
    with fresh_databases(postgres_server, template_database) as databases, registry(databases, moto_url) as world:
        world.register()
        version = publish_server(world)
        install_id = world.install()["install_id"]
        yield (
            world,
            {
                "publisher": "acme",
                "key_id": world.publisher_key.key_id,
                "version_id": version["version_id"],
                "reference": "com.acme.notes",
                "install_id": install_id,
                "schedule_id": add_schedule(world, install_id, due_at=None),
                "name": "salt",
                "leaf_index": "0",
                "tenant_id": "tenant-a",
                "topic": "ticket.created",
                "execution_id": "00000000-0000-0000-0000-000000000007",
                "delivery_id": "00000000-0000-0000-0000-000000000008",
            },
        )


def token_of(world: RegistryWorld, role: str) -> str:
    return {
        "platform_admin": world.admin,
        "publisher": world.publisher,
        "publisher of others": world.token(sub="dev", roles=["publisher"], publishers=["globex"]),
        "event:publish": world.token(sub="host", roles=["event:publish"], tenant_id="tenant-a"),
        "metrics:read": world.token(sub="prometheus", roles=["metrics:read"]),
        "tenant_admin": world.tenant_admin(),
        "tenant_viewer": world.tenant_viewer(),
        "none": world.token(sub="nobody", tenant_id="tenant-a", publishers=["acme"]),
    }[role]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=" ".join)
def test_a_route_is_open_to_those_the_reference_names(
    scene: tuple[RegistryWorld, dict[str, str]], method: str, path: str, role: str
) -> None:
    world, places = scene
    who = ROUTES[method, path]
    allowed = role in ALLOWED[who] or (role == "publisher of others" and (who == "any" or path == "/versions"))
    queries = {"/log/consistency": "old_size=1", "/installs/{install_id}/limits": "tenant_id=tenant-a"}
    query = queries.get(path, "")
    body = BODIES.get(path) if method in ("POST", "PUT") else None

    answer = world.call(
        method,
        path.format(**places),
        token_of(world, role),
        body,
        query=query,
        headers={"if-match": '"0"', **({"content-type": BATCH} if path == "/api/events" else {})},
    )

    assert (answer.status != 403) == allowed, answer
