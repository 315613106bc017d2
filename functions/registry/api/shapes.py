"""The request and response bodies of the registry API, as pydantic models. The OpenAPI document is made from them.

Those about installs are in ``install_shapes``.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alga_ext.stores.database import Row

T = TypeVar("T")

PageSize = Annotated[int, Query(ge=1, le=100)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")]
Prefix = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.$", max_length=255)]
HashText = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class In(BaseModel):
    """A request's body. Unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """A response's body, built from a row, which may have more members."""

    model_config = ConfigDict(extra="ignore")


class PublisherIn(In):
    """A publisher to register."""

    publisher: Slug
    display_name: Annotated[str, Field(min_length=1, max_length=200)]
    name_prefixes: Annotated[list[Prefix], Field(max_length=20)] = []


class PublisherOut(Out):
    """A publisher."""

    publisher: str
    display_name: str
    name_prefixes: list[str]
    created_at: datetime


class KeyIn(In):
    """A public key (PEM SubjectPublicKeyInfo, Ed25519 or ECDSA P-256) and the period in which it may sign."""

    public_key: Annotated[str, Field(max_length=2000)]
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None


class KeyOut(Out):
    """A registered signing key."""

    key_id: str
    publisher: str
    public_key: str
    algorithm: str
    valid_from: datetime
    valid_until: datetime | None
    revoked_from: datetime | None
    revoked_reason: str | None


class RetirementIn(In):
    """The instant at which a key's validity ends (default: now)."""

    valid_until: AwareDatetime | None = None


class RevocationIn(In):
    """The reason for a revocation, and the instant from which the key is revoked (default: now).

    With ``dry_run``, nothing is changed: the answer says what the revocation would stop.
    """

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    revoked_from: AwareDatetime | None = None
    dry_run: bool = False


class StoppedVersionOut(Out):
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


class UploadIn(In):
    """An archive that is about to be uploaded."""

    publisher: Slug
    content_hash: HashText
    size_bytes: Annotated[int, Field(ge=1, le=200 * 1024 * 1024)]


class UploadOut(Out):
    """The URL to PUT the archive to, and the headers that must be sent with it."""

    upload_id: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


class VersionIn(In):
    """A version to publish: an upload, or the archive itself as base64 when it is small (6 MiB of base64).

    Exactly one of ``upload_id`` and ``bundle_b64`` must be given.
    """

    upload_id: str | None = None
    bundle_b64: Annotated[str, Field(max_length=6 * 1024 * 1024)] | None = None
    content_hash: HashText | None = None
    signature: Annotated[dict[str, Any], Field(description="DSSE envelope over the release statement")]
    manifest: dict[str, Any] | None = None


class ReasonOut(Out):
    """A reason for a rejection, a yank or a withdrawal."""

    code: str
    detail: str


class VersionOut(Out):
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


class ReasonIn(In):
    """The reason for a change. It is shown to people."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class TransferIn(In):
    """The publisher that an extension is transferred to."""

    publisher: Slug


class ReprepareOut(Out):
    """How many versions were put on the queue, and the cursor of the next page."""

    queued: int
    next_cursor: str | None


class RewrapOut(Out):
    """How many secrets were looked at, how many of them had another key, and the cursor of the next page."""

    checked: int
    rewrapped: int
    next_cursor: str | None


class TickOut(Out):
    """How many schedules were due, how many of them run, and how many lost messages were sent again."""

    claimed: int
    fired: int
    events_sent_again: int
    deliveries_sent_again: int


class PlatformKeyOut(Out):
    """A key of the platform. ``signs``: it is in use now; only then can it be overdue."""

    use: str
    key_id: str
    state: str
    signs: bool
    created_at: datetime | None
    age_days: int | None
    max_age_days: int
    overdue: bool


class PlatformKeysOut(Out):
    """The platform's keys. Version and expiry are those of a signed trust bundle, and null without one."""

    trust_bundle_version: int | None
    trust_bundle_expires_at: datetime | None
    keys: list[PlatformKeyOut]
    warnings: list[str]


class EngineOut(Out):
    """An engine, and how many components of active versions are compiled for it and how many are not."""

    wasmtime_version: str
    engine_config_hash: str
    target: str
    compiled: int
    missing: int
    latest_at: datetime


class ExtensionOut(Out):
    """An extension."""

    extension_id: str
    name: str
    publisher: str
    title: str
    deprecated_at: datetime | None
    deprecated_reason: str | None
    created_at: datetime


class MetricTotalOut(Out):
    """The values of one metric that an install emitted on one UTC day: how many, their sum, the least, the greatest."""

    day: date
    name: str
    unit: str
    count: int
    sum: float
    min: float
    max: float


class AuditOut(Out):
    """One change made for the tenant. ``trace_id`` is that of the request's ``traceparent``, if it had one."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: Any
    after: Any
    request_id: str
    trace_id: str | None


class LogEntryOut(Out):
    """One leaf of the transparency log; ``entry`` is the exact text that was hashed."""

    leaf_index: int
    entry: str
    kind: str
    publisher: str
    at: datetime


class InclusionOut(Out):
    """The proof that a leaf is in the log: the leaf, its audit path (hex) and the signed head for ``tree_size``."""

    leaf_index: int
    entry: str
    tree_size: int
    proof: list[str]
    head: dict[str, Any]


class ConsistencyOut(Out):
    """The proof that the log of ``tree_size`` entries extends the log of ``old_size`` entries."""

    old_size: int
    tree_size: int
    proof: list[str]
    head: dict[str, Any]


class Page(BaseModel, Generic[T]):
    """One page of a list. ``next_cursor`` is null when nothing follows."""

    items: list[T]
    next_cursor: str | None


class ProblemOut(Out):
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
    warnings = warnings_of(row["declared_capabilities"], not_offered)
    return VersionOut.model_validate({**texts(row), "progress": progress, "warnings": warnings})


def warnings_of(wanted: Iterable[str], not_offered: Mapping[str, str]) -> list[str]:
    """Return a warning for each capability that is wanted and that this platform does not offer."""
    return [
        f"This platform offers no {not_offered[name]}: calls that need {name} will fail."
        for name in sorted(wanted)
        if name in not_offered
    ]
