"""Finish a publication after its component was prepared.

Writes the UI files and their index, then the signed release record, and moves the version to ``ready`` or
``rejected``. Every step is idempotent, so a repeated message or a crash between two steps does no harm.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import Any

import msgspec

from alga_ext.bundles.archive import read_entries, read_index
from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.messages import Message, PreparedMessage, Reason
from alga_ext.errors import Fault, PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.database import Database, Row, Tx
from alga_ext.stores.objects import ObjectStore
from alga_ext.stores.work_folders import job_folder
from alga_ext.telemetry import logger
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.releases import accepted_release
from alga_ext.trust.signing import Signer, parse_envelope, sign_envelope, with_signature
from alga_ext.trust.statements import ReleaseRecord, statement
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.job_services import AssetsServices
from functions.registry.publishing import publishers, submission, ui_index, versions, withdrawn_list
from functions.registry.publishing.bundle_contents import ui_paths
from functions.registry.publishing.declared_capabilities import compare_capabilities
from functions.registry.publishing.publishers import PublisherKeys
from functions.registry.publishing.ui_compression import BundleCompression, Compressor
from functions.registry.publishing.verification import publisher_envelope, verify_publication


def finish_prepared(message: Message, services: AssetsServices) -> str:
    """Finish the publication that a message of the queue ``prepared`` names, and return the version's state.

    When the version is rejected, the list of withdrawn versions is renewed: another delivery of the same message,
    interrupted or still running, may have written the version's release record. A failure has the message delivered
    again.

    Raises:
        PlatformError: ``invalid_request`` for another kind of message; otherwise as ``finish``, ``renew_release`` and
            ``withdrawn_list.renew``.
    """
    if not isinstance(message, PreparedMessage):
        raise PlatformError("invalid_request", "The queue 'prepared' carries prepared messages only.")
    state = finish(
        message,
        database=services.database,
        objects=services.objects,
        signer=services.release_signer,
        evaluator=services.evaluator,
        trust=services.trust.current(),
        now=services.now(),
    )
    if state == "rejected":
        withdrawn_list.renew(services)
    return state


def finish(
    message: PreparedMessage,
    *,
    database: Database,
    objects: ObjectStore,
    signer: Signer,
    evaluator: Evaluator,
    trust: TrustBundle,
    now: datetime,
) -> str:
    """Finish one version and return the state it has afterwards.

    A version that is not pending is already finished. If it may still run, its release record gets a signature by the
    present release key (``renew_release``).

    1. The version is rejected when the message has reasons against the component, when the component does not import a
       declared capability, when the list of withdrawn versions names the bundle (so it ended before the database was
       restored to an earlier instant), or when the publisher's key no longer verifies. The last happens when the key
       was revoked in the meantime, from an instant before the publication.
    2. UI files with their variants are written, then the index.
    3. The release record is signed and written. From here on the runner and the UI host accept the bundle.
    4. One transaction records index and artifact and makes the version ready. It locks the key and verifies it again:
       either a revocation finds the version ready and withdraws it, or this transaction finds the key revoked.
    """
    with database.system() as tx:
        version = versions.load_version(tx, message.version_id)
        versions.note_prepared(tx, message.version_id, now)
        is_pending = version["state"] == "pending"
        if is_pending:
            keys = publishers.trusted_keys(tx, version["publisher"])
        else:  # prepared again for a new engine or with a new key, or delivered twice
            _record_artifact(tx, message)
    if not is_pending:
        if version["state"] in ("ready", "yanked"):
            renew_release(version["content_hash"], objects, signer, trust, now)
        return str(version["state"])
    envelope = publisher_envelope(version, objects)
    key_reasons = _reasons_against_key(version, keys, envelope, trust)
    manifest = Manifest.model_validate(version["manifest"])
    reasons, undeclared = compare_capabilities(message, manifest)  # (1)
    reasons.extend(key_reasons)
    reasons.extend(_reasons_on_list(version, objects, trust, now))
    index_sha256: str | None = None
    if not reasons:
        index_sha256 = write_ui(version, manifest, objects, evaluator.compress)  # (2)
        _write_release(version, index_sha256, objects, signer, trust, now)  # (3)
    with database.system() as tx:  # (4)
        publishers.hold_key(tx, version["signing_key_id"])
        if not reasons:
            keys = publishers.trusted_keys(tx, version["publisher"])
            reasons.extend(_reasons_against_key(version, keys, envelope, trust))
        if index_sha256 is not None:
            versions.record_ui_index(tx, version["content_hash"], index_sha256)
        _record_artifact(tx, message)
        versions.settle(tx, message.version_id, reasons=reasons, imports=message.imports, undeclared=undeclared)
        state = str(versions.load_version(tx, message.version_id)["state"])
    details = {"version_id": message.version_id, "state": state, "at": now.isoformat()}
    logger("registry-assets").info("version settled", extra=details)
    return state


def write_ui(version: Row, manifest: Manifest, objects: ObjectStore, compress: Compressor) -> str | None:
    """Write the UI files of a bundle and their index. Return the hex SHA-256 of the index, or None without a UI.

    Raises:
        PlatformError: ``bundle_hash_mismatch`` when the stored archive is not the one that was published. The release
            record will hold the hash of the index, so the index must not be made from other bytes.
    """
    if manifest.ui is None:
        return None
    folder = sha256_hex(ContentHash(version["content_hash"]))
    entries: dict[str, Any] = {}
    compression = BundleCompression(compress, monotonic)
    # One file at a time: the archive may have 200 MiB, and its uncompressed files have more.
    with job_folder("assets") as work:
        path = work / "bundle.tar.zst"
        if objects.download(object_keys.archive(folder), path).sha256 != folder:
            raise PlatformError("bundle_hash_mismatch", "The stored archive is not the one that was published.")
        with path.open("rb") as archive:
            published = frozenset(ui_paths(tuple(read_index(archive)), manifest))
            archive.seek(0)
            for entry in read_entries(archive, keep=published.__contains__):
                file = ui_index.make_file(entry.path, entry.data, compression.variants, published)
                for variant in file.variants:
                    key = object_keys.ui_file(folder, file.path, variant.suffix)
                    objects.put_new(key, variant.data, "application/octet-stream")
                entries[file.path] = ui_index.index_entry(file)
    return _store_index(manifest.ui.entry, entries, str(version["extension_id"]), folder, objects)


def _store_index(
    entry: str, files: Mapping[str, dict[str, Any]], extension_id: str, folder: str, objects: ObjectStore
) -> str:
    """Store the index of a bundle's UI and return its hex SHA-256."""
    key = object_keys.ui_index(folder)
    document = ui_index.index_document(entry, files, extension_id)
    try:
        objects.put_new(key, document, "application/json")
    except PlatformError as error:
        if error.code != "object_conflict":
            raise
        # An attempt that was interrupted before indexes named their extension has left an index without it.
        document = ui_index.index_document(entry, files, None)
        objects.put_new(key, document, "application/json")
    return hashlib.sha256(document).hexdigest()


def _record_artifact(tx: Tx, message: PreparedMessage) -> None:
    if message.artifact is not None and message.component_sha256 is not None:
        versions.record_artifact(tx, message.component_sha256, message.artifact)


def _write_release(
    version: Row,
    ui_index_sha256: str | None,
    objects: ObjectStore,
    signer: Signer,
    trust: TrustBundle,
    now: datetime,
) -> None:
    """Sign and write the release record, unless a record of an earlier publication of the same bundle is stored.

    There is one when the database was restored to an instant before that publication. It stays, as what was written.
    """
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
    try:
        submission.store_envelope(object_keys.release(folder), envelope, objects)
    except PlatformError as error:
        if error.code != "object_conflict":
            raise
        if not _is_earlier(accepted_release(objects.get(object_keys.release(folder)), folder, trust, now), record):
            raise


def _is_earlier(stored: ReleaseRecord, record: ReleaseRecord) -> bool:
    """Tell whether two records state the same, but for an earlier time of publication in the stored one."""
    earlier = datetime.fromisoformat(stored.published_at) < datetime.fromisoformat(record.published_at)
    return earlier and msgspec.structs.replace(stored, published_at=record.published_at) == record


def _reasons_on_list(version: Row, objects: ObjectStore, trust: TrustBundle, now: datetime) -> list[Reason]:
    """Return a reason when the list of withdrawn versions names the bundle of a version that is still pending."""
    hashes = withdrawn_list.read_hashes(objects.get_tagged(object_keys.withdrawn_list()), trust, now)
    if sha256_hex(ContentHash(version["content_hash"])) not in (hashes or ()):
        return []
    detail = "This bundle was withdrawn or rejected before. Publish a changed bundle with a higher version."
    return [Reason(code="version.withdrawn", detail=detail)]


def renew_release(content_hash: str, objects: ObjectStore, signer: Signer, trust: TrustBundle, now: datetime) -> bool:
    """Add a signature by the present release key to a bundle's release record; return False if it has one.

    So the record still verifies when an earlier release key ends. Its payload and its other signatures stay.

    Raises:
        PlatformError: ``release_integrity`` when the record is missing or does not verify now. Such a record gets no
            signature, because the object store could contain any other one.
    """
    folder = sha256_hex(ContentHash(content_hash))
    stored = objects.get_tagged(object_keys.release(folder))
    if stored is None:
        raise PlatformError(
            "release_integrity", "The version's release record is missing from the store.", fault=Fault.RELEASE_RECORD
        )
    accepted_release(stored.data, folder, trust, now)
    envelope = parse_envelope(stored.data)
    if any(key_id == signer.key_id for key_id, _ in envelope.signatures):
        return False
    try:
        objects.replace(object_keys.release(folder), with_signature(envelope, signer), "application/json", stored.tag)
    except PlatformError as error:
        if error.code != "object_conflict":  # otherwise another delivery of the message was first
            raise
    return True


def _reasons_against_key(version: Row, keys: PublisherKeys, envelope: bytes | None, trust: TrustBundle) -> list[Reason]:
    """Return why the publisher's key is not trusted, or no longer trusted, for this version. Raise other errors."""
    try:
        verify_publication(version, keys, envelope, trust)
    except PlatformError as error:
        if not error.code.startswith("key_"):
            raise
        return [Reason(code=error.code, detail=error.detail)]
    return []
