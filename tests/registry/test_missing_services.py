"""What an extension asks for and this platform does not offer is a warning, at publish and at install."""

from typing import Any

import pytest

from tests.support.registry import RegistryWorld
from tests.support.server_extension import IMPORTS, WASM, server

BOTH = {"UI_PROXY_BASE_URL": "https://host.test", "HOST_API_BASE_URL": "https://host.test"}
ASKED = ["client.read", "service.read", "invoice.manual.create", "ui.proxy", "storage.kv"]
INTERFACES = ["clients", "services", "invoicing", "ui-proxy"]
OF_RECORDS = [
    "This platform offers no client service: calls that need cap:client.read will fail.",
    "This platform offers no invoice service: calls that need cap:invoice.manual.create will fail.",
    "This platform offers no catalogue of services: calls that need cap:service.read will fail.",
]
OF_ROUTES = "This platform offers no routes of a host application: calls that need cap:ui.proxy will fail."


def published(world: RegistryWorld, **settings: str) -> dict[str, Any]:
    """Publish a version that asks for everything of the host application, on a platform with these settings."""
    world.rewire(**settings)
    world.register()
    sent = world.send(world.signed(server(capabilities=ASKED, egress=[], secrets=[]), WASM), world.admin)
    assert sent.status == 202, sent
    imports = [*IMPORTS, *(f"alga:extension/{name}" for name in INTERFACES)]
    assert world.prepare(imports=imports) == ["ready"]
    version: dict[str, Any] = sent.body
    return version


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({}, [*OF_RECORDS, OF_ROUTES]),
        ({"UI_PROXY_BASE_URL": "https://host.test"}, OF_RECORDS),
        ({"HOST_API_BASE_URL": "https://host.test"}, [OF_ROUTES]),
        (BOTH, []),
    ],
    ids=["neither", "routes", "records", "both"],
)
def test_publishing_warns_of_what_the_platform_does_not_offer(
    world: RegistryWorld, settings: dict[str, str], warnings: list[str]
) -> None:
    version = published(world, **settings)
    assert version["warnings"] == warnings
    assert world.call("GET", f"/versions/{version['version_id']}", world.publisher).body["warnings"] == warnings


def test_installing_warns_of_what_is_granted_and_not_offered(world: RegistryWorld) -> None:
    published(world)
    install = world.install(grants={"capabilities": ["client.read", "storage.kv"]})
    assert install["warnings"] == OF_RECORDS[:1]


def test_a_platform_that_offers_everything_does_not_warn(world: RegistryWorld) -> None:
    published(world, **BOTH)
    assert world.install(grants={"capabilities": ASKED})["warnings"] == []


def test_a_warning_does_not_hinder_the_installation(world: RegistryWorld) -> None:
    published(world)
    install = world.install(grants={"capabilities": ASKED})
    assert (install["state"], len(install["warnings"])) == ("enabled", 4)
