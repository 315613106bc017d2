"""A publisher has a limited number of versions, because each may stay on the list of withdrawn bundles."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.support.registry import RegistryWorld, manifest_of
from tests.support.registry_process import RegistryProcess

LIMIT = 3


@pytest.fixture
def limited(world: RegistryWorld) -> RegistryWorld:
    """A registry with a publisher that may publish one more version."""
    world.rewire(MAX_VERSIONS_PER_PUBLISHER=str(LIMIT))
    world.register()
    withdrawn = world.publish()
    world.call("POST", f"/versions/{withdrawn['version_id']}/withdraw", world.publisher, {"reason": "r"})
    world.publish(name="com.acme.other")
    return world


def number_of_versions(world: RegistryWorld) -> int:
    return len(world.rows("select 1 as one from app.extension_version"))


def test_a_version_beyond_the_limit_is_refused_whatever_became_of_the_others(limited: RegistryWorld) -> None:
    last = limited.signed(manifest_of(version="1.1.0"))
    assert limited.send(last, **{"idempotency-key": "k"}).status == 202

    refused = limited.send(limited.signed(manifest_of("com.acme.third")))

    assert (refused.status, refused.code) == (403, "too_many_versions")
    assert f"at most {LIMIT} are allowed" in refused.body["detail"]
    assert number_of_versions(limited) == LIMIT
    assert limited.rows("select 1 as one from app.extension_registry where name = 'com.acme.third'") == []
    assert limited.send(last, **{"idempotency-key": "k"}).status == 202, "a repeated request is no further version"


def test_the_versions_of_another_publisher_do_not_count(limited: RegistryWorld) -> None:
    key = LocalSigner.generate()
    limited.register("globex", key)
    limited.publish(version="1.1.0")

    sent = limited.send(limited.signed(manifest_of("com.globex.notes", publisher="globex"), key=key), limited.admin)

    assert sent.status == 202


def test_a_withdrawal_is_never_refused(limited: RegistryWorld) -> None:
    version = limited.publish(version="1.1.0")

    moved = limited.call("POST", f"/versions/{version['version_id']}/withdraw", limited.publisher, {"reason": "r"})

    assert moved.status == 200


def test_of_publications_at_once_only_as_many_as_allowed_are_recorded(limited: RegistryWorld) -> None:
    def publish(number: int) -> int:
        published = limited.signed(manifest_of(f"com.acme.n{number}"))
        body: dict[str, Any] = {
            "bundle_b64": base64.b64encode(published.archive).decode(),
            "signature": published.signature,
        }
        with RegistryProcess(limited) as registry:
            answer = registry.answer(limited.event("POST", "/versions", limited.publisher, body))
        assert answer is not None
        return int(answer["statusCode"])

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(publish, range(4)))

    assert statuses == [202, 403, 403, 403]
    assert number_of_versions(limited) == LIMIT
