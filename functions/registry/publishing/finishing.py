"""Finish a publication, once its component is prepared.

Writes the UI files and their index, then the signed release record, and moves the version to ``ready`` or
``rejected``. Every step is idempotent, so a message delivered twice, or a crash between two steps, does no harm.
"""

import hashlib
from datetime import datetime
from typing import Any

from alga_ext.bundles.archive import read_entries, read_index
from alga_ext.bundles.manifest import Manifest
from alga_ext.calls import capabilities
from alga_ext.calls.messages import Message, PreparedMessage, Reason
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.database import Database, Row, Tx
from alga_ext.stores.objects import ObjectStore
from alga_ext.stores.work_folders import job_folder
from alga_ext.telemetry import logger
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import Signer, sign_envelope
from alga_ext.trust.statements import ReleaseRecord, statement
from functions.registry.job_services import AssetsServices
from functions.registry.publishing import publishers, submission, ui_index, versions, withdrawal
from functions.registry.publishing.bundle_contents import ui_paths
from functions.registry.publishing.verification import verify_publication


def finish_prepared(message: Message, services: AssetsServices) -> str:
    """Finish the publication that a message of the queue ``prepared`` is about; return the version's state.

    Raises:
        PlatformError: ``invalid_request`` for another kind of message; otherwise as ``finish``.
    """
    if not isinstance(message, PreparedMessage):
        raise PlatformError("invalid_request", "The queue 'prepared' carries prepared messages only.")
    return finish(
        message,
        database=services.database,
        objects=services.objects,
        signer=services.release_signer,
        trust=services.trust.current(),
        now=services.now(),
    )


def finish(
    message: PreparedMessage,
    *,
    database: Database,
    objects: ObjectStore,
    signer: Signer,
    trust: TrustBundle,
    now: datetime,
) -> str:
    """Finish one version and return the state it has afterwards.

    1. Reasons against the component, declared capabilities it does not import, and a publisher's key that was revoked
       meanwhile from before the publication on reject the version.
    2. UI files with their variants, then the index, are written.
    3. The release record is signed and written; from here on the runner and the UI host believe the bundle.
    4. One transaction records index and artifact and makes the version ready. It asks again for the key: either a
       revocation sees the version as ready and withdraws it, or this sees the key as revoked.

    A version that ends as rejected gets a withdrawal marker first: another delivery of the message, cut off or still
    running, may have written its release record already.
    """
    with database.system() as tx:
        version = versions.load_version(tx, message.version_id)
        versions.note_prepared(tx, message.version_id, now)
        if version["state"] != "pending":  # made again for a new engine, or delivered twice
            if version["state"] == "rejected":
                withdrawal.mark_withdrawn(version, objects, signer, now)
            _record_artifact(tx, message)
            return str(version["state"])
        distrust = _distrust(tx, version, objects, trust)
    manifest = Manifest.model_validate(version["manifest"])
    reasons, undeclared = _judge(message, manifest)  # (1)
    reasons.extend(distrust)
    index_sha256: str | None = None
    if not reasons:
        index_sha256 = write_ui(version, manifest, objects)  # (2)
        _write_release(version, index_sha256, objects, signer)  # (3)
    with database.system() as tx:  # (4)
        publishers.hold_key(tx, version["signing_key_id"])
        if not reasons and (distrust := _distrust(tx, version, objects, trust)):
            reasons.extend(distrust)
        if index_sha256 is not None:
            versions.record_ui_index(tx, version["content_hash"], index_sha256)
        _record_artifact(tx, message)
        versions.settle(tx, message.version_id, reasons=reasons, imports=message.imports, undeclared=undeclared)
        state = str(versions.load_version(tx, message.version_id)["state"])
        if state == "rejected":
            withdrawal.mark_withdrawn(version, objects, signer, now)
    details = {"version_id": message.version_id, "state": state, "at": now.isoformat()}
    logger("registry-assets").info("version settled", extra=details)
    return state


def write_ui(version: Row, manifest: Manifest, objects: ObjectStore) -> str | None:
    """Write the UI files of a bundle and their index; return the index's sha256, or None without a UI.

    Raises:
        PlatformError: ``bundle_hash_mismatch`` when the stored archive is not the one that was published: the release
            record will vouch for the index, so nothing may be made of other bytes.
    """
    if manifest.ui is None:
        return None
    folder = sha256_hex(ContentHash(version["content_hash"]))
    entries: dict[str, Any] = {}
    # A file at a time: the archive may have 200 MiB, and what it unfolds to is more.
    with job_folder("assets") as work:
        path = work / "bundle.tar.zst"
        if objects.download(object_keys.archive(folder), path).sha256 != folder:
            raise PlatformError("bundle_hash_mismatch", "The stored archive is not the one that was published.")
        with path.open("rb") as archive:
            published = frozenset(ui_paths(tuple(read_index(archive)), manifest))
            archive.seek(0)
            for entry in read_entries(archive, keep=published.__contains__):
                file = ui_index.make_file(entry.path, entry.data, published)
                for variant in file.variants:
                    key = object_keys.ui_file(folder, file.path, variant.suffix)
                    objects.put_new(key, variant.data, "application/octet-stream")
                entries[file.path] = ui_index.index_entry(file)
    document = ui_index.index_document(manifest.ui.entry, entries)
    objects.put_new(object_keys.ui_index(folder), document, "application/json")
    return hashlib.sha256(document).hexdigest()


def _record_artifact(tx: Tx, message: PreparedMessage) -> None:
    if message.artifact is not None and message.component_sha256 is not None:
        versions.record_artifact(tx, message.component_sha256, message.artifact)


def _write_release(version: Row, ui_index_sha256: str | None, objects: ObjectStore, signer: Signer) -> None:
    folder = sha256_hex(ContentHash(version["content_hash"]))
    record = ReleaseRecord(
        publisher=version["publisher"],
        name=version["name"],
        version=version["version"],
        key_id=version["signing_key_id"],
        published_at=version["published_at"].isoformat(),
        component_sha256=version["component_sha256"],
        ui_index_sha256=ui_index_sha256,
    )
    envelope = sign_envelope(signer, statement(record, "bundle.tar.zst", folder))
    submission.store_envelope(object_keys.release(folder), envelope, objects)


def _distrust(tx: Tx, version: Row, objects: ObjectStore, trust: TrustBundle) -> list[Reason]:
    """Return why the publisher's key is not believed (any more) for this version; other faults are raised."""
    try:
        verify_publication(tx, version, objects, trust)
    except PlatformError as error:
        if not error.code.startswith("key_"):
            raise
        return [Reason(code=error.code, detail=error.detail)]
    return []


def _judge(message: PreparedMessage, manifest: Manifest) -> tuple[list[Reason], list[str]]:
    """Return the reasons to reject, and the capabilities that are imported but not declared."""
    reasons = list(message.reasons)
    if not message.ok and not reasons:
        reasons.append(Reason(code="component_invalid", detail="The component could not be prepared."))
    if manifest.runtime is None:
        return reasons, []
    declared = {capability.name for capability in manifest.capabilities}
    imported = capabilities.imported(name.partition("@")[0] for name in message.imports)
    used = set(imported)
    if "cap:http.fetch" in imported and any(secret.hosts for secret in manifest.secrets):
        used.add("cap:secrets.get")  # a bound secret is put into requests by the platform; the guest imports nothing
    missing = sorted(declared - used - capabilities.ALWAYS_GRANTED)
    if message.ok and missing:
        reasons.append(
            Reason(
                code="capability_not_imported",
                detail=f"The manifest declares {', '.join(missing)}, but the component does not import the interface; "
                "remove the capability or use it.",
            )
        )
    return reasons, sorted(imported - declared - capabilities.ALWAYS_GRANTED)
