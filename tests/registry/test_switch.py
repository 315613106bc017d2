"""``EXTENSIONS_ENABLED=false``: nothing is published or installed; reads, and whatever stops something, go on."""

from typing import Any

import pytest

from tests.support.registry import RegistryWorld, manifest_of


@pytest.fixture
def off(published: RegistryWorld) -> RegistryWorld:
    """A registry with an install, whose operator has switched extensions off since."""
    published.install()
    published.rewire(EXTENSIONS_ENABLED="false")
    return published


def install_of(world: RegistryWorld) -> dict[str, Any]:
    (install,) = world.call("GET", "/installs", world.tenant_viewer()).body["items"]
    return dict(install)


def test_nothing_is_published(off: RegistryWorld) -> None:
    refused = off.send(off.signed(manifest_of(version="2.0.0")))
    declared = {"publisher": "acme", "content_hash": "sha256:" + "0" * 64, "size_bytes": 1}

    assert (refused.status, refused.code) == (503, "extensions_disabled")
    assert off.call("POST", "/uploads", off.publisher, declared).code == "extensions_disabled"


def test_nothing_is_installed(off: RegistryWorld) -> None:
    body = {"extension": "com.acme.notes"}

    assert off.call("POST", "/installs", off.tenant_admin("tenant-b"), body).code == "extensions_disabled"


@pytest.mark.parametrize(("path", "body"), [("/update", {}), ("/enable", None), ("/request/approve", {})])
def test_no_install_is_started_or_widened(off: RegistryWorld, path: str, body: dict[str, Any] | None) -> None:
    install_id = install_of(off)["install_id"]

    assert off.call("POST", f"/installs/{install_id}{path}", off.tenant_admin(), body).code == "extensions_disabled"


@pytest.mark.parametrize("path", ["/installs", "/audit", "/events", "/log/entries", "/extensions"])
def test_reads_go_on(off: RegistryWorld, path: str) -> None:
    assert off.call("GET", path, off.tenant_admin()).status == 200


def test_an_install_is_disabled_and_uninstalled(off: RegistryWorld) -> None:
    install_id = install_of(off)["install_id"]

    assert off.call("POST", f"/installs/{install_id}/disable", off.tenant_admin()).status == 200
    assert off.call("DELETE", f"/installs/{install_id}", off.tenant_admin()).status == 204


def test_versions_are_yanked_and_withdrawn(off: RegistryWorld) -> None:
    version_id = install_of(off)["version_id"]

    assert off.call("POST", f"/versions/{version_id}/yank", off.publisher, {"reason": "r"}).status == 200
    assert off.call("POST", f"/versions/{version_id}/withdraw", off.publisher, {"reason": "r"}).status == 200


def test_keys_are_revoked(off: RegistryWorld) -> None:
    path = f"/publishers/acme/keys/{off.publisher_key.key_id}/revoke"

    assert off.call("POST", path, off.admin, {"reason": "stolen", "revoked_from": "2026-01-01T00:00:00Z"}).status == 200


def test_a_caller_without_a_role_is_still_refused_first(off: RegistryWorld) -> None:
    assert off.call("POST", "/installs", off.token(roles=[]), {"extension": "com.acme.notes"}).status == 403
