"""How versions end: yanked, withdrawn; and extensions that are deprecated."""

import pytest

from tests.support.registry import RegistryWorld


def test_a_yanked_version_cannot_be_installed_and_stays_where_it_is(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    held = world.install(tenant_id="tenant-b")
    world.call("POST", f"/versions/{version['version_id']}/yank", world.publisher, {"reason": "a bug"})

    refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes", "version": "1.0.0"})

    still = world.call("GET", f"/installs/{held['install_id']}", world.tenant_viewer("tenant-b"))
    assert (refused.status, refused.code) == (409, "version_not_ready")
    assert still.body["state"] == "enabled"


def test_a_yank_needs_a_reason(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()

    refused = world.call("POST", f"/versions/{version['version_id']}/yank", world.publisher, {})

    assert (refused.status, refused.code) == (400, "invalid_request")


@pytest.mark.parametrize("move", ["yank", "unyank", "withdraw"])
def test_a_withdrawn_version_never_comes_back(world: RegistryWorld, move: str) -> None:
    world.register()
    version = world.publish()
    path = f"/versions/{version['version_id']}"
    world.call("POST", f"{path}/withdraw", world.publisher, {"reason": "malware"})

    refused = world.call("POST", f"{path}/{move}", world.publisher, {"reason": "please"})

    assert (refused.status, refused.code) == (409, "version_state")


def test_a_deprecated_extension_says_why_and_can_be_installed(world: RegistryWorld) -> None:
    world.register()
    world.publish()

    shown = world.call("POST", "/extensions/com.acme.notes/deprecate", world.publisher, {"reason": "use notes-2"}).body

    assert shown["deprecated_reason"] == "use notes-2"
    assert world.install()["state"] == "enabled"
