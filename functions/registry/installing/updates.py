"""Move an install to another version, and handle the requests that then wait for the tenant's admin.

Code and permissions change separately. A version that asks for more runs under the old grants, and the difference waits
as a request. When publisher or signing key changed, the code waits too (ADR 0006).
"""

import json
from typing import Any, Final

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.install_config import with_defaults
from alga_ext.calls.topics import INSTALL_UPDATED, UPDATE_WAITING
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from functions.registry.events import lifecycle
from functions.registry.events.lifecycle import of_install
from functions.registry.installing import egress_trials, grants, installs
from functions.registry.installing import install_requests as requests
from functions.registry.installing.grant_set import GrantSet, stored
from functions.registry.installing.installs import CheckedConfig
from functions.registry.publishing import versions
from functions.registry.records import audit
from functions.registry.records.audit import Actor
from functions.registry.scheduling import schedules

_HOSTS: Final = "configured_hosts"
"""Member of a request's difference: configuration key → the host that is granted and the one that is configured."""

_MOVE: Final = """
update app.tenant_extension_install
set version_id = :version_id, content_hash = :content_hash, publisher = :publisher, publisher_key_id = :key_id,
    granted_capabilities = :capabilities, granted_egress = :egress, granted_secrets = cast(:secrets as jsonb),
    granted_secret_headers = cast(:secret_headers as jsonb), granted_limits = cast(:limits as jsonb),
    grant_hash = :grant_hash, revision = revision + 1, changed_at = now()
where tenant_id = :tenant_id and install_id = :install_id
"""
_PIN: Final = """
update app.tenant_extension_install set pinned = :pinned, revision = revision + 1, changed_at = now()
where tenant_id = :tenant_id and install_id = :install_id
"""


def update(tx: Tx, tenant_id: str, install_id: str, target: Row, checked: CheckedConfig, actor: Actor) -> None:
    """Move an install to a ready version. What it asks for beyond the earlier version waits as a request.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: the install.
        target: the version to move to.
        checked: the install's configuration, checked against that version.
        actor: who updates.

    Raises:
        PlatformError: ``install_not_found``; ``install_pinned``; ``conflict`` when the install has that version already
            or a later one (use ``roll_back`` then), or when its configuration is not the one that was checked.
    """
    before = installs.load_install(tx, tenant_id, install_id, lock=True)
    _check_movable(before, target)
    if before["pinned"]:
        raise PlatformError("install_pinned", f"The install is pinned to {before['version']}; unpin it to update.")
    # A request that still waits is made again: the difference is taken from the last version that was decided on.
    undecided = requests.waiting(tx, tenant_id, install_id)
    decided_for = undecided["from_version_id"] if undecided is not None else before["version_id"]
    current = versions.load_version(tx, str(decided_for))
    if target["precedence"] < versions.load_version(tx, str(before["version_id"]))["precedence"]:
        raise PlatformError(
            "conflict",
            f"{target['version']} is earlier than {before['version']}; use rollback, with a reason, to go back to it.",
        )
    old, new = Manifest.model_validate(current["manifest"]), Manifest.model_validate(target["manifest"])
    checked.require(target, before["config"])
    held = grants.carried_over(stored(before), new)
    hosts = _changed_hosts(held, new, before["config"])
    difference = {**grants.difference(old, new), **_change_of_trust(before, target), **hosts}
    holds_code = "publisher" in difference or "publisher_key" in difference
    requests.supersede(tx, tenant_id, install_id, actor)
    if not holds_code:
        _move(tx, tenant_id, before, target, held, actor, "install.update")
    if difference:
        requests.ask(
            tx, tenant_id, install_id, str(decided_for), str(target["version_id"]), difference, holds_code, actor
        )
        # If-Match also protects the waiting request, so that no admin approves another request than the one they read.
        installs.touch(tx, tenant_id, install_id)
        asked = {"from": current["version"], "to": target["version"], "holds_code": holds_code, "asks_for": difference}
        earlier = None if undecided is None else requests.shown_in_audit(undecided)
        audit.record(tx, tenant_id, actor, "install.request", install_id, earlier, asked)
        _tell_of_request(tx, tenant_id, install_id)


def set_config(tx: Tx, tenant_id: str, install_id: str, checked: CheckedConfig, actor: Actor) -> None:
    """Replace an install's configuration. A host in it that differs from the granted one waits as a request.

    Raises:
        PlatformError: ``install_not_found``; ``conflict`` as for ``installs.set_config``.
    """
    installs.set_config(tx, tenant_id, install_id, checked, actor)
    install = installs.load_install(tx, tenant_id, install_id)
    manifest = Manifest.model_validate(versions.load_version(tx, str(install["version_id"]))["manifest"])
    hosts = _changed_hosts(stored(install), manifest, checked.config)
    waiting = requests.waiting(tx, tenant_id, install_id)
    asked = {} if waiting is None else waiting["difference"]
    difference = {name: value for name, value in asked.items() if name != _HOSTS} | hosts
    if difference == asked:
        return
    requests.supersede(tx, tenant_id, install_id, actor)
    _ask_again(tx, tenant_id, install, waiting, difference, actor)


def roll_back(
    tx: Tx, tenant_id: str, install_id: str, target: Row, checked: CheckedConfig, reason: str, actor: Actor
) -> None:
    """Move an install back to an earlier version that may run. It keeps those grants that this version asks for.

    A pinned install is then pinned to that version. A waiting request is superseded. ``checked`` as for ``update``.

    Raises:
        PlatformError: ``conflict`` when the version is not an earlier one, or when the install's configuration is not
            the one that was checked.
    """
    before = installs.load_install(tx, tenant_id, install_id, lock=True)
    _check_movable(before, target)
    current = versions.load_version(tx, str(before["version_id"]))
    if target["precedence"] >= current["precedence"]:
        raise PlatformError("conflict", f"{target['version']} is not earlier than {before['version']}; use update.")
    manifest = Manifest.model_validate(target["manifest"])
    checked.require(target, before["config"])
    requests.supersede(tx, tenant_id, install_id, actor)
    granted = grants.carried_over(stored(before), manifest)
    _move(tx, tenant_id, before, target, granted, actor, "install.rollback", reason)
    if hosts := _changed_hosts(granted, manifest, before["config"]):
        _ask_again(tx, tenant_id, installs.load_install(tx, tenant_id, install_id), None, hosts, actor)


def regrant(tx: Tx, tenant_id: str, install_id: str, named: dict[str, Any], actor: Actor) -> None:
    """Replace an install's grants with exactly the named ones, or raise ``grants_invalid``.

    A waiting request that asks for nothing beyond them is marked as approved, unless it holds back code.
    """
    before = installs.load_install(tx, tenant_id, install_id, lock=True)
    version = versions.load_version(tx, str(before["version_id"]))
    manifest = Manifest.model_validate(version["manifest"])
    granted = _decided(manifest, named, before["config"])
    request = requests.waiting(tx, tenant_id, install_id)
    if request is not None and not request["holds_code"]:
        with_it = _decided(manifest, _with_difference(granted, request["difference"]), before["config"])
        if with_it == granted:
            requests.decide(tx, tenant_id, request, "approved", actor)
    _move(tx, tenant_id, before, version, granted, actor, "install.grant")


def set_pinned(tx: Tx, tenant_id: str, install_id: str, pinned: bool, actor: Actor) -> None:
    """Pin an install to its version, or unpin it. When it is so already, nothing is changed or recorded."""
    before = installs.load_install(tx, tenant_id, install_id, lock=True)
    if before["pinned"] != pinned:
        tx.execute(_PIN, tenant_id=tenant_id, install_id=install_id, pinned=pinned)
        action = "install.pin" if pinned else "install.unpin"
        audit.record(tx, tenant_id, actor, action, install_id, {"pinned": before["pinned"]}, {"pinned": pinned})


def approve(
    tx: Tx, tenant_id: str, install_id: str, named: dict[str, Any] | None, checked: CheckedConfig, actor: Actor
) -> None:
    """Approve the waiting request.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: the install.
        named: the whole grant set from now on; None means the current grants plus all that the request asks for.
        checked: the install's configuration, checked against the requested version.
        actor: who decides.

    Raises:
        PlatformError: ``request_not_found``; ``version_not_ready`` when the version was withdrawn in the meantime;
            ``install_pinned`` when the request holds back code and the install is pinned; ``grants_invalid``;
            ``conflict`` when another request waits, or the install has another configuration, than was checked.
    """
    before = installs.load_install(tx, tenant_id, install_id, lock=True)
    request = requests.load_waiting(tx, tenant_id, install_id)
    target = versions.load_version(tx, str(request["to_version_id"]))
    if target["state"] not in ("ready", "yanked"):
        raise PlatformError(
            "version_not_ready",
            f"Version {target['version']} is now {target['state']}; only a ready or yanked version can run.",
        )
    if before["pinned"] and request["holds_code"]:
        raise PlatformError(
            "install_pinned", f"The install is pinned to {before['version']}; unpin it, then approve the request."
        )
    manifest = Manifest.model_validate(target["manifest"])
    checked.require(target, before["config"])
    held = grants.carried_over(stored(before), manifest)
    wanted = named if named is not None else _with_difference(held, request["difference"])
    granted = _decided(manifest, wanted, before["config"])
    requests.decide(tx, tenant_id, request, "approved", actor)
    _move(tx, tenant_id, before, target, granted, actor, "install.approve")


def decline(tx: Tx, tenant_id: str, install_id: str, actor: Actor) -> None:
    """Decline the waiting request. The grants stay as they are, and so does the code if the request held it back."""
    installs.load_install(tx, tenant_id, install_id, lock=True)
    request = requests.load_waiting(tx, tenant_id, install_id)
    requests.decide(tx, tenant_id, request, "declined", actor)
    installs.touch(tx, tenant_id, install_id)
    asked = requests.shown_in_audit(request)
    audit.record(tx, tenant_id, actor, "install.decline", install_id, asked, {"declined": asked["to"]})


def _ask_again(
    tx: Tx, tenant_id: str, install: Row, waiting: Row | None, difference: dict[str, Any], actor: Actor
) -> None:
    """Insert a request after the one that waited, if any, was superseded. An empty difference needs no request."""
    versions_of = waiting or {"from_version_id": install["version_id"], "to_version_id": install["version_id"]}
    if difference:
        holds_code = waiting is not None and waiting["holds_code"]
        from_id, to_id = str(versions_of["from_version_id"]), str(versions_of["to_version_id"])
        requests.ask(tx, tenant_id, str(install["install_id"]), from_id, to_id, difference, holds_code, actor)
    before = None if waiting is None else requests.shown_in_audit(waiting)
    audit.record(tx, tenant_id, actor, "install.request", str(install["install_id"]), before, {"asks_for": difference})
    if difference:
        _tell_of_request(tx, tenant_id, str(install["install_id"]))


def _decided(manifest: Manifest, named: dict[str, Any], config: dict[str, Any]) -> GrantSet:
    """Return the grant set that an admin named, with configured hosts pinned as they are now."""
    return grants.with_hosts(grants.decide(manifest, named), with_defaults(manifest.config, config))


def _changed_hosts(granted: GrantSet, manifest: Manifest, config: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a request's difference about configured hosts; empty when the granted ones are configured."""
    changed = grants.changed_hosts(granted, with_defaults(manifest.config, config))
    return {_HOSTS: changed} if changed else {}


def _check_movable(before: Row, target: Row) -> None:
    if target["extension_id"] != before["extension_id"]:
        raise PlatformError("version_not_found", "That version belongs to another extension.")
    if target["version_id"] == before["version_id"]:
        raise PlatformError("conflict", f"The install already has version {before['version']}.")


def _change_of_trust(before: Row, target: Row) -> dict[str, Any]:
    """Return publisher and signing key as from and to, each only when the target's differs from the install's."""
    changes: dict[str, Any] = {}
    if target["publisher"] != before["publisher"]:
        changes["publisher"] = {"from": before["publisher"], "to": target["publisher"]}
    if target["signing_key_id"] != before["publisher_key_id"]:
        changes["publisher_key"] = {"from": before["publisher_key_id"], "to": target["signing_key_id"]}
    return changes


def _with_difference(held: GrantSet, difference: dict[str, Any]) -> dict[str, Any]:
    limits = dict(held.limits) | {name: change["to"] for name, change in difference.get("limits", {}).items()}
    return {
        "capabilities": [*held.capabilities, *difference.get("capabilities", {})],
        "egress": [*held.egress, *difference.get("egress", [])],
        "secrets": {**held.secrets_document(), **difference.get("secrets", {})},
        "secret_headers": {**dict(held.secret_headers), **difference.get("secret_headers", {})},
        "limits": limits,
    }


def _move(
    tx: Tx, tenant_id: str, before: Row, target: Row, granted: GrantSet, actor: Actor, action: str, reason: str = ""
) -> None:
    install_id = str(before["install_id"])
    tx.execute(
        _MOVE,
        tenant_id=tenant_id,
        install_id=install_id,
        version_id=target["version_id"],
        content_hash=target["content_hash"],
        publisher=target["publisher"],
        key_id=target["signing_key_id"],
        capabilities=list(granted.capabilities),
        egress=list(granted.egress),
        secrets=json.dumps(granted.secrets_document()),
        secret_headers=json.dumps(dict(granted.secret_headers)),
        limits=json.dumps(dict(granted.limits)),
        grant_hash=granted.hash,
    )
    manifest = Manifest.model_validate(target["manifest"])
    installs.follow_manifest(tx, tenant_id, install_id, manifest)
    schedules.disable_without_endpoint(tx, tenant_id, install_id, manifest, actor)
    if granted.egress != stored(before).egress:
        egress_trials.end(tx, tenant_id, install_id, actor)  # its report compared with the grants before
    now = installs.load_install(tx, tenant_id, install_id)
    after = installs.shown_in_audit(now) | ({"reason": reason} if reason else {})
    audit.record(tx, tenant_id, actor, action, install_id, installs.shown_in_audit(before), after)
    change = action.removeprefix("install.")
    told = {**of_install(now), "previous_version": before["version"], "change": change}
    lifecycle.tell(tx, tenant_id, INSTALL_UPDATED, told)


def _tell_of_request(tx: Tx, tenant_id: str, install_id: str) -> None:
    """Tell the tenant that a request waits for its admin."""
    install = installs.load_install(tx, tenant_id, install_id)
    request = requests.load_waiting(tx, tenant_id, install_id)
    told = {
        **of_install(install),
        "from_version": request["from_version"],
        "to_version": request["to_version"],
        "holds_code": request["holds_code"],
        "asks_for": sorted(request["difference"]),
    }
    lifecycle.tell(tx, tenant_id, UPDATE_WAITING, told)
