"""Publishers, their names and their keys: who may sign what, from when until when."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.stores.aws import S3ObjectStore
from alga_ext.trust.signing import LocalSigner
from tests.support.registry import RegistryWorld, manifest_of


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
    assert world.withdrawn() == {digits}


def test_a_revocation_tells_the_versions_and_installs_it_stops_first_as_a_dry_run(world: RegistryWorld) -> None:
    world.register()
    version = world.publish()
    for tenant_id in ("tenant-a", "tenant-b"):
        world.install(tenant_id=tenant_id)
    key = f"/publishers/acme/keys/{world.publisher_key.key_id}"
    before = world.call("GET", key, world.publisher)
    body = {"reason": "stolen", "revoked_from": "2020-01-01T00:00:00Z"}

    tried = world.call("POST", f"{key}/revoke", world.publisher, {**body, "dry_run": True})

    names = ("version_id", "name", "version", "published_at")
    stopped = [{**{name: version[name] for name in names}, "installs": 2}]
    assert tried.status == 200
    assert tried.body == {**before.body, "dry_run": True, "stopped": stopped}
    assert tried.headers["etag"] == before.headers["etag"]
    assert world.call("GET", key, world.publisher).body == before.body
    assert world.call("GET", f"/versions/{version['version_id']}", world.publisher).body["state"] == "ready"
    assert world.withdrawn() == set()

    done = world.call("POST", f"{key}/revoke", world.publisher, body)
    assert done.body["stopped"] == stopped
    assert done.body["dry_run"] is False
    assert done.body["revoked_from"] is not None
    assert world.call("POST", f"{key}/revoke", world.publisher, body).body["stopped"] == []


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


def test_a_version_whose_key_is_revoked_while_it_is_made_ready_is_rejected_and_withdrawn(world: RegistryWorld) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))

    with world.replaced(objects=_RevokingStore(world.objects, world)):
        assert world.prepare() == ["rejected"]

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert [reason["code"] for reason in shown["state_reasons"]] == ["key_revoked"]
    assert world.objects.size(_release_of(shown)) is not None
    assert world.withdrawn() == {shown["content_hash"].removeprefix("sha256:")}


@pytest.mark.parametrize("cause", ["its key was revoked meanwhile", "another delivery of the message failed"])
def test_a_version_that_is_rejected_when_its_release_record_is_there_is_withdrawn(
    world: RegistryWorld, cause: str
) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))
    (message,) = world.queued()
    with (
        world.replaced(objects=_FailingStore(world.objects)),
        pytest.raises(PlatformError, match="object_store_unavailable"),
    ):
        world.prepare(message)
    if cause == "its key was revoked meanwhile":
        _revoke_from_the_past(world)
        assert world.prepare(message) == ["rejected"]
    else:
        assert world.prepare(message, ok=False) == ["rejected"]

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert world.objects.size(_release_of(shown)) is not None
    assert world.withdrawn() == {shown["content_hash"].removeprefix("sha256:")}


def test_a_version_whose_files_are_being_written_is_shown_as_prepared(world: RegistryWorld) -> None:
    world.register()
    sent = world.send(world.signed(manifest_of()))
    with (
        world.replaced(objects=_FailingStore(world.objects)),
        pytest.raises(PlatformError, match="object_store_unavailable"),
    ):
        world.prepare()

    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    assert (shown["state"], shown["progress"]) == ("pending", "prepared")


def test_a_delivery_that_finds_its_version_rejected_withdraws_it(world: RegistryWorld) -> None:
    """It wrote the release record while the other delivery rejected the version."""
    world.register()
    sent = world.send(world.signed(manifest_of()))
    (message,) = world.queued()
    world.prepare(message, ok=False)
    shown = world.call("GET", f"/versions/{sent.body['version_id']}", world.publisher).body
    world.objects.delete(object_keys.withdrawn_list())  # as when the process that rejected it was cut off before

    assert world.prepare(message) == ["rejected"]
    assert world.withdrawn() == {shown["content_hash"].removeprefix("sha256:")}


def _revoke_from_the_past(world: RegistryWorld) -> None:
    path = f"/publishers/acme/keys/{world.publisher_key.key_id}/revoke"
    since = {"reason": "stolen", "revoked_from": "2020-01-01T00:00:00Z"}
    assert world.call("POST", path, world.publisher, since).status == 200


def _release_of(version: dict[str, Any]) -> str:
    return f"releases/{version['content_hash'].removeprefix('sha256:')}.dsse.json"


class _FailingStore:
    """A store that is gone as soon as a release record is written."""

    def __init__(self, inner: S3ObjectStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:
        self._inner.put_new(key, data, content_type)
        if key.startswith("releases/"):
            raise PlatformError("object_store_unavailable", "The store is gone.")
        return True


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


@pytest.mark.parametrize("path", ["/publishers", "/publishers/acme/keys"])
def test_a_creation_repeated_under_one_idempotency_key_gets_its_first_answer(world: RegistryWorld, path: str) -> None:
    world.register()
    bodies: list[dict[str, Any]] = [
        {"public_key": LocalSigner.generate().public_pem}
        if path.endswith("keys")
        else {"publisher": name, "display_name": name}
        for name in ("globex", "initech")
    ]
    key = {"idempotency-key": "k"}
    first = world.call("POST", path, world.admin, bodies[0], headers=key)
    again = world.call("POST", path, world.admin, bodies[0], headers=key)
    other = world.call("POST", path, world.admin, bodies[1], headers=key)

    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status, other.code) == (409, "idempotency_conflict")


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


def test_a_key_is_valid_from_the_registrys_time_and_not_the_databases(world: RegistryWorld) -> None:
    world.register()
    now = world.services.now() - timedelta(hours=1)
    body = {"public_key": LocalSigner.generate().public_pem, "valid_until": (now + timedelta(minutes=30)).isoformat()}

    with world.replaced(now=lambda: now):
        added = world.call("POST", "/publishers/acme/keys", world.publisher, body)

    assert (added.status, datetime.fromisoformat(added.body["valid_from"])) == (201, now)


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

    assert _retire(world, world.services.now() - timedelta(minutes=1)).code == "invalid_request"


def test_the_end_of_a_key_is_only_moved_earlier(world: RegistryWorld) -> None:
    world.register()
    _retire(world, world.services.now() + timedelta(days=2))

    assert _retire(world, world.services.now() + timedelta(days=1)).status == 200
    assert _retire(world, world.services.now() + timedelta(days=3)).code == "invalid_request"


def test_revoking_somebody_elses_key_under_ones_own_name_withdraws_nothing_of_theirs(world: RegistryWorld) -> None:
    evil = _pinned_for_acme(world)
    version = world.publish()
    with world.services.database.system() as tx:  # as if it had been registered before it was pinned
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


def test_a_key_the_operator_gave_to_another_publisher_cannot_be_registered(world: RegistryWorld) -> None:
    evil = _pinned_for_acme(world)

    refused = world.call("POST", "/publishers/evil/keys", evil, {"public_key": world.publisher_key.public_pem})

    assert (refused.status, refused.code) == (409, "key_exists")


def test_a_key_of_the_platform_cannot_be_registered(world: RegistryWorld) -> None:
    world.register()

    assert world.add_key("acme", world.release).code == "key_exists"


def _pinned_for_acme(world: RegistryWorld) -> str:
    """Pin acme's key in the trust bundle, unregistered; return the token of another publisher."""
    key = world.publisher_key
    document = json.loads(world.environment()["SIGNING_TRUST_BUNDLE"])
    pinned = {"key_id": key.key_id, "public_key": key.public_pem, "use": "publisher", "publishers": ["acme"]}
    document["keys"].append(pinned)
    world.rewire(SIGNING_TRUST_BUNDLE=json.dumps(document))
    for publisher in ("acme", "evil"):
        body = {"publisher": publisher, "display_name": publisher}
        assert world.call("POST", "/publishers", world.admin, body).status == 201
    return world.token(sub="evil", roles=["publisher"], publishers=["evil"])
