"""Installing and granting through the registry's handler."""

from datetime import UTC, datetime
from typing import Any

import pytest

from alga_ext.ids import sha256_hex
from alga_ext.stores import object_keys
from tests.support.registry import RegistryWorld
from tests.support.server_extension import change, publish_server, put_secret

# What is asked for and what is granted


def test_permissions_are_shown_with_their_purposes(published: RegistryWorld) -> None:
    shown = published.call("GET", "/extensions/com.acme.notes/permissions", published.tenant_viewer()).body

    purposes = {item["name"]: item["purpose"] for item in shown["capabilities"] if not item["always_granted"]}
    assert purposes == {"cap:storage.kv": "keeps your notes", "cap:http.fetch": "", "cap:secrets.get": ""}


HEADER = [{"name": "api-key", "hosts": ["api.example.com"], "header": "X-Api-Key"}]


def test_headers_of_secrets_and_metrics_are_shown_before_an_install(published: RegistryWorld) -> None:
    publish_server(published, "1.1.0", secrets=HEADER, metrics=[{"name": "orders", "unit": "Count"}])

    shown = published.call("GET", "/extensions/com.acme.notes/permissions", published.tenant_viewer()).body

    assert [(secret["name"], secret["header"]) for secret in shown["secrets"]] == [("api-key", "x-api-key")]
    assert shown["metrics"] == [{"name": "orders", "unit": "Count"}]


def test_the_header_of_a_secret_is_granted_kept_and_recorded(published: RegistryWorld) -> None:
    publish_server(published, "1.1.0", secrets=HEADER)
    named = {"secrets": {"api-key": []}, "secret_headers": {"api-key": "x-api-key"}}
    install = published.install(grants=named)
    path = f"/installs/{install['install_id']}"

    shown = published.call("GET", path, published.tenant_viewer()).body
    secrets = published.call("GET", f"{path}/secrets", published.tenant_viewer()).body
    (audited,) = published.rows("select after from app.audit_event where action = 'install.create'")

    assert shown["grants"]["secret_headers"] == {"api-key": "x-api-key"}
    assert [secret["header"] for secret in secrets] == ["x-api-key"]
    assert audited["after"]["grants"]["secret_headers"] == {"api-key": "x-api-key"}


def test_a_grant_that_does_not_name_the_header_says_how_to(published: RegistryWorld) -> None:
    publish_server(published, "1.1.0", secrets=HEADER)

    body = {"extension": "com.acme.notes", "grants": {"secrets": {"api-key": []}}}
    refused = published.call("POST", "/installs", published.tenant_admin(), body)

    assert (refused.status, refused.code) == (400, "grants_invalid")
    assert 'add "api-key": "x-api-key" to secret_headers' in refused.body["detail"]


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
    key = object_keys.publisher_signature(sha256_hex(version["content_hash"]), version["signing_key_id"])
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

    from functions.registry.publishing import publishers
    from functions.registry.records.audit import Actor

    # Past the route, which would also withdraw the version: a record that says so is refused by itself.
    with published.services.database.system() as tx:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        publishers.revoke_key(
            tx, "acme", published.publisher_key.key_id, long_ago, "stolen", Actor("a", "r"), published.services.now()
        )

    refused = published.call("POST", "/installs", published.tenant_admin(), {"extension": "com.acme.notes"})

    assert (refused.status, refused.code) == (403, "key_revoked")


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
