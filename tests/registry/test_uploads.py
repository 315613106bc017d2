"""Uploads: announced, put straight into the store, finalized once."""

from datetime import timedelta
from typing import Any

import pytest
import urllib3

from tests.support.registry import RegistryWorld, manifest_of


def test_an_upload_goes_straight_to_the_store_and_finalize_is_one_call(world: RegistryWorld) -> None:
    world.register()
    published = world.signed(manifest_of())
    declared = {"publisher": "acme", "content_hash": published.content_hash, "size_bytes": len(published.archive)}
    upload = world.call("POST", "/uploads", world.publisher, declared).body
    put = urllib3.PoolManager().request("PUT", upload["url"], body=published.archive, headers=upload["headers"])
    assert put.status == 200

    sent = world.call(
        "POST", "/versions", world.publisher, {"upload_id": upload["upload_id"], "signature": published.signature}
    )

    assert (sent.status, sent.body["content_hash"]) == (202, published.content_hash)


def test_a_finalize_repeated_for_one_upload_answers_with_the_same_version(world: RegistryWorld) -> None:
    world.register()
    published = world.signed(manifest_of())
    declared = {"publisher": "acme", "content_hash": published.content_hash, "size_bytes": len(published.archive)}
    upload = world.call("POST", "/uploads", world.publisher, declared).body
    urllib3.PoolManager().request("PUT", upload["url"], body=published.archive, headers=upload["headers"])
    body = {"upload_id": upload["upload_id"], "signature": published.signature}
    first = world.call("POST", "/versions", world.publisher, body)

    second = world.call("POST", "/versions", world.publisher, body)

    assert (second.status, second.body["version_id"]) == (202, first.body["version_id"])


def test_finalizing_before_uploading_says_what_to_do(world: RegistryWorld) -> None:
    world.register()
    published = world.signed(manifest_of())
    declared = {"publisher": "acme", "content_hash": published.content_hash, "size_bytes": len(published.archive)}
    upload = world.call("POST", "/uploads", world.publisher, declared).body

    sent = world.call(
        "POST", "/versions", world.publisher, {"upload_id": upload["upload_id"], "signature": published.signature}
    )

    assert (sent.status, sent.code) == (404, "upload_not_found")
    assert "PUT the archive" in sent.body["detail"]


def _announce(world: RegistryWorld, size_bytes: int = 10, key: str = "k") -> Any:
    declared = {"publisher": "acme", "content_hash": f"sha256:{'a' * 64}", "size_bytes": size_bytes}
    return world.call("POST", "/uploads", world.publisher, declared, headers={"idempotency-key": key})


def test_an_upload_announced_again_under_its_key_is_the_same_upload(world: RegistryWorld) -> None:
    world.register()

    first, second = _announce(world), _announce(world)

    assert (second.status, second.body["upload_id"]) == (201, first.body["upload_id"])
    assert second.headers["idempotency-replayed"] == "true"


def test_the_key_of_an_upload_serves_no_other(world: RegistryWorld) -> None:
    world.register()
    _announce(world)

    assert _announce(world, size_bytes=11).code == "idempotency_conflict"


def test_leave_to_write_an_upload_is_not_stored(world: RegistryWorld) -> None:
    world.register()
    _announce(world)

    (row,) = world.rows("select response from app.platform_idempotency_record where operation = 'uploads.create'")
    assert set(row["response"]) == {"upload_id"}


@pytest.mark.parametrize(("size_bytes", "status"), [(200 * 1024 * 1024, 201), (200 * 1024 * 1024 + 1, 400)])
def test_an_upload_has_at_most_two_hundred_mebibytes(world: RegistryWorld, size_bytes: int, status: int) -> None:
    world.register()

    assert _announce(world, size_bytes).status == status


def test_an_upload_that_expired_is_not_found(world: RegistryWorld) -> None:
    world.register()
    upload_id = _announce(world).body["upload_id"]
    expired = world.services.now() + timedelta(seconds=world.services.settings.upload_expires_s)
    signature = world.signed(manifest_of()).signature

    with world.replaced(now=lambda: expired):
        refused = world.call("POST", "/versions", world.publisher, {"upload_id": upload_id, "signature": signature})

    assert (refused.status, refused.code) == (404, "upload_not_found")
