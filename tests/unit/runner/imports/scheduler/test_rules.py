"""What may be scheduled."""

import struct
import subprocess
import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.runner.imports.scheduler import rules
from functions.runner.imports.scheduler.rules import Endpoint, Wanted

SYNC = Endpoint("POST", "/sync", "sync", schedulable=True)
ENDPOINTS = [
    SYNC,
    Endpoint("GET", "/status", "status", schedulable=True),
    Endpoint("DELETE", "/all", "clear", schedulable=True),
    Endpoint("POST", "/tickets/:id", "ticket", schedulable=True),
    Endpoint("POST", "/manual", "manual", schedulable=False),
    Endpoint("GET", "/both", "a", schedulable=True),
    Endpoint("POST", "/both", "b", schedulable=True),
]


def wanted(**changes: Any) -> Wanted:
    base = Wanted(SYNC, "*/5 * * * *", "UTC", enabled=True, name=None, payload=None)
    return base._replace(**changes)


def test_a_plain_schedule_has_no_faults() -> None:
    assert rules.faults(wanted(name="nightly", payload='{"a":1}', timezone="Europe/Berlin")) == {}


@pytest.mark.parametrize(("text", "found"), [("POST /sync", "POST /sync"), ("/sync", "POST /sync")])
def test_an_endpoint_is_named_by_id_or_by_a_path_that_is_unique(text: str, found: str) -> None:
    endpoint = rules.find_endpoint(text, ENDPOINTS)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.id == found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("/both", "is the path of several endpoints; name one by method and path: 'GET /both' or 'POST /both'"),
        ("/neither", "only GET and POST endpoints can be scheduled"),
        ("/nowhere", "is not a declared endpoint; name one by method and path, for example 'POST /sync'"),
        ("PUT /sync", "is not a declared endpoint; name one by method and path, for example 'POST /sync'"),
    ],
)
def test_an_endpoint_is_called_undeclared_only_when_it_is_not_declared(text: str, fault: str) -> None:
    neither = [Endpoint(method, "/neither", "n", schedulable=True) for method in ("PUT", "PATCH")]
    assert rules.faults(wanted(endpoint=rules.find_endpoint(text, [*ENDPOINTS, *neither]))) == {"endpoint": fault}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_get_and_post_endpoints_can_be_scheduled(method: str) -> None:
    assert rules.endpoint_fault(Endpoint(method, "/x", "x", schedulable=True)) is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "GETx", ""])
def test_endpoints_of_other_methods_cannot_be_scheduled(method: str) -> None:
    assert rules.endpoint_fault(Endpoint(method, "/x", "x", schedulable=True)) is not None


def test_of_endpoints_with_one_path_the_schedulable_one_is_found() -> None:
    put, post = (Endpoint(method, "/x", method, schedulable=True) for method in ("PUT", "POST"))

    assert rules.find_endpoint("/x", [put, post]) == rules.find_endpoint("/x", [post, put]) == post


def test_of_endpoints_that_cannot_be_scheduled_the_first_tells_its_fault() -> None:
    put = Endpoint("PUT", "/x", "put", schedulable=True)
    manual = Endpoint("POST", "/x", "post", schedulable=False)

    assert rules.find_endpoint("/x", [put, manual]) == put
    assert rules.find_endpoint("/x", [manual, put]) == manual


def test_the_limits_are_those_of_the_reference() -> None:
    assert (rules.SCHEDULES_LIMIT, rules.CHANGES_PER_MINUTE, rules.DEFAULT_TIMEZONE) == (50, 10, "UTC")


def test_every_field_with_a_fault_is_named() -> None:
    bad = Wanted("is not declared", "x", "Nowhere", enabled=True, name="", payload="\0")

    assert list(rules.faults(bad)) == ["endpoint", "cron", "timezone", "name", "payload"]
    assert rules.faults(bad)["endpoint"] == "is not declared"


def test_faults_reach_the_guest_as_compact_json() -> None:
    assert rules.field_errors({"cron": "größer", "name": "x"}) == '{"cron":"größer","name":"x"}'


def test_an_endpoints_id_stays_the_same_over_an_update() -> None:
    before = Endpoint("POST", "/sync", "old", schedulable=True)
    after = Endpoint("POST", "/sync", "new", schedulable=False)
    assert before.id == after.id == "POST /sync"


def test_a_colon_within_a_segment_is_not_a_parameter() -> None:
    assert rules.endpoint_fault(Endpoint("POST", "/jobs/a:b", "j", schedulable=True)) is None


@pytest.mark.parametrize("text", ["DELETE /all", "POST /tickets/:id", "POST /manual", "/nowhere", ""])
def test_endpoints_that_cannot_be_scheduled_are_refused(text: str) -> None:
    assert "endpoint" in rules.faults(wanted(endpoint=rules.find_endpoint(text, ENDPOINTS)))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_iana_time_zones_are_taken(zone: str) -> None:
    assert rules.is_timezone(zone)


@pytest.mark.parametrize(
    "zone",
    [
        "", "Berlin", "../etc/passwd", "/etc/localtime", "UTC+2", "Europe", "Europe/Berlin\0", "localtime",
        "posixrules", "Factory", "posix/UTC", "posix/Europe/Berlin", "right/UTC", "right/Europe/Berlin", "tzdata.zi",
        "./UTC", "Europe//Berlin", "posix", "right",
    ],
)  # fmt: skip
def test_other_time_zones_are_refused(zone: str) -> None:
    assert not rules.is_timezone(zone)


@pytest.fixture
def zones_everywhere(tmp_path: Path) -> Iterator[None]:
    """Use a zone database in which every name below is a valid file."""
    for name in ("Here", "localtime", "posixrules", "Factory", "posix/UTC", "right/UTC", "my/posix/Here"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"TZif" + bytes(16) + struct.pack(">6I", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0")
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path])
    ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(before)
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("zones_everywhere")
def test_files_that_load_like_a_zone_but_are_none_are_refused() -> None:
    names = ("Here", "my/posix/Here", "localtime", "posixrules", "Factory", "posix/UTC", "right/UTC")

    assert [name for name in names if rules.is_timezone(name)] == ["Here", "my/posix/Here"]


def test_every_zone_that_this_machine_lists_is_taken_but_its_own() -> None:
    listed = zoneinfo.available_timezones()
    assert {zone for zone in listed if not rules.is_timezone(zone)} == listed & {"localtime", "posixrules", "Factory"}


def test_every_file_of_the_database_that_is_not_listed_is_refused() -> None:
    listed = zoneinfo.available_timezones()
    files = {
        str(file.relative_to(folder))
        for folder in zoneinfo.TZPATH
        for file in Path(folder).rglob("*")
        if file.is_file()
    }
    assert [name for name in files - listed if rules.is_timezone(name)] == []


@pytest.mark.parametrize("name", [None, "x", "x" * 128, "ü" * 128, "a b ~"])
def test_a_name_has_1_to_128_characters(name: str | None) -> None:
    assert rules.faults(wanted(name=name)) == {}


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb", "\0", "\x1f", "a\x7f"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    assert list(rules.faults(wanted(name=name))) == ["name"]


@pytest.mark.parametrize("payload", [None, "", "{}", "x" * 65_536, "ü" * 32_768])
def test_a_payload_has_at_most_64_kib(payload: str | None) -> None:
    assert rules.faults(wanted(payload=payload)) == {}


@pytest.mark.parametrize("payload", ["x" * 65_537, "ü" * 32_768 + "x", "\0", "a\0b"])
def test_payloads_that_cannot_be_stored_are_refused(payload: str) -> None:
    assert list(rules.faults(wanted(payload=payload))) == ["payload"]


def test_a_cold_start_imports_nothing_of_schedules() -> None:
    program = "import sys, functions.runner.runner; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"cronsim", "functions.runner.imports.scheduler.rules"} & set(found.stdout.split()) == set()
