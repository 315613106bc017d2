"""The shapes of the registry API: what a request body may hold and what an answer holds (pydantic, and so OpenAPI)."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alga_ext.stores.database import Row
from functions.registry.publishing.bundle_contents import UI_PREFIX

T = TypeVar("T")

PageSize = Annotated[int, Query(ge=1, le=100)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")]
Prefix = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.$", max_length=255)]
HashText = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(extra="ignore")


class PublisherIn(_In):
    """A publisher to register."""

    publisher: Slug
    display_name: Annotated[str, Field(min_length=1, max_length=200)]
    name_prefixes: Annotated[list[Prefix], Field(max_length=20)] = []


class PublisherOut(_Out):
    """A publisher."""

    publisher: str
    display_name: str
    name_prefixes: list[str]
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


class RetirementIn(_In):
    """When a key ends (default: now)."""

    valid_until: AwareDatetime | None = None


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
    owner: str
    version: str
    content_hash: str
    state: str
    progress: str
    state_reasons: list[ReasonOut]
    manifest: dict[str, Any]
    imported_interfaces: list[str]
    undeclared_capabilities: list[str]
    size_bytes: int
    component_sha256: str | None
    signing_key_id: str
    published_at: datetime
    prepared_at: datetime | None
    published_by: str


class ReasonIn(_In):
    """Why something is done; people will read it."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class TransferIn(_In):
    """Whom an extension is handed to."""

    publisher: Slug


class ReprepareOut(_Out):
    """How many versions were put on the queue, and where to go on."""

    queued: int
    next_cursor: str | None


class EngineOut(_Out):
    """An engine, and how many components of active versions are compiled for it."""

    wasmtime_version: str
    engine_config_hash: str
    target: str
    compiled: int
    missing: int
    latest_at: datetime


class ExtensionOut(_Out):
    """An extension."""

    extension_id: str
    name: str
    publisher: str
    title: str
    deprecated_at: datetime | None
    deprecated_reason: str | None
    created_at: datetime


class PermissionOut(_Out):
    """A capability asked for, and what for."""

    name: str
    purpose: str
    always_granted: bool


class SecretRequestOut(_Out):
    """A secret asked for; with hosts it is only ever injected into requests to them."""

    name: str
    description: str
    required: bool
    hosts: list[str]


class PermissionsOut(_Out):
    """Everything a version asks for, and what its component imports without declaring it (refused at call)."""

    version_id: str
    version: str
    capabilities: list[PermissionOut]
    egress: list[str]
    secrets: list[SecretRequestOut]
    limits: dict[str, int]
    undeclared_capabilities: list[str]


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
    pinned: bool
    waiting_request: "RequestOut | None"
    revision: int
    installed_at: datetime
    installed_by: str
    changed_at: datetime


class RequestOut(_Out):
    """What a newer version asks for beyond the one before, waiting for a decision."""

    request_id: str
    from_version: str
    to_version: str
    difference: dict[str, Any]
    holds_code: bool
    created_at: datetime
    created_by: str


class UpdateIn(_In):
    """The version to move to; the newest ready one when it is left out."""

    version: str | None = None


class RollbackIn(_In):
    """The earlier version to go back to, and why."""

    version: str
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ApprovalIn(_In):
    """The whole grant set from now on; left out, what is held plus all the request asks for."""

    grants: GrantsIn | None = None


class ConfigIn(_In):
    """A whole configuration."""

    config: dict[str, Any]


class SecretIn(_In):
    """A secret's value, and when it ends: an instant, or a maximum age in seconds."""

    value: Annotated[str, Field(min_length=1, max_length=65_536)]
    expires_at: AwareDatetime | None = None
    max_age_s: Annotated[int, Field(ge=60, le=10 * 366 * 86_400)] | None = None


class SecretOut(_Out):
    """How a declared secret stands; its value is never shown."""

    name: str
    description: str
    required: bool
    hosts: list[str]
    state: str
    version: int | None
    created_at: datetime | None
    expires_at: datetime | None


class AuditOut(_Out):
    """One change made for the tenant."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: Any
    after: Any
    request_id: str


class LogEntryOut(_Out):
    """One leaf of the transparency log; ``entry`` is the exact text that was hashed."""

    leaf_index: int
    entry: str
    kind: str
    publisher: str
    at: datetime


class InclusionOut(_Out):
    """All that shows a leaf to be in the log: the leaf, its audit path (hex) and the signed head of that size."""

    leaf_index: int
    entry: str
    tree_size: int
    proof: list[str]
    head: dict[str, Any]


class ConsistencyOut(_Out):
    """All that shows the log of ``tree_size`` to have grown out of the one of ``old_size``."""

    old_size: int
    tree_size: int
    proof: list[str]
    head: dict[str, Any]


class Page(BaseModel, Generic[T]):
    """One page of a list; ``next_cursor`` is null when nothing follows."""

    items: list[T]
    next_cursor: str | None


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


def version_out(row: Row) -> VersionOut:
    """Make the answer for a version row; ``progress`` tells the step a publication is at."""
    settled = row["state"] != "pending"
    progress = "done" if settled else "prepared" if row["prepared_at"] else "queued"
    return VersionOut.model_validate({**texts(row), "progress": progress})


def install_out(row: Row, request: Row | None, ui_base: str) -> InstallOut:
    """Make the answer for an install row."""
    url = None
    if row["ui_entry"] is not None:
        entry = row["ui_entry"].removeprefix(UI_PREFIX)
        url = f"{ui_base}/ext-ui/{row['extension_id']}/{row['content_hash']}/{entry}"
    granted = GrantsOut(
        capabilities=row["granted_capabilities"],
        egress=row["granted_egress"],
        secrets=row["granted_secrets"],
        limits=row["granted_limits"],
        hash=row["grant_hash"],
    )
    waiting = None if request is None else RequestOut.model_validate(texts(request))
    return InstallOut.model_validate({**texts(row), "grants": granted, "ui_url": url, "waiting_request": waiting})
