"""Routes of publishers: registration, keys, uploads and versions."""

import base64
import binascii
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, is_uuid
from alga_ext.messages import encode_message
from functions.registry import callers, compose, publish, publishers, versions
from functions.registry.api import (
    KeyIn,
    KeyOut,
    PublisherIn,
    PublisherOut,
    RevocationIn,
    UploadIn,
    UploadOut,
    VersionIn,
    VersionOut,
    texts,
)
from functions.registry.routes.caller import principal

router = APIGatewayHttpRouter()


@router.post("/publishers")
def create_publisher(body: Annotated[PublisherIn, Body()]) -> Response[PublisherOut]:
    """Register a publisher (platform admins)."""
    caller = principal(router)
    callers.require_platform_admin(caller)
    with compose.database().system() as tx:
        row = publishers.create_publisher(tx, body.publisher, body.display_name, caller.subject)
    return Response(201, "application/json", PublisherOut.model_validate(row))


@router.get("/publishers/<publisher>/keys")
def list_keys(publisher: str) -> list[KeyOut]:
    """List a publisher's keys, oldest first."""
    principal(router)
    with compose.database().system() as tx:
        return [KeyOut.model_validate(row) for row in publishers.list_keys(tx, publisher)]


@router.post("/publishers/<publisher>/keys")
def add_key(publisher: str, body: Annotated[KeyIn, Body()]) -> Response[KeyOut]:
    """Add a signing key; earlier ones stay valid, so that a rotation can overlap."""
    caller = principal(router)
    callers.require_publisher(caller, publisher)
    with compose.database().system() as tx:
        row = publishers.add_key(tx, publisher, body.public_key, body.valid_from, body.valid_until, caller.subject)
    return Response(201, "application/json", KeyOut.model_validate(row))


@router.post("/publishers/<publisher>/keys/<key_id>/revoke")
def revoke_key(publisher: str, key_id: str, body: Annotated[RevocationIn, Body()]) -> KeyOut:
    """Revoke a key from an instant on."""
    caller = principal(router)
    callers.require_publisher(caller, publisher)
    revoked_from = body.revoked_from or compose.now()
    with compose.database().system() as tx:
        row = publishers.revoke_key(tx, publisher, key_id, revoked_from, body.reason)
    return KeyOut.model_validate(row)


@router.post("/uploads")
def start_upload(body: Annotated[UploadIn, Body()]) -> Response[UploadOut]:
    """Announce an archive; it is then PUT to the answered URL with the answered headers."""
    caller = principal(router)
    callers.require_publisher(caller, body.publisher)
    lifetime_s = compose.settings().upload_expires_s
    with compose.database().system() as tx:
        row = publish.start_upload(
            tx,
            body.publisher,
            ContentHash(body.content_hash),
            body.size_bytes,
            caller.subject,
            compose.now(),
            lifetime_s,
        )
    checksum = base64.b64encode(bytes.fromhex(body.content_hash.removeprefix("sha256:"))).decode()
    url, headers = compose.objects().presign_put(
        publish.staging_key(str(row["upload_id"])),
        sha256_b64=checksum,
        size_bytes=body.size_bytes,
        expires_in_s=lifetime_s,
    )
    out = UploadOut(upload_id=str(row["upload_id"]), url=url, headers=headers, expires_at=row["expires_at"])
    return Response(201, "application/json", out)


@router.post("/versions")
def publish_version(body: Annotated[VersionIn, Body()]) -> Response[VersionOut]:
    """Finalize a publication: verify, record as pending, and have it prepared (202).

    A finalize repeated for the same upload answers with the version it made before.
    """
    caller = principal(router)
    if "platform_admin" not in caller.roles and "publisher" not in caller.roles:
        raise PlatformError("forbidden", "This needs the role publisher.")
    database = compose.database()
    with tempfile.TemporaryDirectory(prefix="publish-") as folder:
        archive = Path(folder, "bundle.tar.zst")
        submission = _submission(body, archive)
        if isinstance(submission, VersionOut):
            return Response(202, "application/json", submission)
        accepted = publish.accept(submission, database, compose.trust(), compose.now())
        callers.require_publisher(caller, accepted.contents.manifest.publisher)
        publish.store(accepted, archive, compose.objects())
    with database.system() as tx:
        version_id, message = publish.record(tx, accepted, body.upload_id, caller.subject)
        row = versions.load_version(tx, version_id)
    compose.prepare_queue().send(encode_message(message), group=accepted.contents.manifest.publisher)
    if body.upload_id is not None:
        compose.objects().delete(publish.staging_key(body.upload_id))
    return Response(202, "application/json", VersionOut.model_validate(texts(row)))


def _submission(body: VersionIn, archive: Path) -> publish.Submission | VersionOut:
    """Fetch what is to be published into ``archive``; or return the version an earlier finalize made of it."""
    signature = json.dumps(body.signature, separators=(",", ":")).encode()
    if (body.upload_id is None) == (body.bundle_b64 is None):
        raise PlatformError("invalid_request", "Give either upload_id or bundle_b64.")
    if body.upload_id is not None:
        return _staged(body.upload_id, archive, signature, body)
    try:
        data = base64.b64decode(body.bundle_b64 or "", validate=True)
    except binascii.Error:
        raise PlatformError("invalid_request", "bundle_b64 is not base64.") from None
    archive.write_bytes(data)
    declared = body.content_hash or "sha256:" + hashlib.sha256(data).hexdigest()
    return publish.Submission(archive, ContentHash(declared), len(data), signature, body.manifest, None)


def _staged(upload_id: str, archive: Path, signature: bytes, body: VersionIn) -> publish.Submission | VersionOut:
    if not is_uuid(upload_id):
        raise PlatformError("upload_not_found", "upload_id is not the id of an upload.")
    with compose.database().system() as tx:
        upload = publish.load_upload(tx, upload_id, compose.now())
        if upload["version_id"] is not None:
            row = versions.load_version(tx, str(upload["version_id"]))
            return VersionOut.model_validate(texts(row))
    try:
        compose.objects().download(publish.staging_key(upload_id), archive)
    except PlatformError as error:
        if error.code != "object_not_found":
            raise
        raise PlatformError(
            "upload_not_found", "Nothing was uploaded yet; PUT the archive to the upload's URL first."
        ) from error
    content_hash = ContentHash(upload["content_hash"])
    return publish.Submission(
        archive, content_hash, upload["size_bytes"], signature, body.manifest, upload["publisher"]
    )
