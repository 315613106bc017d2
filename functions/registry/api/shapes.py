"""The request and response bodies of the registry API, as pydantic models. The OpenAPI document is made from them."""

from collections.abc import Iterable, Mapping
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
    """A public key (PEM SubjectPublicKeyInfo, Ed25519 or ECDSA P-256) and the period in which it may sign."""

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
    """The instant at which a key's validity ends (default: now)."""

    valid_until: AwareDatetime | None = None


class RevocationIn(_In):
    """The reason for a revocation, and the instant from which the key is revoked (default: now).

    With ``dry_run``, nothing is changed: the answer says what the revocation would stop.
    """

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    revoked_from: AwareDatetime | None = None
    dry_run: bool = False


class StoppedVersionOut(_Out):
    """A version that a revocation withdraws, and how many enabled installs, of all tenants, run it."""

    version_id: str
    name: str
    version: str
    published_at: datetime
    installs: int


class RevocationOut(KeyOut):
    """The key after the revocation (before it, in a dry run), and the versions that it withdraws."""

    dry_run: bool
    stopped: list[StoppedVersionOut]


class UploadIn(_In):
    """An archive that is about to be uploaded."""

    publisher: Slug
    content_hash: HashText
    size_bytes: Annotated[int, Field(ge=1, le=200 * 1024 * 1024)]


class UploadOut(_Out):
    """The URL to PUT the archive to, and the headers that must be sent with it."""

    upload_id: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


class VersionIn(_In):
    """A version to publish: an upload, or the archive itself as base64 when it is small (6 MiB of base64).

    Exactly one of ``upload_id`` and ``bundle_b64`` must be given.
    """

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
    """A version and the progress of its publication. ``warnings`` name what it asks for and this platform lacks."""

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
    warnings: list[str]


class ReasonIn(_In):
    """The reason for a change. It is shown to people."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class TransferIn(_In):
    """The publisher that an extension is transferred to."""

    publisher: Slug


class ReprepareOut(_Out):
    """How many versions were put on the queue, and the cursor of the next page."""

    queued: int
    next_cursor: str | None


class EngineOut(_Out):
    """An engine, and how many components of active versions are compiled for it and how many are not."""

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
    """A capability that a version asks for, and its purpose."""

    name: str
    purpose: str
    always_granted: bool


class SecretRequestOut(_Out):
    """A secret that a version asks for.

    With ``hosts``, the extension cannot read its value: it is put into ``header`` of requests to these hosts. A host
    that returns the value in a changed form gives it to the extension all the same, so bind it only to trusted hosts.
    """

    name: str
    description: str
    required: bool
    hosts: list[str]
    header: str


class MetricOut(_Out):
    """A metric that a version may emit, and its unit."""

    name: str
    unit: str


class PermissionsOut(_Out):
    """Everything a version asks for, and the capabilities that its component imports but the manifest does not declare.

    Calls to undeclared capabilities are refused.
    """

    version_id: str
    version: str
    capabilities: list[PermissionOut]
    egress: list[str]
    secrets: list[SecretRequestOut]
    metrics: list[MetricOut]
    limits: dict[str, int]
    undeclared_capabilities: list[str]


class GrantsIn(_In):
    """What the admin grants. Anything that is not named here is not granted.

    ``secret_headers`` names the header of each secret that is not put into ``authorization``.
    """

    capabilities: list[str] = []
    egress: list[str] = []
    secrets: dict[str, list[str]] = {}
    secret_headers: dict[str, str] = {}
    limits: dict[str, Annotated[int, Field(ge=1)]] = {}


class InstallIn(_In):
    """An extension to install, by id or name. Without ``version``, the newest ready version is installed."""

    extension: Annotated[str, Field(min_length=1, max_length=255)]
    version: str | None = None
    grants: GrantsIn = GrantsIn()
    config: dict[str, Any] = {}


class GrantsOut(_Out):
    """The canonical grant set and its hash."""

    capabilities: list[str]
    egress: list[str]
    secrets: dict[str, list[str]]
    secret_headers: dict[str, str]
    limits: dict[str, int]
    hash: str


class InstallOut(_Out):
    """An install of the caller's tenant. ``warnings`` name what is granted and this platform does not offer."""

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
    warnings: list[str]


class RequestOut(_Out):
    """What a newer version asks for beyond the earlier one. It waits for a decision."""

    request_id: str
    from_version: str
    to_version: str
    difference: dict[str, Any]
    holds_code: bool
    created_at: datetime
    created_by: str


class UpdateIn(_In):
    """The version to update to. Without ``version``, it is the newest ready version."""

    version: str | None = None


class RollbackIn(_In):
    """The earlier version to go back to, and the reason."""

    version: str
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ApprovalIn(_In):
    """The whole grant set from now on. Without ``grants``: the current grants plus all that the request asks for."""

    grants: GrantsIn | None = None


class ConfigIn(_In):
    """The whole configuration of an install."""

    config: dict[str, Any]


class SecretIn(_In):
    """A secret's value, and when it expires: an instant, or a maximum age in seconds, but not both."""

    value: Annotated[str, Field(min_length=1, max_length=65_536)]
    expires_at: AwareDatetime | None = None
    max_age_s: Annotated[int, Field(ge=60, le=10 * 366 * 86_400)] | None = None


class SecretOut(_Out):
    """The state of a declared secret. Its value is never shown."""

    name: str
    description: str
    required: bool
    hosts: list[str]
    header: str
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
    """The proof that a leaf is in the log: the leaf, its audit path (hex) and the signed head for ``tree_size``."""

    leaf_index: int
    entry: str
    tree_size: int
    proof: list[str]
    head: dict[str, Any]


class ConsistencyOut(_Out):
    """The proof that the log of ``tree_size`` entries extends the log of ``old_size`` entries."""

    old_size: int
    tree_size: int
    proof: list[str]
    head: dict[str, Any]


class Page(BaseModel, Generic[T]):
    """One page of a list. ``next_cursor`` is null when nothing follows."""

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
    """Return a row with its UUIDs converted to text."""
    return {name: str(value) if type(value).__name__ == "UUID" else value for name, value in row.items()}


def version_out(row: Row, not_offered: Mapping[str, str]) -> VersionOut:
    """Build the answer for a version row. ``progress`` names the step that its publication has reached.

    Args:
        row: the version.
        not_offered: see ``Services.not_offered``.
    """
    settled = row["state"] != "pending"
    progress = "done" if settled else "prepared" if row["prepared_at"] else "queued"
    warnings = _warnings(row["declared_capabilities"], not_offered)
    return VersionOut.model_validate({**texts(row), "progress": progress, "warnings": warnings})


def install_out(row: Row, request: Row | None, ui_base: str, not_offered: Mapping[str, str]) -> InstallOut:
    """Build the answer for an install row, with its waiting request if it has one.

    Args:
        row: the install.
        request: its waiting request.
        ui_base: base URL of the UI host.
        not_offered: see ``Services.not_offered``.
    """
    url = None
    if row["ui_entry"] is not None:
        entry = row["ui_entry"].removeprefix(UI_PREFIX)
        url = f"{ui_base}/ext-ui/{row['extension_id']}/{row['content_hash']}/{entry}"
    granted = GrantsOut(
        capabilities=row["granted_capabilities"],
        egress=row["granted_egress"],
        secrets=row["granted_secrets"],
        secret_headers=row["granted_secret_headers"],
        limits=row["granted_limits"],
        hash=row["grant_hash"],
    )
    waiting = None if request is None else RequestOut.model_validate(texts(request))
    warnings = _warnings(row["granted_capabilities"], not_offered)
    return InstallOut.model_validate(
        {**texts(row), "grants": granted, "ui_url": url, "waiting_request": waiting, "warnings": warnings}
    )


def _warnings(wanted: Iterable[str], not_offered: Mapping[str, str]) -> list[str]:
    return [
        f"This platform offers no {not_offered[name]}: calls that need {name} will fail."
        for name in sorted(wanted)
        if name in not_offered
    ]
