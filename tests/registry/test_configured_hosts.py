"""Egress to a host that the admin configures: pinned when it is granted, waiting when it is changed."""

import json
from typing import Any

import pytest

from alga_ext.bundles.manifest import Manifest, parse_manifest
from alga_ext.errors import PlatformError
from tests.support.registry import RegistryWorld
from tests.support.server_extension import change, publish_server, server

SCHEMA = {
    "type": "object",
    "properties": {"base": {"type": "string"}, "other": {"type": "string", "default": "https://default.example.com"}},
}
ASKED: dict[str, Any] = {
    "egress": ["config:base", "config:other", "api.example.com"],
    "secrets": [{"name": "key", "hosts": ["config:base"]}],
    "config": SCHEMA,
}
GRANTS = {"capabilities": ["http.fetch", "secrets.get"], "egress": ["config:base"], "secrets": {"key": ["config:base"]}}
OLD = {"base": "https://old.example.com/v1"}


@pytest.fixture
def asking(world: RegistryWorld) -> RegistryWorld:
    world.register()
    publish_server(world, **ASKED)
    return world


def configure(world: RegistryWorld, install: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    answer = world.call("PUT", f"/installs/{install['install_id']}/config", world.tenant_admin(), {"config": config})
    assert answer.status == 200, answer
    shown: dict[str, Any] = answer.body
    return shown


def hosts_of(install: dict[str, Any]) -> tuple[list[str], dict[str, list[str]]]:
    return install["grants"]["egress"], install["grants"]["secrets"]


def test_a_granted_host_is_pinned_as_the_configuration_names_it(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    assert hosts_of(install) == (["config:base=old.example.com"], {"key": ["config:base=old.example.com"]})
    assert install["waiting_request"] is None


def test_a_default_of_the_schema_is_pinned_too(asking: RegistryWorld) -> None:
    install = asking.install(grants={"capabilities": ["http.fetch"], "egress": ["config:other"]})
    assert install["grants"]["egress"] == ["config:other=default.example.com"]


@pytest.mark.parametrize(
    "value",
    ["http://a.example.com", "https://u:p@a.example.com", "https://10.0.0.1", "https://db.internal", "localhost"],
)
def test_a_host_that_may_not_be_reached_cannot_be_granted(asking: RegistryWorld, value: str) -> None:
    body = {"extension": "com.acme.notes", "grants": GRANTS, "config": {"base": value}}
    refused = asking.call("POST", "/installs", asking.tenant_admin(), body)
    assert (refused.status, refused.code) == (400, "grants_invalid")
    assert "configuration base" in refused.body["detail"]
    assert value not in refused.body["detail"]


@pytest.mark.parametrize(
    "named", ["config:none", "config:base.x", "config:", "old.example.com", "*.example.com", "config:Base"]
)
def test_only_a_configured_host_that_is_asked_for_can_be_granted(asking: RegistryWorld, named: str) -> None:
    grants = {"capabilities": ["http.fetch"], "egress": [named], "secrets": {}}
    body = {"extension": "com.acme.notes", "grants": grants, "config": OLD}
    assert asking.call("POST", "/installs", asking.tenant_admin(), body).code == "grants_invalid"


def test_an_admin_cannot_name_a_host_other_than_the_configured_one(asking: RegistryWorld) -> None:
    grants = {"capabilities": ["http.fetch"], "egress": ["config:base=evil.example"]}
    install = asking.install(grants=grants, config=OLD)
    assert install["grants"]["egress"] == ["config:base=old.example.com"]


def test_a_changed_host_waits_and_holds_again_when_it_is_approved(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    changed = configure(asking, install, {"base": "https://new.example.com"})
    assert hosts_of(changed) == hosts_of(install)
    assert changed["grants"]["hash"] == install["grants"]["hash"]
    asked = changed["waiting_request"]
    assert asked["difference"] == {"configured_hosts": {"base": {"from": "old.example.com", "to": "new.example.com"}}}
    assert (asked["from_version"], asked["to_version"], asked["holds_code"]) == ("1.0.0", "1.0.0", False)

    approved = change(asking, install, "request/approve", {}).body
    assert hosts_of(approved) == (["config:base=new.example.com"], {"key": ["config:base=new.example.com"]})
    assert approved["waiting_request"] is None
    assert approved["grants"]["hash"] != install["grants"]["hash"]


def test_naming_the_grants_again_grants_the_changed_host(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    configure(asking, install, {"base": "new.example.com:8443"})
    path = f"/installs/{install['install_id']}/grants"
    granted = asking.call("PUT", path, asking.tenant_admin(), GRANTS).body
    assert granted["grants"]["egress"] == ["config:base=new.example.com:8443"]
    assert granted["waiting_request"] is None


def test_going_back_to_the_granted_host_ends_the_request(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    assert configure(asking, install, {"base": "https://new.example.com"})["waiting_request"] is not None
    assert configure(asking, install, {"base": "https://old.example.com/v2"})["waiting_request"] is None


def test_a_change_to_another_path_of_the_same_host_asks_for_nothing(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    assert configure(asking, install, {"base": "https://OLD.example.com:443/v9?x=1"})["waiting_request"] is None


def test_a_value_that_is_set_after_the_grant_waits(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS)
    assert hosts_of(install) == (["config:base"], {"key": ["config:base"]})
    asked = configure(asking, install, OLD)["waiting_request"]
    assert asked["difference"] == {"configured_hosts": {"base": {"from": None, "to": "old.example.com"}}}


def test_a_declined_host_waits_again_only_when_the_configuration_is_set_again(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    configure(asking, install, {"base": "https://new.example.com"})
    assert change(asking, install, "request/decline", {}).body["waiting_request"] is None
    assert hosts_of(asking.call("GET", f"/installs/{install['install_id']}", asking.tenant_admin()).body) == hosts_of(
        install
    )
    assert configure(asking, install, {"base": "https://new.example.com"})["waiting_request"] is not None


def test_a_changed_host_joins_the_request_of_a_newer_version_and_an_update_keeps_it(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    publish_server(asking, "2.0.0", **{**ASKED, "egress": [*ASKED["egress"], "more.example.com"]})
    change(asking, install, "update", {})
    both = configure(asking, install, {"base": "https://new.example.com"})["waiting_request"]
    assert set(both["difference"]) == {"egress", "configured_hosts"}
    assert (both["from_version"], both["to_version"]) == ("1.0.0", "2.0.0")

    publish_server(asking, "3.0.0", **{**ASKED, "egress": [*ASKED["egress"], "more.example.com"]})
    updated = change(asking, install, "update", {}).body
    assert set(updated["waiting_request"]["difference"]) == {"egress", "configured_hosts"}
    assert hosts_of(updated) == hosts_of(install)

    approved = change(asking, install, "request/approve", {}).body
    assert approved["grants"]["egress"] == ["config:base=new.example.com", "more.example.com"]


def test_an_update_and_a_rollback_keep_the_pinned_host(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    publish_server(asking, "2.0.0", **ASKED)
    assert hosts_of(change(asking, install, "update", {}).body) == hosts_of(install)
    configure(asking, install, {"base": "https://new.example.com"})
    back = change(asking, install, "rollback", {"version": "1.0.0", "reason": "slow"}).body
    assert hosts_of(back) == hosts_of(install)
    assert set(back["waiting_request"]["difference"]) == {"configured_hosts"}


def test_every_step_leaves_an_audit_row(asking: RegistryWorld) -> None:
    install = asking.install(grants=GRANTS, config=OLD)
    configure(asking, install, {"base": "https://new.example.com"})
    rows = asking.call("GET", "/audit", asking.tenant_admin()).body["items"]
    assert [row["action"] for row in rows][:2] == ["install.request", "install.config"]
    assert rows[0]["after"]["asks_for"]["configured_hosts"]["base"]["to"] == "new.example.com"


def manifest(**members: Any) -> Manifest:
    return parse_manifest(json.dumps(server(**{**ASKED, **members})).encode())


@pytest.mark.parametrize(
    "members",
    [
        {"egress": ["config:none"]},
        {"egress": ["config:"]},
        {"egress": ["config:a b"]},
        {"egress": ["config:base=x.example"]},
        {"secrets": [{"name": "key", "hosts": ["config:none"]}]},
        {"config": None},
        {"config": {"type": "object", "properties": []}},
    ],
)
def test_a_manifest_asks_only_for_configuration_that_its_schema_has(members: dict[str, Any]) -> None:
    with pytest.raises(PlatformError, match="config"):
        manifest(**members)
    assert "config:base" in manifest().egress
