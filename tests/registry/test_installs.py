"""Installing, updating and granting through the registry's handler."""

from typing import Any

import pytest

from alga_ext.signing import LocalSigner
from functions.registry.publish import signature_key
from tests.support.registry import RegistryWorld, manifest_of

WASM = {"ui/index.html": b"x", "dist/main.wasm": b"\0asm"}
IMPORTS = ["alga:extension/storage", "alga:extension/secrets", "alga:extension/http"]


def server(version: str = "1.0.0", **members: Any) -> dict[str, Any]:
    """A manifest with handlers and a few permissions."""
    asked = {
        "runtime": "wasm-component@1",
        "capabilities": [{"name": "storage.kv", "purpose": "keeps your notes"}, "http.fetch", "secrets.get"],
        "egress": ["*.example.com"],
        "secrets": [{"name": "api-key", "hosts": ["api.example.com"]}, {"name": "salt"}],
        "config": {"type": "object", "properties": {"colour": {"type": "string"}}, "additionalProperties": False},
    }
    return manifest_of(version=version, **{**asked, **members})


def publish_server(
    world: RegistryWorld, version: str = "1.0.0", key: LocalSigner | None = None, **members: Any
) -> dict[str, Any]:
    """Publish a version with handlers and bring it to ready."""
    sent = world.send(world.signed(server(version, **members), WASM, key), world.admin)
    assert sent.status == 202, sent
    assert world.prepare(imports=IMPORTS) == ["ready"]
    return sent.body


@pytest.fixture
def published(world: RegistryWorld) -> RegistryWorld:
    world.register()
    publish_server(world)
    return world


def change(world: RegistryWorld, install: dict[str, Any], what: str, body: Any = None, **headers: str) -> Any:
    return world.call("POST", f"/installs/{install['install_id']}/{what}", world.tenant_admin(), body, headers=headers)


# What is asked for and what is granted


def test_permissions_are_shown_with_their_purposes(published: RegistryWorld) -> None:
    shown = published.call("GET", "/extensions/com.acme.notes/permissions", published.tenant_viewer()).body

    purposes = {item["name"]: item["purpose"] for item in shown["capabilities"] if not item["always_granted"]}
    assert purposes == {"cap:storage.kv": "keeps your notes", "cap:http.fetch": "", "cap:secrets.get": ""}


def test_nothing_is_granted_that_the_admin_does_not_name(published: RegistryWorld) -> None:
    grants = published.install()["grants"]

    assert grants["egress"] == []
    assert grants["capabilities"] == ["cap:context.read", "cap:log.emit", "cap:metrics.emit", "cap:user.read"]


def test_an_admin_may_narrow_egress(published: RegistryWorld) -> None:
    install = published.install(grants={"capabilities": ["http.fetch"], "egress": ["api.example.com"]})

    assert install["grants"]["egress"] == ["api.example.com"]


@pytest.mark.parametrize(
    "grants",
    [
        {"capabilities": ["ui.proxy"]},
        {"capabilities": ["does.not.exist"]},
        {"egress": ["evil.org"]},
        {"egress": ["*"]},
        {"egress": ["http://api.example.com"]},
        {"secrets": {"other": []}},
        {"secrets": {"api-key": ["evil.org"]}},
    ],
)
def test_what_was_not_asked_for_cannot_be_granted(published: RegistryWorld, grants: dict[str, Any]) -> None:
    refused = published.call(
        "POST", "/installs", published.tenant_admin(), {"extension": "com.acme.notes", "grants": grants}
    )

    assert (refused.status, refused.code) == (400, "grants_invalid")


def test_the_grant_hash_does_not_depend_on_order(published: RegistryWorld) -> None:
    one = published.install(tenant_id="a", grants={"capabilities": ["storage.kv", "http.fetch"]})
    other = published.install(tenant_id="b", grants={"capabilities": ["cap:http.fetch", "cap:storage.kv"]})

    assert one["grants"]["hash"] == other["grants"]["hash"]


def test_configuration_is_checked_against_the_manifests_schema(published: RegistryWorld) -> None:
    refused = published.call(
        "POST", "/installs", published.tenant_admin(), {"extension": "com.acme.notes", "config": {"colour": 5}}
    )

    assert (refused.status, refused.code) == (400, "config_invalid")


def test_an_extension_is_installed_once_a_tenant(published: RegistryWorld) -> None:
    published.install()

    again = published.call("POST", "/installs", published.tenant_admin(), {"extension": "com.acme.notes"})

    assert (again.status, again.code) == (409, "already_installed")


def test_a_viewer_cannot_install(published: RegistryWorld) -> None:
    refused = published.call("POST", "/installs", published.tenant_viewer(), {"extension": "com.acme.notes"})

    assert (refused.status, refused.code) == (403, "forbidden")


def test_an_install_of_another_tenant_does_not_exist(published: RegistryWorld) -> None:
    install = published.install(tenant_id="tenant-b")

    seen = published.call("GET", f"/installs/{install['install_id']}", published.tenant_admin("tenant-a"))

    assert (seen.status, seen.code) == (404, "install_not_found")


def test_an_install_repeated_under_one_idempotency_key_is_one_install(published: RegistryWorld) -> None:
    body, key = {"extension": "com.acme.notes"}, {"idempotency-key": "abc"}
    first = published.call("POST", "/installs", published.tenant_admin(), body, headers=key)

    second = published.call("POST", "/installs", published.tenant_admin(), body, headers=key)

    assert (second.status, second.body["install_id"]) == (201, first.body["install_id"])


# Verified again at install


def test_a_changed_signature_is_refused_at_install(published: RegistryWorld) -> None:
    version = published.call("GET", "/extensions/com.acme.notes/versions", published.admin).body["items"][0]
    key = signature_key(version["content_hash"], version["signing_key_id"])
    data = bytearray(published.objects.get(key))
    data[data.index(b'"sig":"') + 10] ^= 1
    published.overwrite(key, bytes(data))

    refused = published.call("POST", "/installs", published.tenant_admin(), {"extension": "com.acme.notes"})

    assert refused.code in {"signature_invalid", "signature_malformed"}


def test_a_changed_release_record_is_refused_at_install(published: RegistryWorld) -> None:
    version = published.call("GET", "/extensions/com.acme.notes/versions", published.admin).body["items"][0]
    key = f"releases/{version['content_hash'].removeprefix('sha256:')}.dsse.json"
    data = bytearray(published.objects.get(key))
    data[40] ^= 1
    published.overwrite(key, bytes(data))

    refused = published.call("POST", "/installs", published.tenant_admin(), {"extension": "com.acme.notes"})

    assert refused.code == "release_integrity"


def test_a_key_revoked_from_before_the_publication_is_refused_at_install(published: RegistryWorld) -> None:
    from datetime import UTC, datetime

    from functions.registry import compose, publishers
    from functions.registry.audit import Actor

    # Past the route, which would also withdraw the version: a record that says so is refused by itself.
    with compose.database().system() as tx:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        publishers.revoke_key(
            tx, "acme", published.publisher_key.key_id, long_ago, "stolen", Actor("a", "r"), compose.now()
        )

    refused = published.call("POST", "/installs", published.tenant_admin(), {"extension": "com.acme.notes"})

    assert (refused.status, refused.code) == (403, "key_revoked")


# Updates


def test_a_version_that_asks_for_no_more_just_moves(published: RegistryWorld) -> None:
    install = published.install(grants={"capabilities": ["storage.kv"]})
    publish_server(published, "1.1.0")

    moved = change(published, install, "update", {}).body

    assert (moved["version"], moved["waiting_request"]) == ("1.1.0", None)
    assert moved["grants"] == install["grants"]


def test_a_version_that_asks_for_more_runs_under_the_old_grants_and_waits(published: RegistryWorld) -> None:
    install = published.install(grants={"capabilities": ["storage.kv"]})
    publish_server(published, "1.1.0", egress=["*.example.com", "api.other.org"])

    moved = change(published, install, "update", {}).body

    assert (moved["version"], moved["grants"]) == ("1.1.0", install["grants"])
    assert moved["waiting_request"]["difference"] == {"egress": ["api.other.org"]}


def test_approving_grants_what_the_request_asked_for(published: RegistryWorld) -> None:
    install = published.install(grants={"capabilities": ["http.fetch"]})
    publish_server(published, "1.1.0", egress=["*.example.com", "api.other.org"])
    change(published, install, "update", {})

    approved = change(published, install, "request/approve", {}).body

    assert (approved["grants"]["egress"], approved["waiting_request"]) == (["api.other.org"], None)


def test_granting_all_that_waits_ends_the_request(published: RegistryWorld) -> None:
    install = published.install(grants={"capabilities": ["http.fetch"]})
    publish_server(published, "1.1.0", egress=["*.example.com", "api.other.org"])
    change(published, install, "update", {})
    path = f"/installs/{install['install_id']}/grants"

    part = {"capabilities": ["http.fetch"], "egress": ["*.example.com"]}
    partly = published.call("PUT", path, published.tenant_admin(), part).body
    wholly = published.call("PUT", path, published.tenant_admin(), {**part, "egress": ["api.other.org"]}).body

    assert partly["waiting_request"]["difference"] == {"egress": ["api.other.org"]}
    assert wholly["waiting_request"] is None


def test_declining_leaves_grants_and_code_as_they_are(published: RegistryWorld) -> None:
    install = published.install()
    publish_server(published, "1.1.0", egress=["*.example.com", "api.other.org"])
    change(published, install, "update", {})

    declined = change(published, install, "request/decline").body

    assert (declined["version"], declined["grants"], declined["waiting_request"]) == ("1.1.0", install["grants"], None)


def test_what_waits_undecided_is_asked_for_again_by_the_next_version(published: RegistryWorld) -> None:
    install = published.install()
    for version in ("1.1.0", "1.2.0"):
        publish_server(published, version, egress=["*.example.com", "api.other.org"])
        moved = change(published, install, "update", {}).body

    assert moved["version"] == "1.2.0"
    assert moved["waiting_request"]["difference"] == {"egress": ["api.other.org"]}


def test_a_new_request_changes_what_if_match_guards(published: RegistryWorld) -> None:
    install = published.install()
    fresh = LocalSigner.generate()
    published.add_key("acme", fresh)
    publish_server(published, "1.1.0", fresh)
    change(published, install, "update", {})

    refused = change(published, install, "request/approve", {}, **{"if-match": f'"{install["revision"]}"'})

    assert (refused.status, refused.code) == (412, "precondition_failed")


def test_an_approval_does_not_move_the_code_of_a_pinned_install(published: RegistryWorld) -> None:
    install = published.install()
    fresh = LocalSigner.generate()
    published.add_key("acme", fresh)
    publish_server(published, "1.1.0", fresh)
    change(published, install, "update", {})
    change(published, install, "pin")

    refused = change(published, install, "request/approve", {})

    assert (refused.status, refused.code) == (409, "install_pinned")


def test_an_approval_verifies_the_version_again(published: RegistryWorld) -> None:
    install = published.install()
    fresh = LocalSigner.generate()
    published.add_key("acme", fresh)
    version = publish_server(published, "1.1.0", fresh)
    change(published, install, "update", {})
    published.overwrite(f"releases/{version['content_hash'].removeprefix('sha256:')}.dsse.json", b"{}")

    assert change(published, install, "request/approve", {}).code == "release_integrity"


def test_a_configuration_that_does_not_fit_the_new_version_stops_the_update(published: RegistryWorld) -> None:
    install = published.install()
    fresh = LocalSigner.generate()
    published.add_key("acme", fresh)
    publish_server(published, "1.1.0", fresh, config={"type": "object", "required": ["size"]})

    refused = change(published, install, "update", {})

    assert (refused.status, refused.code) == (400, "config_invalid")


def test_a_version_from_before_a_transfer_still_installs(published: RegistryWorld) -> None:
    published.register("globex", LocalSigner.generate())
    published.call("POST", "/extensions/com.acme.notes/transfer", published.admin, {"publisher": "globex"})

    assert published.install()["publisher"] == "acme"


def test_deciding_when_nothing_waits_is_not_found(published: RegistryWorld) -> None:
    install = published.install()

    refused = change(published, install, "request/approve", {})

    assert (refused.status, refused.code) == (404, "request_not_found")


def test_a_request_that_waits_ends_with_its_install(published: RegistryWorld) -> None:
    install = published.install()
    publish_server(published, "1.1.0", egress=["*.example.com", "api.other.org"])
    change(published, install, "update", {})
    published.call("DELETE", f"/installs/{install['install_id']}", published.tenant_admin())

    again = published.install()

    assert (again["install_id"], again["waiting_request"]) == (install["install_id"], None)


def test_a_change_of_signing_key_holds_the_code_until_approved(published: RegistryWorld) -> None:
    install = published.install()
    fresh = LocalSigner.generate()
    published.add_key("acme", fresh)
    publish_server(published, "1.1.0", fresh)

    waiting = change(published, install, "update", {}).body
    approved = change(published, install, "request/approve", {}).body

    assert (waiting["version"], waiting["waiting_request"]["holds_code"]) == ("1.0.0", True)
    assert waiting["waiting_request"]["difference"]["publisher_key"]["to"] == fresh.key_id
    assert (approved["version"], approved["publisher_key_id"]) == ("1.1.0", fresh.key_id)


def test_a_transferred_extension_holds_the_code_until_approved(published: RegistryWorld) -> None:
    install = published.install()
    theirs = LocalSigner.generate()
    published.register("globex", theirs)
    published.call("POST", "/extensions/com.acme.notes/transfer", published.admin, {"publisher": "globex"})
    publish_server(published, "2.0.0", theirs, publisher="globex")

    waiting = change(published, install, "update", {}).body

    assert waiting["version"] == "1.0.0"
    assert waiting["waiting_request"]["difference"]["publisher"] == {"from": "acme", "to": "globex"}


def test_a_pinned_install_refuses_updates(published: RegistryWorld) -> None:
    install = published.install()
    publish_server(published, "1.1.0")
    change(published, install, "pin")

    refused = change(published, install, "update", {})

    assert (refused.status, refused.code) == (409, "install_pinned")


def test_one_call_with_a_reason_rolls_back_to_any_earlier_version(published: RegistryWorld) -> None:
    install = published.install(grants={"capabilities": ["storage.kv"]})
    publish_server(published, "1.1.0")
    publish_server(published, "1.2.0")
    change(published, install, "update", {})

    back = change(published, install, "rollback", {"version": "1.0.0", "reason": "1.2.0 loses notes"}).body

    assert (back["version"], back["grants"]) == ("1.0.0", install["grants"])


def test_a_rollback_to_a_newer_version_is_refused(published: RegistryWorld) -> None:
    install = published.install()
    publish_server(published, "1.1.0")

    refused = change(published, install, "rollback", {"version": "1.1.0", "reason": "x"})

    assert (refused.status, refused.code) == (409, "conflict")


def test_a_stale_if_match_is_refused(published: RegistryWorld) -> None:
    install = published.install()
    change(published, install, "disable")

    refused = change(published, install, "enable", None, **{"if-match": f'"{install["revision"]}"'})

    assert (refused.status, refused.code) == (412, "precondition_failed")


def test_the_etag_of_an_answer_passes_as_if_match(published: RegistryWorld) -> None:
    install = published.install()
    etag = change(published, install, "disable").headers["etag"]

    changed = change(published, install, "enable", None, **{"if-match": etag})

    assert changed.body["state"] == "enabled"


# Secrets


def put_secret(world: RegistryWorld, install: dict[str, Any], name: str, **body: Any) -> Any:
    return world.call("PUT", f"/installs/{install['install_id']}/secrets/{name}", world.tenant_admin(), body)


def test_a_secret_is_sealed_and_never_shown(published: RegistryWorld) -> None:
    install = published.install()

    shown = put_secret(published, install, "api-key", value="hunter2")

    (row,) = published.rows("select sealed from app.extension_install_secret")
    assert (shown.body["state"], shown.body["version"]) == ("set", 1)
    assert "hunter2" not in str(shown.body)
    assert b"hunter2" not in row["sealed"]


def test_a_sealed_secret_opens_for_its_own_place_only(published: RegistryWorld) -> None:
    from alga_ext.errors import PlatformError
    from alga_ext.sealing import secret_context
    from functions.registry import compose

    install = published.install()
    put_secret(published, install, "api-key", value="hunter2")
    (row,) = published.rows("select sealed from app.extension_install_secret")

    assert (
        compose.sealer().unseal(row["sealed"], secret_context("tenant-a", install["install_id"], "api-key"))
        == b"hunter2"
    )
    for place in (("tenant-b", install["install_id"], "api-key"), ("tenant-a", install["install_id"], "salt")):
        with pytest.raises(PlatformError, match="secret_unavailable"):
            compose.sealer().unseal(row["sealed"], secret_context(*place))


def test_an_undeclared_secret_is_refused(published: RegistryWorld) -> None:
    refused = put_secret(published, published.install(), "other", value="x")

    assert (refused.status, refused.code) == (400, "secret_not_declared")


def test_a_second_value_is_the_next_version(published: RegistryWorld) -> None:
    install = published.install()
    put_secret(published, install, "salt", value="one")

    assert put_secret(published, install, "salt", value="two").body["version"] == 2


def test_a_maximum_age_beyond_ten_years_is_refused(published: RegistryWorld) -> None:
    install = published.install()

    refused = put_secret(published, install, "salt", value="one", max_age_s=10**15)

    assert (refused.status, refused.code) == (400, "invalid_request")


def test_an_expired_secret_shows_as_expired(published: RegistryWorld) -> None:
    install = published.install()
    put_secret(published, install, "salt", value="one", max_age_s=60)
    from alga_ext.database import Database

    owner = Database(published.databases.owner)
    with owner.system() as tx:
        tx.execute("update app.extension_install_secret set expires_at = now() - interval '1 second'")
    owner.close()

    shown = published.call("GET", f"/installs/{install['install_id']}/secrets", published.tenant_viewer()).body

    assert {secret["name"]: secret["state"] for secret in shown} == {"api-key": "missing", "salt": "expired"}


# Records


def test_every_change_leaves_an_audit_row(published: RegistryWorld) -> None:
    install = published.install()
    change(published, install, "disable")
    put_secret(published, install, "salt", value="one")
    published.call("DELETE", f"/installs/{install['install_id']}", published.tenant_admin())

    trail = published.call("GET", "/audit", published.tenant_admin()).body["items"]

    assert [row["action"] for row in trail] == ["install.delete", "secret.put", "install.disabled", "install.create"]
    assert {row["actor"] for row in trail} == {"admin@tenant-a"}


def test_a_viewer_cannot_read_the_audit_trail(published: RegistryWorld) -> None:
    assert published.call("GET", "/audit", published.tenant_viewer()).code == "forbidden"


# Uninstalling


def test_a_reinstall_within_the_grace_time_is_the_same_install(published: RegistryWorld) -> None:
    install = published.install()
    published.call("DELETE", f"/installs/{install['install_id']}", published.tenant_admin())

    assert published.install()["install_id"] == install["install_id"]


# Which version is the newest


def test_a_fix_of_an_old_line_is_no_update_for_those_ahead_of_it(published: RegistryWorld) -> None:
    publish_server(published, "2.0.0")
    install = published.install()
    publish_server(published, "1.0.1")

    refused = change(published, install, "update", {})

    assert install["version"] == "2.0.0"
    assert (refused.status, refused.code) == (409, "conflict")


def test_an_earlier_version_is_gone_back_to_and_not_updated_to(published: RegistryWorld) -> None:
    publish_server(published, "2.0.0")
    install = published.install()

    refused = change(published, install, "update", {"version": "1.0.0"})

    assert (refused.status, refused.code) == (409, "conflict")
    assert "rollback" in refused.body["detail"]
    assert change(published, install, "rollback", {"version": "1.0.0", "reason": "slow"}).status == 200


def test_a_pre_release_is_installed_when_it_is_named_only(published: RegistryWorld) -> None:
    publish_server(published, "2.0.0-beta.1")

    assert published.install()["version"] == "1.0.0"
    assert published.install(tenant_id="tenant-b", version="2.0.0-beta.1")["version"] == "2.0.0-beta.1"


ASCENDING = [
    "0.9.0", "1.0.0-0", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-alpha-x",
    "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-1",
    "2.0.0", "10.0.0", "99999999999999999999999.0.0",
]  # fmt: skip
"""In the order of semver.org, section 11."""


def test_versions_are_ordered_by_precedence(published: RegistryWorld) -> None:
    rows = published.rows(
        "select version from unnest(cast(:versions as text[])) as v(version) "
        'order by app.version_precedence(version) collate "C"',
        versions=list(reversed(ASCENDING)),
    )

    assert [row["version"] for row in rows] == ASCENDING


def test_build_metadata_does_not_count(published: RegistryWorld) -> None:
    (row,) = published.rows(
        "select app.version_precedence('1.0.0+a-b') = app.version_precedence('1.0.0') as release, "
        "app.version_precedence('1.0.0-a+b') = app.version_precedence('1.0.0-a') as pre"
    )

    assert (row["release"], row["pre"]) == (True, True)
