"""Installs: which extensions a tenant has, and with which code, permissions and configuration."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.envelope import CONFIG_LIMIT_BYTES
from alga_ext.calls.install_config import as_texts, with_defaults
from alga_ext.calls.topics import INSTALL_CONFIG_CHANGED, INSTALL_CREATED, INSTALL_REMOVED
from alga_ext.errors import PlatformError
from alga_ext.ids import is_uuid
from alga_ext.stores import delivery_slots
from alga_ext.stores.database import Row, Tx
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.events import lifecycle
from functions.registry.events.lifecycle import of_install
from functions.registry.installing import disabling, egress_trials, grants, install_requests
from functions.registry.installing.grant_set import stored
from functions.registry.records import audit
from functions.registry.records.audit import Actor
from functions.registry.scheduling import schedules

# A disabling is a row of its own, but it is shown as a change of the install: in state, revision and changed_at.
_COLUMNS: Final = """
  i.install_id, i.extension_id, e.name, i.publisher, i.version_id, v.version, v.state as version_state,
  case when d.disabled_at is null then i.state else 'disabled' end as state,
  i.content_hash, i.publisher_key_id, i.granted_capabilities, i.granted_egress, i.granted_secrets,
  i.granted_secret_headers, i.granted_limits, i.grant_hash, i.config, i.pinned, i.deliveries_paused_at,
  i.revision + case when d.disabled_at is null then 0 else 1 end as revision, i.installed_at, i.installed_by,
  greatest(i.changed_at, d.disabled_at) as changed_at,
  v.manifest #>> '{ui,entry}' as ui_entry
from app.tenant_extension_install i
join app.extension_registry e on e.extension_id = i.extension_id
join app.extension_version v on v.version_id = i.version_id
cross join lateral (
  select max(s.disabled_at) as disabled_at from app.extension_install_disabling s
  where s.tenant_id = i.tenant_id and s.install_id = i.install_id) d
"""
_SELECT: Final = (
    f"select {_COLUMNS} where i.tenant_id = :tenant_id and i.install_id = :install_id and i.state <> 'uninstalled'"
)
_LOCK: Final = """
select from app.tenant_extension_install where tenant_id = :tenant_id and install_id = :install_id for no key update
"""
_LIST: Final = f"""
select {_COLUMNS} where i.tenant_id = :tenant_id and i.state <> 'uninstalled' and i.install_id > cast(:after as uuid)
order by i.install_id limit :page_size
"""
_INSERT: Final = """
insert into app.tenant_extension_install
  (tenant_id, extension_id, version_id, content_hash, publisher, publisher_key_id, granted_capabilities, granted_egress,
   granted_secrets, granted_secret_headers, granted_limits, grant_hash, config, installed_by, log_size_at_install)
values
  (:tenant_id, :extension_id, :version_id, :content_hash, :publisher, :key_id, :capabilities, :egress,
   cast(:secrets as jsonb), cast(:secret_headers as jsonb), cast(:limits as jsonb), :grant_hash, cast(:config as jsonb),
   :actor,
   (select tree_size from app.transparency_size))
returning install_id
"""
_REVIVABLE: Final = """
select install_id from app.tenant_extension_install
where tenant_id = :tenant_id and extension_id = :extension_id and state = 'uninstalled' and purged_at is null
  and uninstalled_at > :since and purged_rows = '{}'
order by uninstalled_at desc limit 1 for no key update
"""
_REVIVE: Final = """
update app.tenant_extension_install
set state = 'enabled', uninstalled_at = null, version_id = :version_id, content_hash = :content_hash,
    publisher = :publisher, publisher_key_id = :key_id, granted_capabilities = :capabilities,
    granted_egress = :egress, granted_secrets = cast(:secrets as jsonb),
    granted_secret_headers = cast(:secret_headers as jsonb), granted_limits = cast(:limits as jsonb),
    grant_hash = :grant_hash, config = cast(:config as jsonb), pinned = false, deliveries_paused_at = null,
    revision = revision + 1,
    installed_at = now(), installed_by = :actor, changed_at = now(),
    log_size_at_install = (select tree_size from app.transparency_size)
where tenant_id = :tenant_id and install_id = :install_id
"""
_LOCK_TENANT_EXTENSION: Final = "select pg_advisory_xact_lock(hashtextextended(:tenant_id || '/' || :extension_id, 7))"
_IS_ACTIVE: Final = """
select install_id from app.tenant_extension_install
where tenant_id = :tenant_id and extension_id = :extension_id and state <> 'uninstalled'
"""
_UNINSTALL: Final = """
update app.tenant_extension_install
set state = 'uninstalled', revision = revision + 1, changed_at = now(), uninstalled_at = now()
where tenant_id = :tenant_id and install_id = :install_id
"""
# A disabled install is shown with a revision that is one higher than the stored one.
_ENABLE: Final = """
update app.tenant_extension_install set state = 'enabled', revision = revision + 2, changed_at = now()
where tenant_id = :tenant_id and install_id = :install_id
"""
_TOUCH: Final = """
update app.tenant_extension_install set revision = revision + 1, changed_at = now()
where tenant_id = :tenant_id and install_id = :install_id
"""
_SET_CONFIG: Final = """
update app.tenant_extension_install set config = cast(:config as jsonb), revision = revision + 1, changed_at = now()
where tenant_id = :tenant_id and install_id = :install_id
"""
_INSERT_SUBSCRIPTION: Final = """
insert into app.extension_event_subscription (tenant_id, install_id, topic, handler, filter, timeout_ms)
values (:tenant_id, :install_id, :topic, :handler, cast(:filter as jsonb), :timeout_ms) on conflict do nothing
"""
_LOOK_AT_SECRETS: Final = """
update app.extension_install_secret set look_at = now() where tenant_id = :tenant_id and install_id = :install_id
"""
_DELETE_SUBSCRIPTIONS: Final = """
delete from app.extension_event_subscription where tenant_id = :tenant_id and install_id = :install_id
"""


class CheckedConfig(NamedTuple):
    """A configuration that was checked against the schema of a version, before any row was locked."""

    version_id: str
    config: dict[str, Any]

    def require(self, version: Row, config: dict[str, Any]) -> None:
        """Raise ``conflict`` unless this is about a version and a configuration as they are now, under the lock."""
        if self.version_id != str(version["version_id"]) or self.config != config:
            raise PlatformError(
                "conflict", "The install was changed while this request was checked; read it, then try again."
            )


def load_install(tx: Tx, tenant_id: str, install_id: str, *, lock: bool = False) -> Row:
    """Return an install of the tenant, or raise ``install_not_found`` when it does not exist or is uninstalled.

    ``lock`` locks its row until the transaction ends. It is read after that, by a statement that sees what the lock's
    previous holder committed. Only disabling needs no lock, so a disabling may still come in between.
    """
    row = None
    if is_uuid(install_id):
        if lock:
            tx.execute(_LOCK, tenant_id=tenant_id, install_id=install_id)
        row = tx.row(_SELECT, tenant_id=tenant_id, install_id=install_id)
    if row is None:
        raise PlatformError("install_not_found", f"There is no install {install_id} in this tenant.")
    return row


def list_installs(tx: Tx, tenant_id: str, after: str, page_size: int) -> list[Row]:
    """Return the tenant's installs after the id ``after``, ordered by id."""
    return tx.rows(_LIST, tenant_id=tenant_id, after=after, page_size=page_size)


def install(
    tx: Tx,
    tenant_id: str,
    version: Row,
    named_grants: Mapping[str, Any],
    checked: CheckedConfig,
    actor: Actor,
    revivable_since: datetime,
) -> str:
    """Install a ready version with exactly the named grants and a checked configuration; return the install's id.

    When the same extension was uninstalled after ``revivable_since`` and none of its data is purged, that install comes
    back with its id and its stored data. Its grants and configuration are the ones given now.

    Raises:
        PlatformError: ``grants_invalid``, ``already_installed``.
    """
    config = checked.config
    checked.require(version, config)
    manifest = Manifest.model_validate(version["manifest"])
    granted = grants.with_hosts(grants.decide(manifest, named_grants), with_defaults(manifest.config, config))
    extension_id = str(version["extension_id"])
    tx.execute(_LOCK_TENANT_EXTENSION, tenant_id=tenant_id, extension_id=extension_id)
    if tx.row(_IS_ACTIVE, tenant_id=tenant_id, extension_id=extension_id) is not None:
        raise PlatformError("already_installed", f"{version['name']} is already installed; update or uninstall it.")
    fields = {
        "tenant_id": tenant_id,
        "version_id": version["version_id"],
        "content_hash": version["content_hash"],
        "publisher": version["publisher"],
        "key_id": version["signing_key_id"],
        "capabilities": list(granted.capabilities),
        "egress": list(granted.egress),
        "secrets": json.dumps(granted.secrets_document()),
        "secret_headers": json.dumps(dict(granted.secret_headers)),
        "limits": json.dumps(dict(granted.limits)),
        "grant_hash": granted.hash,
        "config": json.dumps(config),
        "actor": actor.subject,
    }
    revived = tx.row(_REVIVABLE, tenant_id=tenant_id, extension_id=extension_id, since=revivable_since)
    if revived is not None:
        install_id = str(revived["install_id"])
        tx.execute(_REVIVE, install_id=install_id, **fields)
        disabling.end(tx, tenant_id, install_id)
    else:
        install_id = str(tx.one(_INSERT, extension_id=extension_id, **fields)["install_id"])
    follow_manifest(tx, tenant_id, install_id, manifest)
    if revived is not None:
        schedules.disable_without_endpoint(tx, tenant_id, install_id, manifest, actor)
        schedules.resume(tx, tenant_id, install_id)
        delivery_slots.give_soon(tx, tenant_id)  # a pause, if there was one, has ended
    made = load_install(tx, tenant_id, install_id)
    after = {**shown_in_audit(made), "config": config, "revived": revived is not None}
    before = {"state": "uninstalled"} if revived is not None else None
    audit.record(tx, tenant_id, actor, "install.create", install_id, before, after)
    lifecycle.tell(tx, tenant_id, INSTALL_CREATED, {**of_install(made), "revived": revived is not None})
    return install_id


def follow_manifest(tx: Tx, tenant_id: str, install_id: str, manifest: Manifest) -> None:
    """Replace an install's event subscriptions with those of a manifest, and have the sweeper look at its secrets.

    The manifest also says how old a secret may get.
    """
    tx.execute(_LOOK_AT_SECRETS, tenant_id=tenant_id, install_id=install_id)
    tx.execute(_DELETE_SUBSCRIPTIONS, tenant_id=tenant_id, install_id=install_id)
    for subscription in manifest.events:
        tx.execute(
            _INSERT_SUBSCRIPTION,
            tenant_id=tenant_id,
            install_id=install_id,
            topic=subscription.topic,
            handler=subscription.handler,
            filter=None if subscription.filter is None else subscription.filter.model_dump_json(),
            timeout_ms=subscription.timeout_ms,
        )


def touch(tx: Tx, tenant_id: str, install_id: str) -> None:
    """Increase an install's revision after a change of its secrets or its waiting request.

    These belong to the state that ``If-Match`` protects.
    """
    tx.execute(_TOUCH, tenant_id=tenant_id, install_id=install_id)


def shown_in_audit(install: Row) -> dict[str, Any]:
    """Return an install's code and permissions as the audit trail records them, with the whole canonical grant set."""
    granted = stored(install)
    return {
        "state": install["state"],
        "version": install["version"],
        "content_hash": install["content_hash"],
        "publisher": install["publisher"],
        "publisher_key_id": install["publisher_key_id"],
        "grants": {**granted.document(), "hash": granted.hash},
    }


def disable(tx: Tx, tenant_id: str, install_id: str, actor: Actor) -> None:
    """Disable an install, waiting for no lock. When it is disabled already, nothing is changed or recorded."""
    before = load_install(tx, tenant_id, install_id)
    if disabling.begin(tx, tenant_id, install_id):
        audit.record(
            tx, tenant_id, actor, "install.disabled", install_id, {"state": before["state"]}, {"state": "disabled"}
        )


def enable(tx: Tx, tenant_id: str, install_id: str, actor: Actor) -> None:
    """Enable an install. When it is enabled already, nothing is changed or recorded.

    Its schedules run at their next times; what was due while it was disabled does not run. A disabling that arrives
    meanwhile stays in force, whichever of the two commits first.
    """
    before = load_install(tx, tenant_id, install_id, lock=True)
    if before["state"] == "disabled":
        disabling.end(tx, tenant_id, install_id)
        tx.execute(_ENABLE, tenant_id=tenant_id, install_id=install_id)
        schedules.resume(tx, tenant_id, install_id)
        audit.record(tx, tenant_id, actor, "install.enabled", install_id, {"state": "disabled"}, {"state": "enabled"})


def uninstall(tx: Tx, tenant_id: str, install_id: str, actor: Actor) -> None:
    """Uninstall: new calls are refused, and the storage is kept for the grace time.

    A trial of egress hosts ends, and a waiting request is superseded. If it were approved after a reinstall, it would
    move the code to the version that it was made for.
    """
    before = load_install(tx, tenant_id, install_id, lock=True)
    install_requests.supersede(tx, tenant_id, install_id, actor)
    egress_trials.end(tx, tenant_id, install_id, actor)
    tx.execute(_UNINSTALL, tenant_id=tenant_id, install_id=install_id)
    tx.execute(_DELETE_SUBSCRIPTIONS, tenant_id=tenant_id, install_id=install_id)
    after = {"state": "uninstalled"}
    audit.record(tx, tenant_id, actor, "install.delete", install_id, shown_in_audit(before), after)
    lifecycle.tell(tx, tenant_id, INSTALL_REMOVED, of_install(before))


def set_config(tx: Tx, tenant_id: str, install_id: str, checked: CheckedConfig, actor: Actor) -> None:
    """Replace an install's configuration.

    Raises:
        PlatformError: ``conflict`` when the install has another version than the one it was checked for.
    """
    before = load_install(tx, tenant_id, install_id, lock=True)
    checked.require(before, checked.config)
    tx.execute(_SET_CONFIG, tenant_id=tenant_id, install_id=install_id, config=json.dumps(checked.config))
    audit.record(tx, tenant_id, actor, "install.config", install_id, before["config"], checked.config)
    lifecycle.tell(tx, tenant_id, INSTALL_CONFIG_CHANGED, of_install(before))


def check_config(version: Row, config: dict[str, Any], evaluator: Evaluator) -> CheckedConfig:
    """Check a configuration, with defaults for what is not set, against a version's JSON Schema and the size limit.

    Call it outside of transactions.

    Raises:
        PlatformError: ``config_invalid``; its detail names one wrong member.
    """
    checked = CheckedConfig(str(version["version_id"]), config)
    schema = Manifest.model_validate(version["manifest"]).config
    read = with_defaults(schema, config)
    size = len(msgspec.json.encode(as_texts(read)))  # measured as the runner measures it
    if size > CONFIG_LIMIT_BYTES:
        raise PlatformError(
            "config_invalid",
            f"The configuration is {size} bytes as the extension reads it, with the schema's defaults; at most "
            f"{CONFIG_LIMIT_BYTES} are allowed.",
        )
    if schema is None:
        if config:
            raise PlatformError("config_invalid", "The extension takes no configuration; leave config empty.")
        return checked
    fault = evaluator.first_fault(schema, read)
    if fault is not None:
        raise PlatformError("config_invalid", f"The configuration is not valid {fault[:400]}.")
    return checked
