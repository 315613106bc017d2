"""Moving an install to another version: what moves, what waits, what is refused; and which version is the newest."""

import json
from typing import Any

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.support.registry import RegistryWorld
from tests.support.server_extension import change, publish_server

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


HEADER = [{"name": "api-key", "hosts": ["api.example.com"], "header": "x-api-key"}, {"name": "salt"}]


def test_a_secret_that_goes_into_another_header_waits_and_keeps_its_header_until_approved(
    published: RegistryWorld,
) -> None:
    install = published.install(grants={"capabilities": ["secrets.get"], "secrets": {"api-key": []}})
    publish_server(published, "1.1.0", secrets=HEADER)

    moved = change(published, install, "update", {}).body
    approved = change(published, install, "request/approve", {}).body

    assert moved["waiting_request"]["difference"] == {"secret_headers": {"api-key": "x-api-key"}}
    assert (moved["version"], moved["grants"]) == ("1.1.0", install["grants"])
    assert (moved["grants"]["secret_headers"], approved["grants"]["secret_headers"]) == ({}, {"api-key": "x-api-key"})
    assert approved["grants"]["hash"] != install["grants"]["hash"]


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


# Between a request and its approval


def _waiting(world: RegistryWorld, **members: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An install whose next version asks for more, and that version."""
    install = world.install(grants={"capabilities": ["http.fetch"]})
    version = publish_server(world, "1.1.0", **{"egress": ["*.example.com", "api.other.org"], **members})
    change(world, install, "update", {})
    return install, version


@pytest.mark.parametrize("key", [None, LocalSigner.generate()], ids=["code moved", "code held back"])
def test_a_version_that_was_withdrawn_since_cannot_be_approved(published: RegistryWorld, key: Any) -> None:
    if key is not None:
        published.add_key("acme", key)
    install, version = _waiting(published, key=key)
    published.call("POST", f"/versions/{version['version_id']}/withdraw", published.admin, {"reason": "r"})
    before = published.call("GET", f"/installs/{install['install_id']}", published.tenant_admin()).body

    refused = change(published, install, "request/approve", {})

    assert (refused.status, refused.code) == (409, "version_not_ready")
    assert published.call("GET", f"/installs/{install['install_id']}", published.tenant_admin()).body == before


def test_a_version_that_was_yanked_since_can_still_be_approved(published: RegistryWorld) -> None:
    install, version = _waiting(published)
    published.call("POST", f"/versions/{version['version_id']}/yank", published.admin, {"reason": "r"})

    approved = change(published, install, "request/approve", {})

    assert (approved.status, approved.body["grants"]["egress"]) == (200, ["api.other.org"])


def test_another_tenants_install_is_not_moved_by_an_approval(published: RegistryWorld) -> None:
    other = published.install(tenant_id="tenant-b")
    install, _ = _waiting(published)

    change(published, install, "request/approve", {})

    found = published.call("GET", f"/installs/{other['install_id']}", published.tenant_admin("tenant-b")).body
    assert (found["version"], found["grants"]) == ("1.0.0", other["grants"])


def test_another_install_of_the_tenant_is_not_moved(published: RegistryWorld) -> None:
    publish_server(published, name="com.acme.other")
    other = published.install("com.acme.other")
    install, _ = _waiting(published)

    change(published, install, "request/approve", {})
    change(published, install, "pin")

    found = published.call("GET", f"/installs/{other['install_id']}", published.tenant_admin()).body
    assert found == other


def test_a_request_is_decided_once(published: RegistryWorld) -> None:
    install, _ = _waiting(published)
    change(published, install, "request/decline")

    assert change(published, install, "request/approve", {}).code == "request_not_found"
    assert change(published, install, "request/decline").code == "request_not_found"


def test_an_approval_can_name_the_whole_grant_set(published: RegistryWorld) -> None:
    install, _ = _waiting(published)

    named = {"capabilities": ["http.fetch"], "egress": ["x.example.com"]}
    approved = change(published, install, "request/approve", {"grants": named}).body

    assert (approved["grants"]["egress"], approved["waiting_request"]) == (["x.example.com"], None)


def test_an_approval_grants_nothing_that_the_version_does_not_ask_for(published: RegistryWorld) -> None:
    install, _ = _waiting(published)

    refused = change(published, install, "request/approve", {"grants": {"egress": ["evil.example.org"]}})

    assert (refused.status, refused.code) == (400, "grants_invalid")


def test_a_version_of_another_extension_is_no_update(published: RegistryWorld) -> None:
    other = publish_server(published, "2.0.0", name="com.acme.other")
    install = published.install()

    for what, body in (("update", {}), ("rollback", {"reason": "r"})):
        refused = change(published, install, what, {"version": other["version_id"], **body})
        assert (refused.status, refused.code) == (404, "version_not_found")


@pytest.mark.parametrize(
    ("what", "body"), [("update", {"version": "1.0.0"}), ("rollback", {"version": "1.0.0", "reason": "r"})]
)
def test_an_install_is_not_moved_to_the_version_that_it_has(published: RegistryWorld, what: str, body: Any) -> None:
    refused = change(published, published.install(), what, body)

    assert (refused.status, refused.code) == (409, "conflict")


def test_pinning_twice_is_recorded_once(published: RegistryWorld) -> None:
    install = published.install()

    revisions = [change(published, install, "pin").body["revision"] for _ in range(2)]

    assert revisions == [install["revision"] + 1] * 2
    recorded = published.rows("select before, after from app.audit_event where action = 'install.pin'")
    assert recorded == [{"before": {"pinned": False}, "after": {"pinned": True}}]


def test_granting_all_that_waits_does_not_end_a_request_that_holds_back_code(published: RegistryWorld) -> None:
    key = LocalSigner.generate()
    published.add_key("acme", key)
    install, _ = _waiting(published, key=key, egress=["*.example.com"])

    path = f"/installs/{install['install_id']}/grants"
    granted = published.call("PUT", path, published.tenant_admin(), {"capabilities": ["http.fetch"]}).body

    assert granted["waiting_request"]["difference"].keys() == {"publisher_key"}
    assert granted["version"] == "1.0.0"


def test_an_update_keeps_a_lower_limit_of_the_tenant(published: RegistryWorld) -> None:
    publish_server(published, "1.0.1", limits={"timeout_ms": 20_000, "memory_mb": 256})
    install = published.install(grants={"limits": {"timeout_ms": 1_000, "memory_mb": 64}})
    publish_server(published, "1.1.0", limits={"timeout_ms": 20_000, "memory_mb": 256})

    moved = change(published, install, "update", {}).body

    assert (moved["version"], moved["grants"]["limits"]) == ("1.1.0", {"timeout_ms": 1_000, "memory_mb": 64})


def test_an_approval_raises_a_limit_only_to_what_the_request_asks(published: RegistryWorld) -> None:
    publish_server(published, "1.0.1", limits={"timeout_ms": 10_000, "memory_mb": 128})
    install = published.install(grants={"limits": {"timeout_ms": 1_000, "memory_mb": 64}})
    publish_server(published, "1.1.0", limits={"timeout_ms": 20_000, "memory_mb": 128})
    waiting = change(published, install, "update", {}).body["waiting_request"]

    approved = change(published, install, "request/approve", {}).body

    assert waiting["difference"] == {"limits": {"timeout_ms": {"from": 10_000, "to": 20_000}}}
    assert approved["grants"]["limits"] == {"timeout_ms": 20_000, "memory_mb": 64}


def test_another_publisher_holds_the_code_although_the_signing_key_is_the_same(world: RegistryWorld) -> None:
    key = world.publisher_key
    trust = json.loads(world.environment()["SIGNING_TRUST_BUNDLE"])
    pinned = {"key_id": key.key_id, "public_key": key.public_pem, "publishers": ["acme", "globex"]}
    world.rewire(SIGNING_TRUST_BUNDLE=json.dumps({**trust, "keys": [*trust["keys"], pinned]}))
    for publisher in ("acme", "globex"):
        world.call("POST", "/publishers", world.admin, {"publisher": publisher, "display_name": publisher})
    publish_server(world)
    install = world.install()
    world.call("POST", "/extensions/com.acme.notes/transfer", world.admin, {"publisher": "globex"})
    publish_server(world, "1.1.0", publisher="globex")

    moved = change(world, install, "update", {}).body

    assert moved["version"] == "1.0.0"
    assert moved["waiting_request"]["holds_code"] is True
    assert moved["waiting_request"]["difference"] == {"publisher": {"from": "acme", "to": "globex"}}
