"""The response bodies about schedules."""

from datetime import datetime
from typing import Literal

from functions.registry.api.shapes import Out


class ScheduleOut(Out):
    """One schedule of an install.

    ``disabled_reason`` says why it is not enabled: ``admin``, or ``endpoint`` when the installed version has no such
    endpoint; null when the extension itself disabled it. ``next_run_at`` is null while it is disabled, and may be null
    while its install is. It does not run before ``backs_off_until``.
    """

    schedule_id: str
    install_id: str
    name: str | None
    method: Literal["GET", "POST"]
    path: str
    cron: str
    timezone: str
    enabled: bool
    disabled_reason: Literal["admin", "endpoint"] | None
    payload_bytes: int
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_run_status: str | None
    last_error: str | None
    consecutive_failures: int
    backs_off_until: datetime | None
    created_at: datetime
    updated_at: datetime


class ScheduleRunOut(Out):
    """A run that was asked for: the id of its delivery."""

    schedule_id: str
    delivery_id: str
