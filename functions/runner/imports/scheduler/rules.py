"""Rules for schedules (pure; docs/reference/limits.md, schedules)."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alga_ext.calls.cron import cron_fault

SCHEDULES_LIMIT: Final = 50
CHANGES_PER_MINUTE: Final = 10
NAME_CHARACTERS: Final = 128
PAYLOAD_BYTES: Final = 64 * 1024
DEFAULT_TIMEZONE: Final = "UTC"

_NOT_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Files in the zone database that load like a zone but are not one: the machine's own setting, and placeholders."""
_DUPLICATE_ZONES: Final = ("posix/", "right/")
"""Folders with the same zones again, without and with leap seconds."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Endpoint(NamedTuple):
    """An endpoint that the installed version's manifest declares. ``id`` is method and path."""

    method: str
    path: str
    handler: str
    schedulable: bool

    @property
    def id(self) -> str:
        """The endpoint's id, for example ``POST /sync``."""
        return f"{self.method} {self.path}"


class Wanted(NamedTuple):
    """The requested state of a schedule after a change. ``endpoint`` is what ``find_endpoint`` returned."""

    endpoint: Endpoint | str
    cron: str
    timezone: str
    enabled: bool
    name: str | None
    payload: str | None


def find_endpoint(text: str, endpoints: Iterable[Endpoint]) -> Endpoint | str:
    """Return the endpoint that ``text`` names, or the fault of ``text`` when it names none.

    It names an endpoint by its id, or by a path that only one schedulable endpoint has. If no endpoint with that path
    is schedulable, the first of them is returned, so that its own fault can be reported.
    """
    known = list(endpoints)
    for endpoint in known:
        if endpoint.id == text:
            return endpoint
    same_path = [endpoint for endpoint in known if endpoint.path == text]
    fitting = [endpoint for endpoint in same_path if endpoint_fault(endpoint) is None]
    if len(fitting) > 1:
        names = " or ".join(repr(endpoint.id) for endpoint in fitting)
        return f"is the path of several endpoints; name one by method and path: {names}"
    if not same_path:
        return "is not a declared endpoint; name one by method and path, for example 'POST /sync'"
    return (fitting or same_path)[0]


def endpoint_fault(endpoint: Endpoint | str) -> str | None:
    """Return why an endpoint cannot be scheduled, or None. The result of ``find_endpoint`` may be a fault already."""
    if isinstance(endpoint, str):
        return endpoint
    if endpoint.method not in ("GET", "POST"):
        return "only GET and POST endpoints can be scheduled"
    if "/:" in endpoint.path:
        return "endpoints with path parameters cannot be scheduled"
    if not endpoint.schedulable:
        return "the manifest says that this endpoint cannot be scheduled"
    return None


def faults(wanted: Wanted) -> dict[str, str]:
    """Return the faults of a schedule by field. Empty when the schedule is valid."""
    found = {
        "endpoint": endpoint_fault(wanted.endpoint),
        "cron": cron_fault(wanted.cron),
        "timezone": None if is_timezone(wanted.timezone) else "is not an IANA time zone such as 'Europe/Berlin'",
        "name": name_fault(wanted.name),
        "payload": payload_fault(wanted.payload),
    }
    return {field: fault for field, fault in found.items() if fault is not None}


def is_timezone(name: str) -> bool:
    """Tell whether a name is an IANA time zone in this system's database.

    The result is the same as membership in ``zoneinfo.available_timezones()``, without the machine's own zone. Listing
    all zones reads hundreds of files, so this reads only the requested one.
    """
    if name in _NOT_ZONES or name.startswith(_DUPLICATE_ZONES):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def name_fault(name: str | None) -> str | None:
    """Return the fault of a schedule's name, or None."""
    if name is None:
        return None
    if not 1 <= len(name) <= NAME_CHARACTERS or _CONTROL.search(name):
        return f"must have 1 to {NAME_CHARACTERS} characters and no control characters"
    return None


def payload_fault(payload: str | None) -> str | None:
    """Return the fault of a payload, or None."""
    if payload is None:
        return None
    size = len(payload.encode())
    if size > PAYLOAD_BYTES:
        return f"is {size} bytes; at most {PAYLOAD_BYTES} are allowed"
    return "must not contain the NUL character" if "\0" in payload else None


def field_errors(found: Mapping[str, str]) -> str:
    """Return faults as a JSON object for the guest's ``field-errors``."""
    return json.dumps(dict(found), ensure_ascii=False, separators=(",", ":"))
