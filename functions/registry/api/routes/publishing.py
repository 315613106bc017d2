"""Routes of publishing: uploads, publication of versions, and their yank or withdrawal."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.calls.messages import PrepareMessage, encode_message
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, is_uuid
from alga_ext.stores import object_keys
from alga_ext.stores.database import Row
from alga_ext.stores.work_folders import job_folder
from functions.registry.api import permissions
from functions.registry.api.exchange import (
    actor,
    attempt,
    check_match,
    created,
    insist,
    principal,
    replay,
    reply,
    require_enabled,
    services,
    shown,
)
from functions.registry.api.idempotency import Answer
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.api.shapes import (
    EngineOut,
    ExtensionOut,
    PageSize,
    ReasonIn,
    ReprepareOut,
    TransferIn,
    UploadIn,
    UploadOut,
    VersionIn,
    VersionOut,
    texts,
    version_out,
)
from functions.registry.publishing import submission, versions, withdrawal, withdrawn_list

router = APIGatewayHttpRouter()

_FIRST = ("00000000-0000-0000-0000-000000000000",)


@router.post("/uploads")
def start_upload(body: Annotated[UploadIn, Body()]) -> Response[UploadOut]:
    """Announce an archive. Then PUT it to the URL in the answer, with the headers in the answer.

    A request repeated under the same Idempotency-Key is answered with the same upload and a newly signed URL. The URL
    gives permission to write, so it is not stored.
    """
    registry = services(router)
    caller = principal(router)
    permissions.require_publisher(caller, body.publisher)
    require_enabled(router)
    trial = attempt(router, caller, "uploads.create")
    lifetime_s, now = registry.settings.upload_expires_s, registry.now()
    with registry.database.system() as tx:
        earlier = trial.earlier(tx)
        if earlier is not None:
            row = submission.load_upload(tx, earlier.document["upload_id"], now)
        else:
            row = submission.start_upload(
                tx, body.publisher, ContentHash(body.content_hash), body.size_bytes, caller.subject, now, lifetime_s
            )
            trial.keep(tx, Answer(201, {"upload_id": str(row["upload_id"])}))
    checksum = base64.b64encode(bytes.fromhex(body.content_hash.removeprefix("sha256:"))).decode()
    upload_id = str(row["upload_id"])
    url, headers = registry.objects.presign_put(
        object_keys.staged_archive(upload_id),
        sha256_b64=checksum,
        size_bytes=body.size_bytes,
        expires_in_s=max(1, int((row["expires_at"] - now).total_seconds())),
    )
    answer = created(UploadOut(upload_id=upload_id, url=url, headers=headers, expires_at=row["expires_at"]))
    return reply(answer) if earlier is None else replay(answer)


@router.post("/versions")
def publish_version(body: Annotated[VersionIn, Body()]) -> Response[VersionOut]:
    """Finalize a publication: verify it, record it as pending and put it on the prepare queue (202).

    A request repeated for the same upload is answered with the version that was made of it. A request repeated under
    the same Idempotency-Key gets the first answer again.
    """
    registry = services(router)
    caller = principal(router)
    if "platform_admin" not in caller.roles and "publisher" not in caller.roles:
        raise PlatformError("forbidden", "This request needs the role publisher.")
    require_enabled(router)
    trial = attempt(router, caller, "versions.create")
    database = registry.database
    with database.system() as tx:
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
    with job_folder("publish") as folder:
        archive = folder / "bundle.tar.zst"
        submitted = _submission(body, archive)
        if isinstance(submitted, VersionOut):
            permissions.require_publisher(caller, submitted.publisher)
            return replay(created(submitted, 202))
        accepted = submission.accept(submitted, database, registry.evaluator, registry.trust.current(), registry.now())
        permissions.require_publisher(caller, accepted.contents.manifest.publisher)
        submission.store(accepted, archive, registry.objects)
    with database.system() as tx:
        # Another attempt may have finished while this one was verified.
        if (earlier := trial.earlier(tx)) is not None:
            return replay(earlier)
        if body.upload_id is not None and (made := submission.consumed_by(tx, body.upload_id)) is not None:
            return replay(created(version_out(versions.load_version(tx, made), registry.not_offered), 202))
        limit = registry.settings.max_versions_per_publisher
        version_id, message = submission.record(
            tx, accepted, body.upload_id, actor(router, caller), registry.now(), limit
        )
        answer = created(version_out(versions.load_version(tx, version_id), registry.not_offered), 202)
        trial.keep(tx, answer)
    # If this message is lost, the sweeper sends it again, because the version is recorded as pending.
    registry.prepare_queue.send(encode_message(message), group=accepted.contents.manifest.publisher)
    # The staged archive is deleted only after the upload expires: another attempt may be reading it now.
    return reply(answer)


@router.post("/versions/<version_id>/yank")
def yank_version(version_id: str, body: Annotated[ReasonIn, Body()]) -> Response[VersionOut]:
    """Yank a version: it can no longer be installed. Installs that have it keep it. A pending version is rejected."""
    return insist(lambda: _move(version_id, "yanked", body.reason))


@router.post("/versions/<version_id>/unyank")
def unyank_version(version_id: str, body: Annotated[ReasonIn, Body()]) -> Response[VersionOut]:
    """Undo a yank, so that the version can be installed again."""
    return _move(version_id, "ready", body.reason)


@router.post("/versions/<version_id>/withdraw")
def withdraw_version(version_id: str, body: Annotated[ReasonIn, Body()]) -> Response[VersionOut]:
    """Withdraw a version permanently: for all tenants it no longer runs and its UI is no longer served.

    A pending version is rejected.
    """
    return insist(lambda: _move(version_id, "withdrawn", body.reason))


@router.post("/extensions/<reference>/deprecate")
def deprecate_extension(reference: str, body: Annotated[ReasonIn, Body()]) -> Response[ExtensionOut]:
    """Mark an extension as deprecated. Its installs continue to work."""
    return _deprecate(reference, body.reason)


@router.delete("/extensions/<reference>/deprecate")
def undeprecate_extension(reference: str) -> Response[ExtensionOut]:
    """Undo the deprecation of an extension."""
    return _deprecate(reference, None)


@router.post("/extensions/<reference>/transfer")
def transfer_extension(reference: str, body: Annotated[TransferIn, Body()]) -> Response[ExtensionOut]:
    """Transfer an extension to another publisher (platform admins).

    Tenants see the transfer among their events, and the next version waits for their approval.
    """
    registry = services(router)
    caller = principal(router)
    permissions.require_platform_admin(caller)
    with registry.database.system() as tx:
        extension = versions.load_extension(tx, reference, lock=True)
        check_match(router, _extension_out(extension))
        submission.transfer(tx, extension, body.publisher, actor(router, caller), registry.now())
        row = versions.load_extension(tx, reference)
    return shown(_extension_out(row))


@router.get("/maintenance/prepare")
def list_engines() -> list[EngineOut]:
    """Show for each engine how many components are compiled for it (platform admins).

    The engine with the latest compilation comes first.
    """
    permissions.require_platform_admin(principal(router))
    with services(router).database.system() as tx:
        return [EngineOut.model_validate(row) for row in versions.list_compiled(tx)]


@router.post("/maintenance/prepare")
def prepare_versions(cursor: str | None = None, page_size: PageSize = 100) -> ReprepareOut:
    """Put a page of active versions on the prepare queue, for a new engine or new platform keys (platform admins).

    A component that is compiled for the running engine, in a record by the present artifact key, is not compiled again.
    A release record without a signature by the present release key gets one.
    """
    registry = services(router)
    permissions.require_platform_admin(principal(router))
    (after,) = decode_cursor(cursor, _FIRST)
    with registry.database.system() as tx:
        rows = versions.list_active(tx, after, page_size)
    for row in rows:
        message = PrepareMessage(
            version_id=str(row["version_id"]),
            content_hash=row["content_hash"],
            component_sha256=row["component_sha256"],
        )
        registry.prepare_queue.send(encode_message(message), group=row["publisher"])
    next_cursor = encode_cursor(rows[-1]["version_id"]) if len(rows) == page_size else None
    return ReprepareOut(queued=len(rows), next_cursor=next_cursor)


def _move(version_id: str, state: str, reason: str) -> Response[VersionOut]:
    """Move a version to another state. After a version has ended, the list of withdrawn bundles is renewed.

    A pending version has not run anywhere, so a yank or a withdrawal rejects it.
    """
    registry = services(router)
    caller, now = principal(router), registry.now()
    with registry.database.system() as tx:
        version = versions.load_version(tx, version_id, lock=True)
        permissions.require_publisher(caller, version["owner"])
        check_match(router, version_out(version, registry.not_offered))
        if version["state"] == "pending" and state in ("yanked", "withdrawn"):
            moved = withdrawal.reject(tx, version, reason, actor(router, caller), now)
        else:
            moved = withdrawal.move(tx, version, state, reason, actor(router, caller), now)
        answer = shown(version_out(moved, registry.not_offered))
    if moved["state"] in ("withdrawn", "rejected"):
        withdrawn_list.renew_after_withdrawal(registry)
    return answer


def _deprecate(reference: str, reason: str | None) -> Response[ExtensionOut]:
    registry = services(router)
    caller = principal(router)
    with registry.database.system() as tx:
        extension = versions.load_extension(tx, reference, lock=True)
        permissions.require_publisher(caller, extension["publisher"])
        check_match(router, _extension_out(extension))
        row = withdrawal.deprecate(tx, extension, reason, actor(router, caller), registry.now())
    return shown(_extension_out(row))


def _extension_out(row: Row) -> ExtensionOut:
    return ExtensionOut.model_validate(texts(row))


def _submission(body: VersionIn, archive: Path) -> submission.Submission | VersionOut:
    """Write the archive to publish into the file ``archive`` and return the submission.

    When an earlier request already made a version of the same upload, return that version instead.
    """
    signature = json.dumps(body.signature, separators=(",", ":")).encode()
    if (body.upload_id is None) == (body.bundle_b64 is None):
        raise PlatformError("invalid_request", "Send either upload_id or bundle_b64, and not both.")
    if body.upload_id is not None:
        return _staged(body.upload_id, archive, signature, body.manifest)
    try:
        data = base64.b64decode(body.bundle_b64 or "", validate=True)
    except ValueError:  # covers binascii.Error, and the error for a character outside ASCII
        raise PlatformError("invalid_request", "bundle_b64 is not valid base64.") from None
    archive.write_bytes(data)
    declared = body.content_hash or "sha256:" + hashlib.sha256(data).hexdigest()
    return submission.Submission(archive, ContentHash(declared), len(data), signature, body.manifest, None)


def _staged(
    upload_id: str, archive: Path, signature: bytes, manifest: dict[str, Any] | None
) -> submission.Submission | VersionOut:
    registry = services(router)
    if not is_uuid(upload_id):
        raise PlatformError("upload_not_found", "upload_id is not a UUID; send the id that POST /uploads returned.")
    with registry.database.system() as tx:
        upload = submission.load_upload(tx, upload_id, registry.now())
        if upload["version_id"] is not None:
            return version_out(versions.load_version(tx, str(upload["version_id"])), registry.not_offered)
    key = object_keys.staged_archive(upload_id)
    size = registry.objects.size(key)
    if size is None:
        raise PlatformError("upload_not_found", "Nothing was uploaded yet; PUT the archive to the upload's URL first.")
    if size != upload["size_bytes"]:  # checked before the download, because it may not fit on the disk
        raise PlatformError(
            "bundle_hash_mismatch",
            f"The uploaded archive has {size} bytes, but {upload['size_bytes']} were declared. Start a new upload.",
        )
    registry.objects.download(key, archive)
    content_hash = ContentHash(upload["content_hash"])
    return submission.Submission(archive, content_hash, upload["size_bytes"], signature, manifest, upload["publisher"])
