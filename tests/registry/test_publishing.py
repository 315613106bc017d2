"""Publishing through the registry's handler: what is accepted, what is refused, and with which code."""

import base64
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3

from alga_ext.aws import S3ObjectStore
from alga_ext.messages import Artifact, Reason
from alga_ext.signing import LocalSigner
from alga_ext.trust import TrustedKey
from functions.registry import compose, withdrawal
from functions.registry.paging import encode_cursor
from tests.support.registry import Context, RegistryWorld, manifest_of


def test_a_signed_bundle_is_accepted_and_becomes_ready(world: RegistryWorld) -> None:
    world.register()

    sent = world.send(world.signed(manifest_of()))

    assert (sent.status, sent.body["state"], sent.body["progress"]) == (202, "pending", "queued")
    assert world.prepare() == ["ready"]


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


def test_the_same_version_again_is_a_conflict_whatever_its_bytes(world: RegistryWorld) -> None:
    world.register()
    world.publish()

    again = world.send(world.signed(manifest_of(title="another"), {"ui/index.html": b"other"}))

    assert (again.status, again.code) == (409, "version_exists")


def test_an_idempotency_key_gives_a_repeated_publication_its_first_answer(world: RegistryWorld) -> None:
    world.register()
    published = world.signed(manifest_of())
    first = world.send(published, **{"idempotency-key": "k1"})

    second = world.send(published, **{"idempotency-key": "k1"})

    assert (second.status, second.body) == (202, first.body)
    assert second.headers["idempotency-replayed"] == "true"


def test_an_idempotency_key_used_for_another_body_is_a_conflict(world: RegistryWorld) -> None:
    world.register()
    world.send(world.signed(manifest_of()), **{"idempotency-key": "k1"})

    other = world.send(world.signed(manifest_of(version="2.0.0")), **{"idempotency-key": "k1"})

    assert (other.status, other.code) == (409, "idempotency_conflict")


def test_a_key_nobody_registered_is_refused(world: RegistryWorld) -> None:
    world.register()

    sent = world.send(world.signed(manifest_of(), key=LocalSigner.generate()))

    assert (sent.status, sent.code) == (403, "key_unknown")


def test_a_key_of_another_publisher_is_refused(world: RegistryWorld) -> None:
    world.register()
    stranger = LocalSigner.generate()
    world.register("globex", stranger)

    sent = world.send(world.signed(manifest_of(), key=stranger))

    assert (sent.status, sent.code) == (403, "key_unknown")


def test_a_revoked_key_is_refused_from_its_revocation_on(world: RegistryWorld) -> None:
    world.register()
    path = f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke"
    world.call("POST", path, world.publisher, {"reason": "lost laptop"})

    sent = world.send(world.signed(manifest_of()))

    assert (sent.status, sent.code) == (403, "key_revoked")


def test_revoking_a_key_from_the_past_withdraws_what_it_signed_since(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    path = f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke"

    world.call("POST", path, world.publisher, {"reason": "stolen", "revoked_from": "2020-01-01T00:00:00Z"})

    shown = world.call("GET", f"/versions/{version['version_id']}", world.publisher).body
    digits = version["content_hash"].removeprefix("sha256:")
    assert shown["state"] == "withdrawn"
    assert world.objects.size(f"withdrawals/{digits}.dsse.json") is not None


def test_revoking_a_key_from_now_on_leaves_what_it_signed_before(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    path = f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke"

    world.call("POST", path, world.publisher, {"reason": "rotation"})

    assert world.call("GET", f"/versions/{version['version_id']}", world.publisher).body["state"] == "ready"


def test_a_pending_version_whose_key_is_revoked_from_the_past_is_rejected(world: RegistryWorld) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))
    _revoke_from_the_past(world)

    assert world.prepare() == ["rejected"]

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert [reason["code"] for reason in shown["state_reasons"]] == ["key_revoked"]
    assert world.objects.size(_release_of(shown)) is None


def test_a_version_whose_key_is_revoked_while_it_is_made_ready_is_rejected_and_withdrawn(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))
    monkeypatch.setattr(
        compose, "objects", lambda: _RevokingStore(S3ObjectStore(os.environ["BUNDLE_STORE_BASE"]), world)
    )

    assert world.prepare() == ["rejected"]

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert [reason["code"] for reason in shown["state_reasons"]] == ["key_revoked"]
    assert world.objects.size(_release_of(shown)) is not None
    assert world.objects.size(_release_of(shown).replace("releases/", "withdrawals/")) is not None


def _revoke_from_the_past(world: RegistryWorld) -> None:
    path = f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke"
    since = {"reason": "stolen", "revoked_from": "2020-01-01T00:00:00Z"}
    assert world.call("POST", path, world.publisher, since).status == 200


def _release_of(version: dict[str, Any]) -> str:
    return f"releases/{version['content_hash'].removeprefix('sha256:')}.dsse.json"


class _RevokingStore:
    """A store during whose write of a release record the publisher's key is revoked."""

    def __init__(self, inner: S3ObjectStore, world: RegistryWorld) -> None:
        self._inner, self._world = inner, world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        if key.startswith("releases/"):
            _revoke_from_the_past(self._world)
        return self._inner.put_new(key, data, content_type)


def test_during_a_rotation_both_keys_sign(world: RegistryWorld) -> None:
    world.register()
    fresh = LocalSigner.generate()
    world.add_key("acme", fresh)

    old = world.send(world.signed(manifest_of()))
    new = world.send(world.signed(manifest_of(version="1.1.0"), key=fresh))

    assert (old.status, new.status) == (202, 202)


def test_a_key_belongs_to_one_publisher_for_ever(world: RegistryWorld) -> None:
    world.register()
    world.register("globex", LocalSigner.generate())

    taken = world.add_key("globex", world.publisher_key)

    assert (taken.status, taken.code) == (409, "key_exists")


def test_a_caller_who_is_not_the_publisher_is_refused(world: RegistryWorld) -> None:
    world.register()
    stranger = world.token(roles=["publisher"], publishers=["globex"])

    sent = world.send(world.signed(manifest_of()), stranger)

    assert (sent.status, sent.code) == (403, "forbidden")


def test_a_tenants_admin_cannot_publish(world: RegistryWorld) -> None:
    world.register()

    sent = world.send(world.signed(manifest_of()), world.tenant_admin())

    assert (sent.status, sent.code) == (403, "forbidden")


def test_only_a_platform_admin_registers_publishers(world: RegistryWorld) -> None:
    made = world.call("POST", "/publishers", world.publisher, {"publisher": "x", "display_name": "x"})

    assert (made.status, made.code) == (403, "forbidden")


def test_a_name_of_another_publisher_is_refused(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    other = LocalSigner.generate()
    world.register("globex", other)

    sent = world.send(world.signed(manifest_of(publisher="globex", version="9.0.0"), key=other), world.admin)

    assert (sent.status, sent.code) == (409, "extension_name_taken")


def test_a_name_below_another_publishers_prefix_is_refused(world: RegistryWorld) -> None:
    world.register(name_prefixes=["com.acme."])
    other = LocalSigner.generate()
    world.register("globex", other)

    sent = world.send(world.signed(manifest_of("com.acme.tool", publisher="globex"), key=other), world.admin)

    assert (sent.status, sent.code) == (403, "extension_name_not_allowed")


def test_a_publisher_with_prefixes_registers_below_them_only(world: RegistryWorld) -> None:
    world.register(name_prefixes=["com.acme."])

    sent = world.send(world.signed(manifest_of("org.other.tool")))

    assert (sent.status, sent.code) == (403, "extension_name_not_allowed")


def test_overlapping_prefixes_of_two_publishers_are_refused(world: RegistryWorld) -> None:
    world.register(name_prefixes=["com.acme."])
    body = {"publisher": "globex", "display_name": "x", "name_prefixes": ["com."]}

    taken = world.call("POST", "/publishers", world.admin, body)

    assert (taken.status, taken.code) == (409, "prefix_taken")
    assert world.call("GET", "/publishers/globex", world.admin).status == 404


def test_a_manifest_that_is_not_the_signed_one_is_refused(world: RegistryWorld) -> None:
    world.register()
    honest = world.signed(manifest_of())
    forged = world.signed(manifest_of(version="6.6.6"))
    mixed = honest._replace(archive=forged.archive)

    sent = world.send(mixed)

    assert (sent.status, sent.code) == (400, "bundle_hash_mismatch")


def test_a_signature_over_another_name_is_refused(world: RegistryWorld) -> None:
    world.register()
    published = world.signed(manifest_of())
    lying = world.signed(manifest_of())
    import json

    from alga_ext.attestation import Release, statement
    from alga_ext.signing import sign_envelope

    payload = statement(
        Release(publisher="acme", name="com.acme.other", version="1.0.0"),
        "b",
        lying.content_hash.removeprefix("sha256:"),
    )
    envelope = json.loads(sign_envelope(world.publisher_key, payload))

    sent = world.send(published._replace(signature=envelope))

    assert (sent.status, sent.code) == (400, "manifest_mismatch")


def test_a_declared_manifest_must_be_the_one_in_the_bundle(world: RegistryWorld) -> None:
    world.register()
    published = world.signed(manifest_of())
    body = {
        "bundle_b64": base64.b64encode(published.archive).decode(),
        "signature": published.signature,
        "manifest": manifest_of(title="shown to the reviewer"),
    }

    sent = world.call("POST", "/versions", world.publisher, body)

    assert (sent.status, sent.code) == (400, "manifest_mismatch")


def test_a_missing_ui_entry_is_named(world: RegistryWorld) -> None:
    world.register()

    sent = world.send(world.signed(manifest_of(), {"ui/other.html": b"x"}))

    assert (sent.status, sent.code) == (400, "bundle_incomplete")
    assert "ui/index.html" in sent.body["detail"]


def test_a_rejected_version_tells_its_reasons(world: RegistryWorld) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))

    states = world.prepare(ok=False, reasons=[Reason(code="component_invalid", detail="It is no component.")])

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert states == ["rejected"]
    assert shown["state_reasons"] == [{"code": "component_invalid", "detail": "It is no component."}]


def test_a_declared_capability_that_is_not_imported_rejects_with_the_difference(world: RegistryWorld) -> None:
    world.register()
    manifest = manifest_of(runtime="wasm-component@1", capabilities=["storage.kv", "secrets.get"])
    sent = world.send(world.signed(manifest, {"ui/index.html": b"x", "dist/main.wasm": b"\0asm"}))

    states = world.prepare(imports=["alga:extension/storage"])

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert states == ["rejected"]
    assert shown["state_reasons"][0]["code"] == "capability_not_imported"
    assert "cap:secrets.get" in shown["state_reasons"][0]["detail"]


def test_a_bound_secret_needs_no_import_of_its_own(world: RegistryWorld) -> None:
    world.register()
    manifest = manifest_of(
        runtime="wasm-component@1",
        capabilities=["http.fetch", "secrets.get"],
        egress=["api.example.com"],
        secrets=[{"name": "api-key", "hosts": ["api.example.com"]}],
    )
    world.send(world.signed(manifest, {"ui/index.html": b"x", "dist/main.wasm": b"\0asm"}))

    assert world.prepare(imports=["alga:extension/http"]) == ["ready"]


def test_an_imported_capability_that_is_not_declared_is_recorded_and_shown(world: RegistryWorld) -> None:
    world.register()
    manifest = manifest_of(runtime="wasm-component@1")
    sent = world.send(world.signed(manifest, {"ui/index.html": b"x", "dist/main.wasm": b"\0asm"}))

    world.prepare(imports=["alga:extension/http", "alga:extension/logging"])

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert (shown["state"], shown["undeclared_capabilities"]) == ("ready", ["cap:http.fetch"])


def test_a_prepared_message_delivered_twice_changes_nothing(world: RegistryWorld) -> None:
    world.register()
    world.send(world.signed(manifest_of()))
    (message,) = world.queued()
    world.prepare(message)

    assert world.prepare(message) == ["ready"]


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


def test_a_withdrawn_version_leaves_its_marker_for_runner_and_ui_host(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()

    moved = world.call("POST", f"/versions/{version['version_id']}/withdraw", world.publisher, {"reason": "malware"})

    digits = version["content_hash"].removeprefix("sha256:")
    assert moved.body["state"] == "withdrawn"
    assert world.objects.size(f"withdrawals/{digits}.dsse.json") is not None


def test_withdrawals_that_race_for_the_marker_leave_one_and_none_fails(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    now = datetime.now(UTC)
    barrier = threading.Barrier(4)

    def mark(number: int) -> None:
        objects = world.objects
        barrier.wait()
        withdrawal.mark_withdrawn(version, objects, world.release, now + timedelta(seconds=number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(mark, range(4)))

    digits = version["content_hash"].removeprefix("sha256:")
    assert world.objects.size(f"withdrawals/{digits}.dsse.json") is not None


def test_a_cursor_of_digits_that_are_no_number_is_the_callers_fault(world: RegistryWorld) -> None:
    refused = world.call("GET", "/log/entries", world.admin, query=f"cursor={encode_cursor('²')}")

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


def test_stored_objects_are_never_overwritten(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    key = f"bundles/{version['content_hash'].removeprefix('sha256:')}/bundle.tar.zst"

    with pytest.raises(Exception, match="object_conflict"):
        world.objects.put_new(key, b"other bytes", "application/zstd")


def test_pages_of_versions_hold_each_version_once(world: RegistryWorld) -> None:
    world.register()
    for minor in range(5):
        world.publish(version=f"1.{minor}.0")
    seen: list[str] = []
    cursor = ""

    while True:
        query = "page_size=2" + (f"&cursor={cursor}" if cursor else "")
        page = world.call("GET", "/extensions/com.acme.notes/versions", world.publisher, query=query).body
        seen += [item["version"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break

    assert seen == [f"1.{minor}.0" for minor in reversed(range(5))]


def test_the_catalogue_needs_a_token(world: RegistryWorld) -> None:
    refused = world.call("GET", "/extensions", "not-a-token")

    assert (refused.status, refused.code) == (401, "unauthenticated")


# Who sees what is not published


@pytest.mark.parametrize("ok", [None, False], ids=["pending", "rejected"])
def test_what_is_not_published_is_shown_to_its_publisher_only(world: RegistryWorld, ok: bool | None) -> None:
    world.register()
    path = f"/versions/{world.send(world.signed(manifest_of())).body['version_id']}"
    if ok is not None:
        world.prepare(ok=ok)

    seen = [world.call("GET", path, token).status for token in (world.admin, world.publisher, *_others(world))]

    assert seen == [200, 200, 404, 404, 404]


def test_a_list_of_versions_leaves_out_what_is_not_published(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    world.send(world.signed(manifest_of(version="1.1.0")))

    seen = [
        [
            version["version"]
            for version in world.call("GET", "/extensions/com.acme.notes/versions", token).body["items"]
        ]
        for token in (world.publisher, *_others(world))
    ]

    assert seen == [["1.1.0", "1.0.0"], ["1.0.0"], ["1.0.0"], ["1.0.0"]]


def _others(world: RegistryWorld) -> list[str]:
    stranger = world.token(sub="dev", roles=["publisher"], publishers=["globex"])
    return [stranger, world.tenant_admin(), world.tenant_viewer()]


# Keys: lists, ends


def test_keys_are_listed_in_pages(world: RegistryWorld) -> None:
    world.register()
    keys = [
        world.publisher_key.key_id,
        *(world.add_key("acme", LocalSigner.generate()).body["key_id"] for _ in range(4)),
    ]

    found, cursor = [], ""
    while cursor is not None:
        query = "page_size=2" + (f"&cursor={cursor}" if cursor else "")
        page = world.call("GET", "/publishers/acme/keys", world.tenant_viewer(), query=query).body
        found += [key["key_id"] for key in page["items"]]
        cursor = page["next_cursor"]

    assert found == keys


def test_publishers_are_listed_in_pages(world: RegistryWorld) -> None:
    for name in ("acme", "globex", "initech"):
        world.call("POST", "/publishers", world.admin, {"publisher": name, "display_name": name})

    first = world.call("GET", "/publishers", world.tenant_viewer(), query="page_size=2").body
    rest = world.call(
        "GET", "/publishers", world.tenant_viewer(), query=f"page_size=2&cursor={first['next_cursor']}"
    ).body

    assert [[row["publisher"] for row in page["items"]] for page in (first, rest)] == [["acme", "globex"], ["initech"]]


@pytest.mark.parametrize("valid_from", [None, "2031-01-01T00:00:00Z"])
def test_a_key_that_ends_before_it_begins_is_refused(world: RegistryWorld, valid_from: str | None) -> None:
    world.register()
    body = {
        "public_key": LocalSigner.generate().public_pem,
        "valid_from": valid_from,
        "valid_until": "2020-01-01T00:00:00Z",
    }

    refused = world.call("POST", "/publishers/acme/keys", world.publisher, body)

    assert (refused.status, refused.code) == (400, "invalid_request")


def _retire(world: RegistryWorld, valid_until: datetime | None) -> Any:
    path = f"/publishers/acme/keys/{world.publisher_key.key_id}/retire"
    body = {} if valid_until is None else {"valid_until": valid_until.isoformat()}
    return world.call("POST", path, world.publisher, body)


def test_a_retired_key_signs_nothing_new_and_what_it_signed_can_be_installed(world: RegistryWorld) -> None:
    world.register()
    world.publish()

    assert _retire(world, None).status == 200

    assert world.send(world.signed(manifest_of(version="1.1.0"))).code == "key_expired"
    assert world.install()["version"] == "1.0.0"


def test_a_key_is_not_retired_in_the_past(world: RegistryWorld) -> None:
    world.register()

    assert _retire(world, compose.now() - timedelta(minutes=1)).code == "invalid_request"


def test_the_end_of_a_key_is_only_moved_earlier(world: RegistryWorld) -> None:
    world.register()
    _retire(world, compose.now() + timedelta(days=2))

    assert _retire(world, compose.now() + timedelta(days=1)).status == 200
    assert _retire(world, compose.now() + timedelta(days=3)).code == "invalid_request"


# Uploads


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


def test_an_upload_that_expired_is_not_found(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.register()
    upload_id = _announce(world).body["upload_id"]
    expired = compose.now() + timedelta(seconds=compose.settings().upload_expires_s)
    monkeypatch.setattr(compose, "now", lambda: expired)
    signature = world.signed(manifest_of()).signature

    refused = world.call("POST", "/versions", world.publisher, {"upload_id": upload_id, "signature": signature})

    assert (refused.status, refused.code) == (404, "upload_not_found")


# Compiling again


def test_how_far_compiling_is_is_shown_for_each_engine(world: RegistryWorld) -> None:
    world.register()
    old, new = _artifact("1" * 64, "49.0.0"), _artifact("1" * 64, "50.0.0")
    for version, wasm, artifacts in (("1.0.0", b"one", [old, new]), ("1.1.0", b"two", [_artifact("2" * 64, "49.0.0")])):
        document = manifest_of(version=version, runtime="wasm-component@1")
        world.send(world.signed(document, {"ui/index.html": b"x", "dist/main.wasm": b"\0asm" + wasm}))
        (message,) = world.queued()
        for artifact in artifacts:
            assert world.prepare(message, artifact=artifact) == ["ready"]

    shown = world.call("GET", "/maintenance/prepare", world.admin).body

    counts = {engine["wasmtime_version"]: (engine["compiled"], engine["missing"]) for engine in shown}
    assert counts == {"49.0.0": (2, 0), "50.0.0": (1, 1)}


def _artifact(sha256: str, wasmtime_version: str) -> Artifact:
    return Artifact(
        key=f"cwasm/{sha256}", sha256=sha256, size_bytes=1, target="t", wasmtime_version=wasmtime_version,
        engine_config_hash="c" * 64,
    )  # fmt: skip


# Bodies that are no JSON as it is wanted


@pytest.mark.parametrize(
    ("body", "is_base64"),
    [
        ("[" * 3_000 + "]" * 3_000, False),
        ('{"publisher": ' + "1" * 5_000 + "}", False),
        ('{"publisher": 1e999}', False),
        ('{"publisher": "a", "publisher": "b"}', False),
        ("{", False),
        (base64.b64encode(b"\xff\xfe").decode(), True),
        ("no base64!", True),
        ('"\ud800"', False),
    ],
    ids=["deep", "huge number", "infinite", "twice", "cut off", "not UTF-8", "not base64", "half a pair"],
)
def test_a_body_that_is_not_json_as_it_is_wanted_is_refused(world: RegistryWorld, body: str, is_base64: bool) -> None:
    from functions.registry.handler import handler

    event = {
        "version": "2.0",
        "rawPath": "/api/registry/v1/publishers",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "authorization": f"Bearer {world.admin}"},
        "requestContext": {"http": {"method": "POST", "path": "/api/registry/v1/publishers"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": is_base64,
    }

    answer = handler(event, Context())

    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "invalid_request")


def test_a_bundle_that_is_no_base64_is_refused(world: RegistryWorld) -> None:
    refused = world.call("POST", "/versions", world.publisher, {"bundle_b64": "é", "signature": {}})

    assert (refused.status, refused.code) == (400, "invalid_request")


# Another publisher's key


def test_revoking_somebody_elses_key_under_ones_own_name_withdraws_nothing_of_theirs(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = _pinned_for_acme(world, monkeypatch)
    version = world.publish()
    with compose.database().system() as tx:  # as if it had been registered before it was pinned
        tx.execute(
            "insert into app.publisher_key (key_id, publisher, public_key, algorithm, created_by) "
            "values (:key_id, 'evil', :pem, 'ed25519', 'evil')",
            key_id=world.publisher_key.key_id,
            pem=world.publisher_key.public_pem,
        )

    path = f"/publishers/evil/keys/{world.publisher_key.key_id}/revoke"
    revoked = world.call("POST", path, evil, {"reason": "x", "revoked_from": "2000-01-01T00:00:00Z"})

    assert revoked.status == 200
    assert world.call("GET", f"/versions/{version['version_id']}", world.admin).body["state"] == "ready"


def test_a_key_the_operator_gave_to_another_publisher_cannot_be_registered(
    world: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = _pinned_for_acme(world, monkeypatch)

    refused = world.call("POST", "/publishers/evil/keys", evil, {"public_key": world.publisher_key.public_pem})

    assert (refused.status, refused.code) == (409, "key_exists")


def test_a_key_of_the_platform_cannot_be_registered(world: RegistryWorld) -> None:
    world.register()

    assert world.add_key("acme", world.release).code == "key_exists"


def _pinned_for_acme(world: RegistryWorld, monkeypatch: pytest.MonkeyPatch) -> str:
    """Pin acme's key in the trust bundle, unregistered; return the token of another publisher."""
    key = world.publisher_key
    pinned = TrustedKey(key_id=key.key_id, public_key=key.public_pem, use="publisher", publishers=("acme",))
    trust = compose.trust().extended([pinned])
    monkeypatch.setattr(compose, "trust", lambda: trust)
    for publisher in ("acme", "evil"):
        body = {"publisher": publisher, "display_name": publisher}
        assert world.call("POST", "/publishers", world.admin, body).status == 201
    return world.token(sub="evil", roles=["publisher"], publishers=["evil"])
