"""Versions that are not there, are not ready, or whose records in the store do not hold, are not installed."""

import base64
import json

import pytest

from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.trust.signing import sign_envelope
from alga_ext.trust.statements import Release, statement
from tests.support.registry import Answer, RegistryWorld, manifest_of

NAME = "com.acme.notes"
ABSENT = "99999999-9999-4999-8999-999999999999"


@pytest.fixture
def ready(world: RegistryWorld) -> tuple[RegistryWorld, str, str]:
    """A registry with one version, its bundle's digest and the id of its publisher's key."""
    world.register(name_prefixes=["com.acme."])
    version = world.publish()
    return world, sha256_hex(ContentHash(version["content_hash"])), world.publisher_key.key_id


def installed(world: RegistryWorld, **members: str) -> Answer:
    return world.call("POST", "/installs", world.tenant_admin(), {"extension": NAME, **members})


@pytest.mark.parametrize("version_id", [ABSENT, "1.0.0"])
def test_a_version_that_is_not_there_is_not_shown(world: RegistryWorld, version_id: str) -> None:
    refused = world.call("GET", f"/versions/{version_id}", world.admin)

    assert (refused.status, refused.code) == (404, "version_not_found")


def test_a_version_that_is_not_there_is_not_installed(ready: tuple[RegistryWorld, str, str]) -> None:
    refused = installed(ready[0], version="9.9.9")

    assert (refused.status, refused.code) == (404, "version_not_found")


@pytest.mark.parametrize("named", [{}, {"version": "1.0.0"}], ids=["the newest", "a named one"])
def test_a_version_that_is_not_ready_yet_is_not_installed(world: RegistryWorld, named: dict[str, str]) -> None:
    world.register(name_prefixes=["com.acme."])
    assert world.send(world.signed(manifest_of()), world.admin).status == 202

    assert installed(world, **named).code == "version_not_ready"


def test_a_version_whose_signature_is_gone_is_not_installed(ready: tuple[RegistryWorld, str, str]) -> None:
    world, digest, key_id = ready
    world.objects.delete(object_keys.publisher_signature(digest, key_id))

    assert installed(world).code == "signature_invalid"


def test_a_version_whose_signature_is_about_another_version_is_not_installed(
    ready: tuple[RegistryWorld, str, str],
) -> None:
    world, digest, key_id = ready
    other = statement(Release(publisher="acme", name=NAME, version="9.9.9"), "bundle.tar.zst", digest)
    world.overwrite(object_keys.publisher_signature(digest, key_id), sign_envelope(world.publisher_key, other))

    assert installed(world).code == "manifest_mismatch"


def test_a_version_whose_release_record_is_gone_is_not_installed(ready: tuple[RegistryWorld, str, str]) -> None:
    world, digest, _ = ready
    world.objects.delete(object_keys.release(digest))

    assert installed(world).code == "release_integrity"


def test_a_version_whose_release_record_names_another_key_is_not_installed(
    ready: tuple[RegistryWorld, str, str],
) -> None:
    world, digest, key_id = ready
    payload = base64.b64decode(json.loads(world.objects.get(object_keys.release(digest)))["payload"])
    other = payload.replace(key_id.encode(), b"sha256:" + b"0" * 64)
    world.overwrite(object_keys.release(digest), sign_envelope(world.release, other))

    assert installed(world).code == "release_integrity"
