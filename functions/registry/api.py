"""The shapes of the registry API: what a request body may hold and what an answer holds (pydantic, and so OpenAPI)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alga_ext.database import Row

Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")]
HashText = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(extra="ignore")


class PublisherIn(_In):
    """A publisher to register."""

    publisher: Slug
    display_name: Annotated[str, Field(min_length=1, max_length=200)]


class PublisherOut(_Out):
    """A publisher."""

    publisher: str
    display_name: str
    created_at: datetime


class KeyIn(_In):
    """A public key (PEM SubjectPublicKeyInfo, Ed25519 or ECDSA P-256) and from when until when it may sign."""

    public_key: Annotated[str, Field(max_length=2000)]
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None


class KeyOut(_Out):
    """A registered signing key."""

    key_id: str
    publisher: str
    public_key: str
    algorithm: str
    valid_from: datetime
    valid_until: datetime | None
    revoked_from: datetime | None
    revoked_reason: str | None


class RevocationIn(_In):
    """Why, and from when on, a key is not to be believed (default: now)."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    revoked_from: AwareDatetime | None = None


class UploadIn(_In):
    """An archive that is about to be uploaded."""

    publisher: Slug
    content_hash: HashText
    size_bytes: Annotated[int, Field(ge=1, le=200 * 1024 * 1024)]


class UploadOut(_Out):
    """Where to PUT the archive, and the headers that must go with it."""

    upload_id: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


class VersionIn(_In):
    """A version to publish: an upload, or the archive itself as base64 when it is small (up to 4 MiB)."""

    upload_id: str | None = None
    bundle_b64: Annotated[str, Field(max_length=6 * 1024 * 1024)] | None = None
    content_hash: HashText | None = None
    signature: Annotated[dict[str, Any], Field(description="DSSE envelope over the release statement")]
    manifest: dict[str, Any] | None = None


class ReasonOut(_Out):
    """A reason for a rejection, a yank or a withdrawal."""

    code: str
    detail: str


class VersionOut(_Out):
    """A version and how far its publication is."""

    version_id: str
    extension_id: str
    name: str
    publisher: str
    version: str
    content_hash: str
    state: str
    state_reasons: list[ReasonOut]
    manifest: dict[str, Any]
    imported_interfaces: list[str]
    undeclared_capabilities: list[str]
    size_bytes: int
    component_sha256: str | None
    signing_key_id: str
    published_at: datetime
    published_by: str


class ExtensionOut(_Out):
    """An extension."""

    extension_id: str
    name: str
    publisher: str
    title: str
    deprecated_at: datetime | None
    deprecated_reason: str | None
    created_at: datetime


class GrantsIn(_In):
    """What the admin grants; whatever is not named here is not granted."""

    capabilities: list[str] = []
    egress: list[str] = []
    secrets: dict[str, list[str]] = {}
    limits: dict[str, Annotated[int, Field(ge=1)]] = {}


class InstallIn(_In):
    """An extension to install: by id or name, in its newest ready version or the one named."""

    extension: Annotated[str, Field(min_length=1, max_length=255)]
    version: str | None = None
    grants: GrantsIn = GrantsIn()
    config: dict[str, Any] = {}


class GrantsOut(_Out):
    """The canonical grant set and its hash."""

    capabilities: list[str]
    egress: list[str]
    secrets: dict[str, list[str]]
    limits: dict[str, int]
    hash: str


class InstallOut(_Out):
    """An install of the caller's tenant."""

    install_id: str
    extension_id: str
    name: str
    publisher: str
    version_id: str
    version: str
    version_state: str
    state: str
    content_hash: str
    publisher_key_id: str
    grants: GrantsOut
    config: dict[str, Any]
    ui_url: str | None
    revision: int
    installed_at: datetime
    installed_by: str
    changed_at: datetime


class ProblemOut(_Out):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    request_id: str


def texts(row: Row) -> Row:
    """Return a row with its UUIDs as text."""
    return {name: str(value) if type(value).__name__ == "UUID" else value for name, value in row.items()}


def install_out(row: Row, ui_base: str, ui_entry: str | None) -> InstallOut:
    """Make the answer for an install row; ``ui_entry`` is the UI's first page relative to ``ui/``."""
    url = None
    if ui_entry is not None:
        url = f"{ui_base}/ext-ui/{row['extension_id']}/{row['content_hash']}/{ui_entry}"
    granted = GrantsOut(
        capabilities=row["granted_capabilities"],
        egress=row["granted_egress"],
        secrets=row["granted_secrets"],
        limits=row["granted_limits"],
        hash=row["grant_hash"],
    )
    return InstallOut.model_validate({**texts(row), "grants": granted, "ui_url": url})
