"""Log lines of calls: kept with the record, within a day's limit, readable by the tenant's admin, gone in time."""

import itertools
import uuid
import zlib
from base64 import b64encode
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from alga_ext.calls.envelope import RefusedCall
from alga_ext.calls.limits import PRODUCT, Limits, parse_defaults
from alga_ext.calls.log_lines import LINES_LIMIT_BYTES, CallLog, KeptLine, pack
from alga_ext.calls.messages import Message
from alga_ext.ids import new_execution_id
from alga_ext.stores.database import Database
from functions.registry.records import days
from functions.registry.records.recording import Recorder
from functions.registry.settings import SweeperSettings
from tests.registry.test_days import no_pause
from tests.registry.test_recorder import IDENTITY, accepted, finished, make_march
from tests.registry.test_ui_invalidation import REQUIRED
from tests.support.registry import RegistryWorld
from tests.support.rows import create_day

EXECUTION = IDENTITY["execution_id"]
AT = "2026-03-01T10:00:00+00:00"
OTHER_INSTALL = "00000000-0000-0000-0000-0000000000aa"
LOG = CallLog(first=[KeptLine(1, "info", "guest", "one"), KeptLine(7, "error", "stderr", "t\0wo\x1b[31m")])
GUEST: dict[str, Any] = {
    "guest_error": "no orders",
    "guest_stack": "at total (component.js:1:2)",
    "last_refusal": RefusedCall(capability="cap:http.fetch", reason="host a.example is not granted"),
}


def log_of(size_bytes: int) -> str:
    return pack(CallLog(first=[KeptLine(0, "info", "guest", "a" * size_bytes)]))


def execution_id(accepted_at: str) -> str:
    """Return the id of an execution of that instant."""
    return new_execution_id(datetime.fromisoformat(accepted_at))


def keeping(limit_bytes: int) -> Limits:
    """Limits of a stage that keeps so much text of an install a day."""
    install = msgspec.structs.replace(PRODUCT.install, kept_log_bytes=limit_bytes)
    return msgspec.structs.replace(PRODUCT, install=install)


def recorded(world: RegistryWorld, *messages: Message, limit_bytes: int = 10 * 2**20) -> None:
    """Record messages in one batch."""
    assert Recorder(world.services.database, keeping(limit_bytes)).record(messages) == {}


def record(world: RegistryWorld, limit_bytes: int = 10 * 2**20, **changes: Any) -> str:
    """Record a finished call and return its id."""
    given = {"execution_id": execution_id(changes.get("accepted_at", AT)), **changes}
    message = finished(**given)
    recorded(world, message, limit_bytes=limit_bytes)
    return message.execution_id


def logs(world: RegistryWorld, execution_id: str = EXECUTION) -> Any:
    found = world.call("GET", f"/executions/{execution_id}/logs", world.tenant_admin())
    assert found.status == 200, found
    return found.body


def lines_rows(world: RegistryWorld) -> list[dict[str, Any]]:
    return world.rows("select day, line_count, dropped, text_bytes from app.extension_execution_lines order by day")


def test_the_admin_reads_lines_error_and_refusal_of_a_call(world: RegistryWorld) -> None:
    record(world, execution_id=EXECUTION, status=502, error_code="guest_trapped", logs_b64z=pack(LOG), **GUEST)

    assert logs(world) == {
        "execution_id": EXECUTION,
        "install_id": IDENTITY["install_id"],
        "request_id": IDENTITY["request_id"],
        "trace_id": IDENTITY["trace_id"],
        "accepted_at": "2026-03-01T10:00:00Z",
        "guest_error": "no orders",
        "guest_stack": "at total (component.js:1:2)",
        "last_refusal": {"capability": "cap:http.fetch", "reason": "host a.example is not granted"},
        "lines": [
            {"at_ms": 1, "level": "info", "source": "guest", "text": "one"},
            {"at_ms": 7, "level": "error", "source": "stderr", "text": "t\0wo\x1b[31m"},
        ],
        "dropped": 0,
        "dropped_after": 2,
        "dropped_for": None,
    }


def test_lines_that_were_dropped_are_counted_where_they_were(world: RegistryWorld) -> None:
    log = CallLog(first=LOG.first[:1], dropped=5, last=LOG.first[1:])
    record(world, execution_id=EXECUTION, logs_b64z=pack(log))

    found = logs(world)

    assert (len(found["lines"]), found["dropped"], found["dropped_after"]) == (2, 5, 1)
    assert found["dropped_for"] == "call_limit"


def test_an_error_without_lines_can_be_read(world: RegistryWorld) -> None:
    record(world, execution_id=EXECUTION, **GUEST)

    assert (logs(world)["guest_error"], logs(world)["lines"]) == ("no orders", [])


def test_headers_that_the_gateway_dropped_are_lines_of_the_platform(world: RegistryWorld) -> None:
    record(world, execution_id=EXECUTION, logs_b64z=pack(LOG), lost_headers=["location"])

    line = logs(world)["lines"][-1]
    assert (line["level"], line["source"], line["at_ms"]) == ("warn", "platform", 7)
    assert line["text"].startswith("header location of the answer was dropped")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_lines_are_kept_and_counted_once_whatever_the_order_of_the_messages(
    world: RegistryWorld, order: tuple[int, ...]
) -> None:
    messages: list[Message] = [accepted(), accepted(), finished(logs_b64z=pack(LOG)), finished(logs_b64z=pack(LOG))]

    for index in order:
        recorded(world, messages[index])

    assert [row["line_count"] for row in lines_rows(world)] == [2]
    assert world.rows("select text_bytes from app.extension_log_day") == [{"text_bytes": LOG.text_bytes}]


def test_a_call_without_lines_stores_none(world: RegistryWorld) -> None:
    record(world)

    assert lines_rows(world) == []
    assert world.rows("select 1 from app.extension_log_day") == []


@pytest.mark.parametrize("execution_id", [EXECUTION, str(uuid.UUID(int=7)), "x", "%27"])
def test_a_call_of_which_nothing_is_kept_has_no_logs(world: RegistryWorld, execution_id: str) -> None:
    record(world, execution_id=EXECUTION)

    found = world.call("GET", f"/executions/{execution_id}/logs", world.tenant_admin())

    assert (found.status, found.code) == (404, "logs_not_found")


def test_one_tenants_lines_are_not_anothers(world: RegistryWorld) -> None:
    record(world, execution_id=EXECUTION, logs_b64z=pack(LOG))

    found = world.call("GET", f"/executions/{EXECUTION}/logs", world.tenant_admin("tenant-b"))

    assert (found.status, found.code) == (404, "logs_not_found")


def test_a_viewer_does_not_read_lines(world: RegistryWorld) -> None:
    found = world.call("GET", f"/executions/{EXECUTION}/logs", world.tenant_viewer())

    assert (found.status, found.code) == (403, "forbidden")


NOT_LINES = {
    "not base64": "…",
    "not compressed": b64encode(b"plain").decode(),
    "a bomb": b64encode(zlib.compress(bytes(2**26), 9)).decode(),
}


@pytest.mark.parametrize("packed", NOT_LINES.values(), ids=NOT_LINES)
def test_a_record_is_not_lost_for_lines_that_cannot_be_read(world: RegistryWorld, packed: str) -> None:
    record(world, logs_b64z=packed)

    assert world.rows("select state, status from app.extension_execution_log") == [{"state": "finished", "status": 200}]
    assert lines_rows(world) == []


def test_more_than_a_calls_text_is_cut_when_it_is_recorded(world: RegistryWorld) -> None:
    lines = [KeptLine(n, "info", "guest", "a" * 8_192) for n in range(40)]
    record(world, logs_b64z=pack(CallLog(first=lines)))

    (row,) = lines_rows(world)
    assert row["text_bytes"] <= LINES_LIMIT_BYTES
    assert row["line_count"] + row["dropped"] == 40


def test_beyond_a_days_limit_lines_are_dropped_and_counted(world: RegistryWorld) -> None:
    kept = [record(world, 2_500, logs_b64z=log_of(1_000)) for _ in range(3)]

    assert [logs(world, call)["dropped"] for call in kept] == [0, 0, 1]
    assert (logs(world, kept[2])["lines"], logs(world, kept[2])["dropped_for"]) == ([], "day_limit")
    assert world.rows("select text_bytes, dropped from app.extension_log_day") == [{"text_bytes": 2_000, "dropped": 1}]


@pytest.mark.parametrize("changes", [{"install_id": OTHER_INSTALL}, {"accepted_at": "2026-03-02T00:00:00+00:00"}])
def test_another_install_and_another_day_have_limits_of_their_own(
    world: RegistryWorld, changes: dict[str, str]
) -> None:
    record(world, 1_000, logs_b64z=log_of(1_000))

    other = record(world, 1_000, logs_b64z=log_of(1_000), **changes)

    assert logs(world, other)["dropped"] == 0


def test_a_small_call_still_fits_where_a_large_one_did_not(world: RegistryWorld) -> None:
    large, small = (record(world, 1_000, logs_b64z=log_of(size)) for size in (1_001, 10))

    assert (logs(world, large)["dropped"], logs(world, small)["dropped"]) == (1, 0)


def test_calls_of_one_batch_share_the_limit(world: RegistryWorld) -> None:
    messages = [finished(execution_id=str(uuid.UUID(int=n)), logs_b64z=log_of(1_000)) for n in range(1, 4)]

    recorded(world, *messages, *messages, limit_bytes=2_500)

    assert sorted(row["dropped"] for row in lines_rows(world)) == [0, 0, 1]
    assert world.rows("select text_bytes, dropped from app.extension_log_day") == [{"text_bytes": 2_000, "dropped": 1}]


def test_lines_are_gone_with_their_day_and_the_record_stays(world: RegistryWorld) -> None:
    now = datetime.now(UTC)
    for age in (14, 15):
        at = now - timedelta(days=age)
        make_day(world, at.date())
        record(world, accepted_at=at.isoformat(), logs_b64z=pack(LOG))

    for _ in range(2):
        days.sweep(world.services.database, timedelta(days=90), timedelta(days=14), timedelta(days=90), no_pause)

    assert [row["day"] for row in lines_rows(world)] == [(now - timedelta(days=14)).date()]
    assert len(world.rows("select 1 from app.extension_log_day")) == 1
    assert len(world.rows("select 1 from app.extension_execution_log")) == 2


def make_day(world: RegistryWorld, day: date) -> None:
    owner = Database(world.databases.owner)
    create_day(owner, day)
    owner.close()


@pytest.fixture(autouse=True)
def march(world: RegistryWorld) -> None:
    """The days that these tests use. The recorder itself makes only those near today."""
    make_march(world.databases)


def test_ten_mebibytes_of_lines_are_kept_unless_the_stage_says_otherwise() -> None:
    assert parse_defaults("{}").install.kept_log_bytes == 10 * 2**20
    assert parse_defaults('{"install": {"kept_log_bytes": 0}}').install.kept_log_bytes == 0


def test_lines_are_kept_for_fourteen_days_unless_a_setting_says_otherwise() -> None:
    assert SweeperSettings.read(REQUIRED).call_log_retention_days == 14


@pytest.mark.parametrize(
    ("by_platform", "by_tenant", "kept"),
    [(2_000, None, 2), (None, 1_000, 1), (2_000, 1_000, 1), (0, None, 0)],
    ids=["the platform raises it", "the tenant lowers it", "both", "the platform keeps none"],
)
def test_how_much_is_kept_of_an_install_can_be_set(
    published: RegistryWorld, by_platform: int | None, by_tenant: int | None, kept: int
) -> None:
    install_id = str(published.install()["install_id"])
    path = f"/installs/{install_id}/limits"
    for value, token, query in (
        (by_platform, published.admin, "tenant_id=tenant-a"),
        (by_tenant, published.tenant_admin(), ""),
    ):
        if value is not None:
            assert published.call("PUT", path, token, {"kept_log_bytes": value}, query=query).status == 200

    calls = [record(published, 1_500, logs_b64z=log_of(1_000), install_id=install_id) for _ in range(3)]

    assert [logs(published, call)["dropped"] for call in calls] == [0] * kept + [1] * (3 - kept)


def test_a_tenant_cannot_have_more_lines_kept_than_the_platform_allows(published: RegistryWorld) -> None:
    path = f"/installs/{published.install()['install_id']}/limits"
    admin = published.tenant_admin()

    assert published.call("PUT", path, admin, {"kept_log_bytes": 10 * 2**20}).status == 200
    refused = published.call("PUT", path, admin, {"kept_log_bytes": 10 * 2**20 + 1})

    assert refused.code == "limit_too_high"
    assert "install.kept_log_bytes is 10485761, the platform allows 10485760" in refused.body["detail"]


def test_no_lines_are_kept_where_the_limits_cannot_be_read(world: RegistryWorld) -> None:
    owner = Database(world.databases.owner)
    with owner.tenant("tenant-a") as tx:
        tx.execute(
            "insert into app.extension_limit (tenant_id, install_id, by_platform, changed_by) "
            "values ('tenant-a', :install_id, '{\"novel\": 1}', 't')",
            install_id=IDENTITY["install_id"],
        )
    owner.close()

    assert logs(world, record(world, logs_b64z=log_of(10)))["dropped"] == 1


# The list


def listed(world: RegistryWorld, query: str = "") -> list[str]:
    found = world.call("GET", "/executions", world.tenant_viewer(), query=query)
    assert found.status == 200, found
    return [item["execution_id"] for item in found.body["items"]]


def test_executions_are_listed_newest_first_and_page_by_page(world: RegistryWorld) -> None:
    times = [f"2026-03-01T10:00:0{second}+00:00" for second in (0, 1, 1, 1, 2)]
    made = [record(world, accepted_at=at) for at in times]

    seen, cursor = [], ""
    while cursor is not None:
        page = world.call("GET", "/executions", world.tenant_viewer(), query=f"page_size=2{cursor}").body
        seen += [item["execution_id"] for item in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert seen == [made[4], *sorted(made[1:4], reverse=True), made[0]]


def test_executions_are_filtered_by_install_and_outcome(world: RegistryWorld) -> None:
    good = record(world)
    refused = record(world, status=502, error_code="guest_trapped")
    failed = record(world, status=500)
    other = record(world, install_id=OTHER_INSTALL, status=404)
    recorded(world, accepted())

    assert set(listed(world)) == {good, refused, failed, other, EXECUTION}
    assert set(listed(world, "outcome=error")) == {refused, failed}
    assert set(listed(world, "outcome=ok")) == {good, other}
    assert listed(world, f"install={OTHER_INSTALL}") == [other]
    assert listed(world, f"install={OTHER_INSTALL}&outcome=error") == []


def test_an_execution_in_the_list_says_how_it_ended(world: RegistryWorld) -> None:
    record(world, execution_id=EXECUTION, status=502, error_code="guest_trapped", **GUEST)

    (item,) = world.call("GET", "/executions", world.tenant_viewer()).body["items"]

    assert (item["status"], item["error_code"], item["outcome"]) == (502, "guest_trapped", "trapped")
    assert (item["path"], item["path_template"]) == ("/notes/7", "/notes/:id")
    assert "no orders" not in str(item)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("install=x", "install_not_found"),
        ("outcome=bad", "invalid_request"),
        ("cursor=x", "invalid_request"),
        ("cursor=WyJ4IiwgIngiXQ", "invalid_request"),
        ("page_size=101", "invalid_request"),
    ],
)
def test_a_list_that_cannot_be_given_is_refused(world: RegistryWorld, query: str, code: str) -> None:
    assert world.call("GET", "/executions", world.tenant_viewer(), query=query).code == code


def test_executions_of_other_tenants_are_not_listed(world: RegistryWorld) -> None:
    record(world, tenant_id="tenant-b")

    assert listed(world) == []
