"""The request and response bodies about permissions, grants, installs and their secrets, as pydantic models."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field, model_validator

from alga_ext.stores.database import Row
from functions.registry.api.shapes import In, Out, texts, warnings_of
from functions.registry.publishing.bundle_contents import UI_PREFIX

_ENTRIES_LIMIT: Final = 1_000
"""How many entries an object in grants may have to be validated. What can be granted has lower limits."""


class PermissionOut(Out):
    """A capability that a version asks for, and its purpose."""

    name: str
    purpose: str
    always_granted: bool


class SecretRequestOut(Out):
    """A secret that a version asks for.

    With ``hosts``, the extension cannot read its value: it is put into ``header`` of requests to these hosts. A host
    that returns the value in a changed form gives it to the extension all the same, so bind it only to trusted hosts.
    """

    name: str
    description: str
    required: bool
    hosts: list[str]
    header: str
    max_age_days: int | None


class MetricOut(Out):
    """A metric that a version may emit, and its unit."""

    name: str
    unit: str


class PermissionsOut(Out):
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


class GrantsIn(In):
    """What the admin grants. Anything that is not named here is not granted.

    ``secret_headers`` names the header of each secret that is not put into ``authorization``.
    """

    capabilities: list[str] = Field(default=[], fail_fast=True)
    egress: list[str] = Field(default=[], fail_fast=True)
    secrets: dict[str, Annotated[list[str], Field(fail_fast=True)]] = Field(default={})
    secret_headers: dict[str, str] = Field(default={})
    limits: dict[str, Annotated[int, Field(ge=1)]] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _few_entries(cls, given: Any) -> Any:
        """Refuse very many entries before each of them can cost the validation library an error object."""
        objects = [("grants", given), *given.items()] if isinstance(given, dict) else []
        for name, found in objects:
            if isinstance(found, dict) and len(found) > _ENTRIES_LIMIT:
                message = f"{name[:64]} has {len(found)} entries; at most {_ENTRIES_LIMIT} are allowed"
                raise ValueError(message)
        return given


class InstallIn(In):
    """An extension to install, by id or name. Without ``version``, the newest ready version is installed."""

    extension: Annotated[str, Field(min_length=1, max_length=255)]
    version: str | None = None
    grants: GrantsIn = GrantsIn()
    config: dict[str, Any] = Field(default={})


class GrantsOut(Out):
    """The canonical grant set and its hash."""

    capabilities: list[str]
    egress: list[str]
    secrets: dict[str, list[str]]
    secret_headers: dict[str, str]
    limits: dict[str, int]
    hash: str


class InstallOut(Out):
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
    deliveries_paused_at: datetime | None
    waiting_request: "RequestOut | None"
    revision: int
    installed_at: datetime
    installed_by: str
    changed_at: datetime
    warnings: list[str]


class RequestOut(Out):
    """What a newer version asks for beyond the earlier one. It waits for a decision."""

    request_id: str
    from_version: str
    to_version: str
    difference: dict[str, Any]
    holds_code: bool
    created_at: datetime
    created_by: str


class MenuEntryOut(Out):
    """One place in the host application's user interface where an extension is shown.

    ``icon`` is the URL of an image, ``ui_url`` that of the page. ``paths`` are those of the page that belong to this
    entry.
    """

    install_id: str
    extension_id: str
    title: str
    label: str
    hook: str
    icon: str | None
    order: int
    paths: list[str]
    ui_url: str


class MenuOut(Out):
    """Everything that the caller is shown, by hook, order and label."""

    items: list[MenuEntryOut]


class UpdateIn(In):
    """The version to update to. Without ``version``, it is the newest ready version."""

    version: str | None = None


class RollbackIn(In):
    """The earlier version to go back to, and the reason."""

    version: str
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ApprovalIn(In):
    """The whole grant set from now on. Without ``grants``: the current grants plus all that the request asks for."""

    grants: GrantsIn | None = None


class ConfigIn(In):
    """The whole configuration of an install."""

    config: dict[str, Any]


class SecretIn(In):
    """A secret's value, and when it expires: an instant, or a maximum age in seconds, but not both."""

    value: Annotated[str, Field(min_length=1, max_length=65_536)]
    expires_at: AwareDatetime | None = None
    max_age_s: Annotated[int, Field(ge=60, le=10 * 366 * 86_400)] | None = None


class SecretOut(Out):
    """The state of a declared secret: missing, set, expiring (14 days before its expiry) or expired.

    Its value is never shown. ``max_age_days`` is how old the extension lets a value get.
    """

    name: str
    description: str
    required: bool
    hosts: list[str]
    header: str
    max_age_days: int | None
    state: str
    version: int | None
    created_at: datetime | None
    expires_at: datetime | None


def install_out(row: Row, request: Row | None, ui_base: str, not_offered: Mapping[str, str]) -> InstallOut:
    """Build the answer for an install row, with its waiting request if it has one.

    Args:
        row: the install.
        request: its waiting request.
        ui_base: base URL of the UI host.
        not_offered: see ``Services.not_offered``.
    """
    url = None if row["ui_entry"] is None else _ui_url(row, row["ui_entry"], ui_base)
    granted = GrantsOut(
        capabilities=row["granted_capabilities"],
        egress=row["granted_egress"],
        secrets=row["granted_secrets"],
        secret_headers=row["granted_secret_headers"],
        limits=row["granted_limits"],
        hash=row["grant_hash"],
    )
    waiting = None if request is None else RequestOut.model_validate(texts(request))
    warnings = warnings_of(row["granted_capabilities"], not_offered)
    return InstallOut.model_validate(
        {**texts(row), "grants": granted, "ui_url": url, "waiting_request": waiting, "warnings": warnings}
    )


def menu_entry_out(entry: Row, ui_base: str) -> MenuEntryOut:
    """Build the answer for an entry of ``menu.entries``; ``ui_base`` is the base URL of the UI host."""
    icon = None if entry["icon"] is None else _ui_url(entry, entry["icon"], ui_base)
    shown = {name: entry[name] for name in ("title", "label", "hook", "order", "paths")}
    ids = {"install_id": str(entry["install_id"]), "extension_id": str(entry["extension_id"])}
    return MenuEntryOut.model_validate(
        {**shown, **ids, "icon": icon, "ui_url": _ui_url(entry, entry["ui_entry"], ui_base)}
    )


def _ui_url(row: Row, path: str, ui_base: str) -> str:
    """Return the URL of a published file of an install's bundle; ``path`` is its path in the bundle."""
    return f"{ui_base}/ext-ui/{row['extension_id']}/{row['content_hash']}/{path.removeprefix(UI_PREFIX)}"
