"""Publish a version: check the submitted bytes, store them, and record the version once and completely."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from alga_ext import strict_json
from alga_ext.bundles.archive import content_hash_of
from alga_ext.calls.messages import PrepareMessage
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.database import Database, Row, Tx
from alga_ext.stores.objects import ObjectStore
from alga_ext.strict_json import JsonError
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.signing import parse_envelope
from alga_ext.trust.statements import Release, read_statement
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.publishing import publishers, versions
from functions.registry.publishing.bundle_contents import BundleContents, read_contents
from functions.registry.records import transparency
from functions.registry.records.audit import Actor
from functions.registry.records.transparency import Entry

_INSERT_UPLOAD: Final = """
insert into app.extension_upload (publisher, content_hash, size_bytes, created_by, expires_at)
values (:publisher, :content_hash, :size_bytes, :actor, :expires_at)
returning upload_id, publisher, content_hash, size_bytes, expires_at
"""
_SELECT_UPLOAD: Final = """
select upload_id, publisher, content_hash, size_bytes, expires_at, version_id
from app.extension_upload where upload_id = :upload_id
"""
_LOCK_UPLOAD: Final = "select version_id from app.extension_upload where upload_id = :upload_id for no key update"
_TRANSFER: Final = "update app.extension_registry set publisher = :publisher where extension_id = :extension_id"
_CONSUME_UPLOAD: Final = "update app.extension_upload set version_id = :version_id where upload_id = :upload_id"
_INSERT_EXTENSION: Final = """
insert into app.extension_registry as x (name, publisher, title, created_by)
values (:name, :publisher, :title, :actor)
on conflict (name) do update set title = excluded.title where x.title = '' and x.publisher = excluded.publisher
"""
"""An extension that came back with an entry of the log, after a restore, has no title yet."""
_LOCK_PUBLICATIONS: Final = "select pg_advisory_xact_lock(hashtextextended(:publisher, 17))"
_COUNT_VERSIONS: Final = """
select count(*) as number from (
  select from app.extension_registry e join app.extension_version v on v.extension_id = e.extension_id
  where e.publisher = :publisher limit :limit) counted
"""
_INSERT_BUNDLE: Final = """
insert into app.extension_bundle (content_hash, size_bytes, component_sha256, signing_key_id)
values (:content_hash, :size_bytes, :component_sha256, :key_id) on conflict (content_hash) do nothing
"""
_INSERT_VERSION: Final = """
insert into app.extension_version (extension_id, version, content_hash, manifest, declared_capabilities, published_by)
values (:extension_id, :version, :content_hash, cast(:manifest as jsonb), :capabilities, :actor)
on conflict do nothing
returning version_id
"""


class Submission(NamedTuple):
    """Bytes to publish: the archive in a file, what was declared about it, and the publisher's DSSE envelope."""

    archive: Path
    declared_hash: ContentHash
    declared_size_bytes: int
    signature: bytes
    declared_manifest: dict[str, Any] | None
    publisher: str | None
    """The publisher that the upload was started for. None for a bundle that was sent in one request."""


class Accepted(NamedTuple):
    """A submission that passed every check and is not recorded yet."""

    contents: BundleContents
    content_hash: ContentHash
    size_bytes: int
    key_id: str
    component_sha256: str | None
    signature: bytes


def start_upload(
    tx: Tx, publisher: str, content_hash: ContentHash, size_bytes: int, actor: str, now: datetime, expires_in_s: int
) -> Row:
    """Record that bytes with this hash and size will be uploaded for ``publisher``."""
    publishers.load_publisher(tx, publisher)
    expires_at = now + timedelta(seconds=expires_in_s)
    return tx.one(
        _INSERT_UPLOAD,
        publisher=publisher,
        content_hash=content_hash,
        size_bytes=size_bytes,
        actor=actor,
        expires_at=expires_at,
    )


def load_upload(tx: Tx, upload_id: str, now: datetime) -> Row:
    """Return an upload that has not expired, or of which a version was made; otherwise raise ``upload_not_found``."""
    row = tx.row(_SELECT_UPLOAD, upload_id=upload_id)
    if row is None or (row["version_id"] is None and row["expires_at"] <= now):
        raise PlatformError("upload_not_found", f"There is no upload {upload_id}, or it has expired; start a new one.")
    return row


def consumed_by(tx: Tx, upload_id: str) -> str | None:
    """Return the id of the version that was made of an upload, or None.

    Locks the upload, so that no other transaction makes a version of it before this one ends.
    """
    row = tx.row(_LOCK_UPLOAD, upload_id=upload_id)
    return str(row["version_id"]) if row is not None and row["version_id"] is not None else None


def accept(
    submission: Submission, database: Database, evaluator: Evaluator, trust: TrustBundle, now: datetime
) -> Accepted:
    """Check whether a submission may become a version. Nothing is written.

    1. The archive has the declared size and sha256.
    2. The signature is a well-formed envelope, signed by a known key, about these bytes.
    3. The key may sign for this publisher, now.
    4. The archive is safe: plain files, safe paths, within its quotas.
    5. The manifest is valid and equal to what was signed and declared.
    6. What the manifest names (component, UI entry, assets) is in the bundle.

    Raises:
        PlatformError: ``bundle_too_large``, ``bundle_hash_mismatch`` (1, 2); ``signature_…``, ``key_…`` (2, 3);
            ``bundle_…`` (4, 6); ``manifest_invalid``, ``manifest_mismatch`` (5); ``publisher_not_found``.
    """
    size_bytes = submission.archive.stat().st_size  # (1)
    content_hash = content_hash_of(submission.archive)
    if size_bytes != submission.declared_size_bytes or content_hash != submission.declared_hash:
        raise PlatformError(
            "bundle_hash_mismatch",
            f"The bundle has {size_bytes} bytes and the hash {content_hash}, but declared were "
            f"{submission.declared_size_bytes} bytes and the hash {submission.declared_hash}. Upload it again.",
        )
    claimed = _claimed_publisher(submission)
    with database.system() as tx:  # (2), (3)
        publishers.load_publisher(tx, claimed)
        keys, revocations = publishers.trusted_keys(tx, claimed)
    verified = trust.extended(keys, revocations).verify(
        submission.signature, use="publisher", publisher=claimed, at=now
    )
    release = read_statement(verified.payload, Release, sha256_hex(content_hash))
    with submission.archive.open("rb") as archive:  # (4), (5), (6)
        contents = read_contents(archive, evaluator.check_schema)
    _check_declared(contents, release, submission)
    component_sha256 = None if contents.component is None else hashlib.sha256(contents.component).hexdigest()
    return Accepted(contents, content_hash, size_bytes, verified.key.key_id, component_sha256, submission.signature)


def store(accepted: Accepted, archive: Path, objects: ObjectStore) -> None:
    """Write archive, envelope and component under their hashes. Each is written once, so a retry writes nothing."""
    sha256 = sha256_hex(accepted.content_hash)
    objects.put_new_file(object_keys.archive(sha256), archive, "application/zstd")
    store_envelope(object_keys.publisher_signature(sha256, accepted.key_id), accepted.signature, objects)
    if accepted.contents.component is not None and accepted.component_sha256 is not None:
        objects.put_new(
            object_keys.component(accepted.component_sha256), accepted.contents.component, "application/wasm"
        )


def store_envelope(key: str, envelope: bytes, objects: ObjectStore) -> None:
    """Write an envelope, unless an envelope with the same payload is stored under this key.

    P-256 signatures are randomised, so two envelopes over the same payload differ. Therefore payloads are compared.

    Raises:
        PlatformError: ``object_conflict`` when an envelope with another payload is stored.
    """
    payload = parse_envelope(envelope).payload
    stored = objects.get_optional(key)
    if stored is not None and parse_envelope(stored).payload == payload:
        return
    try:
        objects.put_new(key, envelope, "application/json")
    except PlatformError as error:
        if error.code != "object_conflict" or parse_envelope(objects.get(key)).payload != payload:
            raise  # otherwise another process has just written the same payload


def record(
    tx: Tx, accepted: Accepted, upload_id: str | None, actor: Actor, now: datetime, max_versions: int
) -> tuple[str, PrepareMessage]:
    """Record the version as ``pending``; return its id and the message that wakes the prepare function.

    The extension's row is locked, so of two concurrent publications of one name or version exactly one is recorded.
    Publications of one publisher are recorded one after the other, so that their number stays within ``max_versions``.

    Raises:
        PlatformError: ``extension_name_taken``, ``extension_name_not_allowed``; ``too_many_versions``;
            ``version_exists``, even when the existing version has the same bytes.
    """
    manifest = accepted.contents.manifest
    _check_number(tx, manifest.publisher, max_versions)
    publishers.check_name(tx, manifest.publisher, manifest.name)
    tx.execute(
        _INSERT_EXTENSION,
        name=manifest.name,
        publisher=manifest.publisher,
        title=manifest.title,
        actor=actor.subject,
    )
    extension = versions.load_extension(tx, manifest.name, lock=True)
    if extension["publisher"] != manifest.publisher:
        raise PlatformError(
            "extension_name_taken", f"The name {manifest.name!r} belongs to another publisher; choose another name."
        )
    tx.execute(
        _INSERT_BUNDLE,
        content_hash=accepted.content_hash,
        size_bytes=accepted.size_bytes,
        component_sha256=accepted.component_sha256,
        key_id=accepted.key_id,
    )
    version = tx.row(
        _INSERT_VERSION,
        extension_id=extension["extension_id"],
        version=manifest.version,
        content_hash=accepted.content_hash,
        manifest=msgspec.json.encode(manifest.model_dump(mode="json")).decode(),
        capabilities=sorted(capability.name for capability in manifest.capabilities),
        actor=actor.subject,
    )
    if version is None:
        raise PlatformError(
            "version_exists",
            f"{manifest.name} {manifest.version} exists already. Versions cannot be changed; publish a higher one.",
        )
    version_id = str(version["version_id"])
    details = {
        "name": manifest.name,
        "version": manifest.version,
        "content_hash": accepted.content_hash,
        "key_id": accepted.key_id,
    }
    extension_id = str(extension["extension_id"])
    transparency.append(tx, Entry("version.published", manifest.publisher, details, extension_id), actor, now)
    if upload_id is not None:
        tx.execute(_CONSUME_UPLOAD, upload_id=upload_id, version_id=version_id)
    message = PrepareMessage(
        version_id=version_id, content_hash=accepted.content_hash, component_sha256=accepted.component_sha256
    )
    return version_id, message


def transfer(tx: Tx, extension: Row, publisher: str, actor: Actor, now: datetime) -> None:
    """Transfer an extension to another publisher. Installs keep their version; updates wait for approval.

    Raises:
        PlatformError: ``publisher_not_found``; ``extension_name_not_allowed`` when ``publisher`` may not register the
            extension's name, see ``publishers.check_name``.
    """
    publishers.load_publisher(tx, publisher)
    publishers.check_name(tx, publisher, extension["name"])
    extension_id = str(extension["extension_id"])
    tx.execute(_TRANSFER, publisher=publisher, extension_id=extension_id)
    details = {"name": extension["name"], "from": extension["publisher"], "to": publisher}
    transparency.append(tx, Entry("extension.transferred", publisher, details, extension_id), actor, now)


def _check_number(tx: Tx, publisher: str, max_versions: int) -> None:
    """Check that a publisher may have one more version.

    Versions are counted in every state, because a version is never deleted and each may be withdrawn later. Its bundle
    then stays on the list of withdrawn bundles, which has a limit for all publishers together.
    """
    tx.execute(_LOCK_PUBLICATIONS, publisher=publisher)
    number = tx.one(_COUNT_VERSIONS, publisher=publisher, limit=max_versions)["number"]
    if number >= max_versions:
        raise PlatformError(
            "too_many_versions",
            f"The extensions of {publisher!r} have {number} versions or more; at most {max_versions} are allowed. The "
            "operator can raise MAX_VERSIONS_PER_PUBLISHER.",
        )


def _claimed_publisher(submission: Submission) -> str:
    """Return the publisher that the submission claims. It is unverified and only selects the keys to verify with."""
    if submission.publisher is not None:
        return submission.publisher
    try:
        claimed = strict_json.parse(parse_envelope(submission.signature).payload)["predicate"]["publisher"]
    except (JsonError, KeyError, TypeError):
        claimed = None
    if not isinstance(claimed, str):
        raise PlatformError("signature_malformed", "The signed payload names no publisher.")
    return claimed


def _check_declared(contents: BundleContents, release: Release, submission: Submission) -> None:
    manifest = contents.manifest
    for name in ("publisher", "name", "version"):
        if getattr(manifest, name) != getattr(release, name):
            raise PlatformError(
                "manifest_mismatch",
                f"The manifest's {name} is {getattr(manifest, name)!r}, but the signed statement has "
                f"{getattr(release, name)!r}. Sign the bundle again.",
            )
    if submission.publisher is not None and manifest.publisher != submission.publisher:
        raise PlatformError(
            "manifest_mismatch",
            f"The upload was started for the publisher {submission.publisher!r}, but the manifest names "
            f"{manifest.publisher!r}.",
        )
    declared = submission.declared_manifest
    if declared is not None and declared != strict_json.parse(contents.manifest_bytes):
        raise PlatformError("manifest_mismatch", "The manifest in the request is not the manifest in the bundle.")
