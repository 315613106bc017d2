"""The response bodies about erasures and exports of tenants."""

from datetime import datetime
from typing import Literal

from functions.registry.api.shapes import Out


class ErasureOut(Out):
    """The receipt of an erasure.

    ``counts`` has the rows so far: deleted ones by table, and for ``audit_event`` those in which the persons were
    blanked. A running erasure ends at ``settles_at`` at the earliest.
    """

    tenant_id: str
    erasure_id: str
    state: Literal["running", "done"]
    requested_at: datetime
    requested_by: str
    settles_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]


class ExportPartOut(Out):
    """One object of an export: rows of one table as gzipped JSON Lines. ``url`` is valid for 5 minutes."""

    number: int
    table_name: str
    row_count: int
    size_bytes: int
    sha256: str
    url: str


class ExportManifestOut(Out):
    """The object that lists all parts. ``url`` is valid for 5 minutes."""

    sha256: str
    url: str


class ExportOut(Out):
    """An export of a tenant, with a page of its parts when it is done.

    ``counts`` has the rows so far, by table. The parts can be fetched until ``expires_at``.
    """

    tenant_id: str
    export_id: str
    state: Literal["running", "done"]
    requested_at: datetime
    requested_by: str
    finished_at: datetime | None
    expires_at: datetime
    counts: dict[str, int]
    manifest: ExportManifestOut | None
    parts: list[ExportPartOut]
    next_cursor: str | None
