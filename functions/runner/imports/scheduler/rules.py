"""What may be scheduled: pure rules (docs/reference/limits.md, schedules)."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

SCHEDULES_LIMIT: Final = 50
CHANGES_PER_MINUTE: Final = 10
NAME_CHARACTERS: Final = 128
PAYLOAD_BYTES: Final = 64 * 1024
CRON_CHARACTERS: Final = 128
DEFAULT_TIMEZONE: Final = "UTC"

_NO_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Files beside the zones that load like one: what the machine happens to be set to, and fillers."""
_OTHER_CLOCKS: Final = ("posix/", "right/")
"""The same zones again, without and with leap seconds."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Endpoint(NamedTuple):
    """A declared endpoint of the version an install runs; ``id`` is method and path."""

    method: str
    path: str
    handler: str
    schedulable: bool

    @property
    def id(self) -> str:
        """The name a guest may use for it."""
        return f"{self.method} {self.path}"


class Wanted(NamedTuple):
    """A schedule as it would be after a change."""

    endpoint: Endpoint | None
    cron: str
    timezone: str
    enabled: bool
    name: str | None
    payload: str | None


def find_endpoint(text: str, endpoints: Iterable[Endpoint]) -> Endpoint | None:
    """Return the endpoint that ``text`` names by its id, or by a path that only one schedulable endpoint has."""
    known = list(endpoints)
    for endpoint in known:
        if endpoint.id == text:
            return endpoint
    fitting = [endpoint for endpoint in known if endpoint.path == text and endpoint_fault(endpoint) is None]
    if len(fitting) == 1:
        return fitting[0]
    same_path = [endpoint for endpoint in known if endpoint.path == text]
    return same_path[0] if len(same_path) == 1 else None


def endpoint_fault(endpoint: Endpoint | None) -> str | None:
    """Return why an endpoint cannot be scheduled, or None."""
    if endpoint is None:
        return "is no declared endpoint; name it by method and path, for example 'POST /sync'"
    if endpoint.method not in ("GET", "POST"):
        return "only GET and POST endpoints can be scheduled"
    if ":" in endpoint.path:
        return "endpoints with parameters cannot be scheduled"
    if not endpoint.schedulable:
        return "the manifest does not mark it as schedulable"
    return None


def faults(wanted: Wanted) -> dict[str, str]:
    """Return what is wrong with a schedule, by field; empty when nothing is."""
    found = {
        "endpoint": endpoint_fault(wanted.endpoint),
        "cron": cron_fault(wanted.cron),
        "timezone": None if is_timezone(wanted.timezone) else "is no IANA time zone, for example 'Europe/Berlin'",
        "name": name_fault(wanted.name),
        "payload": payload_fault(wanted.payload),
    }
    return {field: fault for field, fault in found.items() if fault is not None}


def cron_fault(cron: str) -> str | None:
    """Return what is wrong with a cron expression, or None: five fields, and a time that comes."""
    if len(cron) > CRON_CHARACTERS or len(cron.split()) != 5:
        return "must have five fields: minute, hour, day of month, month, day of week"
    try:
        next(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        return "cannot be read, or never comes"
    return None


def is_timezone(name: str) -> bool:
    """Tell whether a name is an IANA time zone of this system's database.

    These are ``zoneinfo.available_timezones()`` without the machine's own; listing them reads hundreds of files, so
    only the one that is asked for is read.
    """
    if name in _NO_ZONES or name.startswith(_OTHER_CLOCKS):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def name_fault(name: str | None) -> str | None:
    """Return what is wrong with a schedule's name, or None."""
    if name is None:
        return None
    if not 1 <= len(name) <= NAME_CHARACTERS or _CONTROL.search(name):
        return f"must have 1 to {NAME_CHARACTERS} characters and no control characters"
    return None


def payload_fault(payload: str | None) -> str | None:
    """Return what is wrong with a payload, or None."""
    if payload is None:
        return None
    size = len(payload.encode())
    if size > PAYLOAD_BYTES:
        return f"is {size} bytes; at most {PAYLOAD_BYTES} are allowed"
    return "must not hold NUL" if "\0" in payload else None


def next_run(cron: str, timezone: str, after: datetime) -> datetime:
    """Return the first time of a valid schedule after an instant, in UTC; wall clock times follow the zone's rules."""
    return next(CronSim(cron, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)


def field_errors(found: Mapping[str, str]) -> str:
    """Return faults as the JSON map the guest gets."""
    return json.dumps(dict(found), ensure_ascii=False, separators=(",", ":"))
