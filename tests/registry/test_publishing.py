"""Publishing through the registry's handler: what is accepted, what is refused, and with which code."""

import base64
import json

import pytest

from alga_ext.calls.messages import Reason
from tests.support.registry import RegistryWorld, manifest_of


def test_a_signed_bundle_is_accepted_and_becomes_ready(world: RegistryWorld) -> None:
    world.register()

    sent = world.send(world.signed(manifest_of()))

    assert (sent.status, sent.body["state"], sent.body["progress"]) == (202, "pending", "queued")
    assert world.prepare() == ["ready"]
    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert (shown["state"], shown["progress"]) == ("ready", "done")


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


def test_a_caller_who_is_not_the_publisher_is_refused(world: RegistryWorld) -> None:
    world.register()
    stranger = world.token(roles=["publisher"], publishers=["globex"])

    sent = world.send(world.signed(manifest_of()), stranger)

    assert (sent.status, sent.code) == (403, "forbidden")


def test_a_tenants_admin_cannot_publish(world: RegistryWorld) -> None:
    world.register()

    sent = world.send(world.signed(manifest_of()), world.tenant_admin())

    assert (sent.status, sent.code) == (403, "forbidden")


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

    from alga_ext.trust.signing import sign_envelope
    from alga_ext.trust.statements import Release, statement

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


def test_stored_objects_are_never_overwritten(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    key = f"bundles/{version['content_hash'].removeprefix('sha256:')}/bundle.tar.zst"

    with pytest.raises(Exception, match="object_conflict"):
        world.objects.put_new(key, b"other bytes", "application/zstd")
