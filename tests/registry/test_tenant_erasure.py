"""Erase a tenant: every table, in batches, by a sweeper that may die at any point, and nothing comes back."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from alga_ext.calls.limits import PRODUCT
from alga_ext.calls.log_lines import CallLog, KeptLine, pack
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry import sweeping
from functions.registry.events.bus import decode
from functions.registry.records.recording import Recorder
from functions.registry.tenant_data import erasure
from functions.registry.tenant_data.tables import AUDIT, ERASED, KEPT
from tests.conftest import Databases
from tests.registry.test_recorded_batches import call
from tests.support.catalogue import catalogue
from tests.support.counted_database import CountedDatabase
from tests.support.emitted import totals
from tests.support.events import bus_body, consumer_of, event_of, post, publisher_of, register_topic
from tests.support.registry import Answer, RegistryWorld, manifest_of
from tests.support.registry_process import RegistryProcess
from tests.support.rows import create_day, fill_tenant

LATER = timedelta(minutes=3)
"""After that, everything has settled."""
REFUSED = "42501"
FAILS_FOR_ONE = """
create function app.fail() returns trigger language plpgsql as $$ begin
  if old.tenant_id = 'tenant-a' then raise exception 'failed' using errcode = '57014'; end if;
  return old;
end $$;
create trigger fail before delete on app.extension_limit for each row execute function app.fail();
"""
RUN_AGAIN = "update app.tenant_erasure set state = 'running', finished_at = null where requested_at > '2021-01-01'"
ADD_CALLS = """
insert into app.extension_execution_log (tenant_id, day, execution_id, install_id, extension_id, version_id,
  content_hash, request_id, trace_id, method, path, principal, state, accepted_at)
select 'tenant-a', (now() at time zone 'UTC')::date, uuidv7(), gen_random_uuid(), gen_random_uuid(),
  gen_random_uuid(), 'h', 'r', 't', 'GET', '/', 'p', 'accepted', now() from generate_series(2, 20000)
"""
LINES = pack(CallLog(first=[KeptLine(1, "info", "guest", "late")]))


@pytest.fixture
def filled(world: RegistryWorld) -> RegistryWorld:
    """Two tenants with a row in every table."""
    fill_tenant(world.databases, "tenant-a")
    fill_tenant(world.databases, "tenant-b")
    return world


@pytest.fixture
def owner(world: RegistryWorld) -> Iterator[Database]:
    made = Database(world.databases.owner, statement_timeout_ms=60_000)
    yield made
    made.close()


def erase(world: RegistryWorld, tenant_id: str = "tenant-a", **headers: str) -> Answer:
    return world.call("DELETE", f"/tenants/{tenant_id}/data", world.admin, headers=headers)


def receipt(world: RegistryWorld, tenant_id: str = "tenant-a") -> Answer:
    return world.call("GET", f"/tenants/{tenant_id}/data", world.admin)


def sweep(world: RegistryWorld, after: timedelta = timedelta(), *, batches: int | None = None) -> dict[str, int]:
    """Let the sweeper run once, with time for so many batches of one erasure; None: for all."""
    now, clock = world.services.now() + after, itertools.count()
    batch_s = 0.0 if batches is None else sweeping._JOBS_TAKE_S / (batches + 2)
    return sweeping.do_jobs(world.services.database, world.services.objects, now, lambda: next(clock) * batch_s)


def rows_of(world: RegistryWorld, tenant_id: str = "tenant-a") -> dict[str, int]:
    """How many rows a tenant has in each table that an erasure empties."""
    counted = ", ".join(f"(select count(*) from app.{t} where tenant_id = '{tenant_id}') as {t}" for t in ERASED)
    return {table: int(rows) for table, rows in world.rows(f"select {counted}")[0].items()}


# The lists


def test_every_table_of_tenants_is_erased_or_kept_for_a_reason(databases: Databases) -> None:
    found = catalogue(databases.owner)
    parents = [name for name in found.tenant_tables if not name[-8:].isdigit()]

    assert sorted(parents) == sorted([*ERASED, *KEPT])


def test_no_table_that_is_kept_can_be_erased(filled: RegistryWorld) -> None:
    erase(filled)
    for table in (*KEPT, "schema_migration", "audit_event_20260101"):
        with pytest.raises(PlatformError), filled.services.database.tenant("tenant-a") as tx:
            tx.execute("select app.erase_rows(:table, 10)", table=table)


def test_without_an_erasure_no_row_can_be_erased_or_blanked(filled: RegistryWorld) -> None:
    for call_ in ("app.erase_rows('call_rate', 10)", "app.blank_audit(10)"):
        with pytest.raises(PlatformError) as refusal, filled.services.database.tenant("tenant-a") as tx:
            tx.execute(f"select {call_}")
        assert refusal.value.context["sqlstate"] == REFUSED


@pytest.mark.parametrize("call_", ["app.erase_rows('call_rate', 10)", "app.blank_audit(10)"])
def test_the_erasure_of_one_tenant_lets_no_other_be_erased(filled: RegistryWorld, call_: str) -> None:
    erase(filled)

    with pytest.raises(PlatformError) as refusal, filled.services.database.tenant("tenant-b") as tx:
        tx.execute(f"select {call_}")
    assert refusal.value.context["sqlstate"] == REFUSED


@pytest.mark.parametrize("role", ["fn_gateway", "fn_runner"])
@pytest.mark.parametrize("call_", ["app.erase_rows('call_rate', 10)", "app.blank_audit(10)"])
def test_other_roles_cannot_erase(filled: RegistryWorld, role: str, call_: str) -> None:
    erase(filled)
    database = Database(filled.databases.of(role))

    with pytest.raises(PlatformError) as refusal, database.tenant("tenant-a") as tx:
        tx.execute(f"select {call_}")
    database.close()
    assert refusal.value.context["sqlstate"] == REFUSED


# What is erased


def test_every_row_of_the_tenant_is_deleted_and_counted(filled: RegistryWorld, owner: Database) -> None:
    create_day(owner, (datetime.now(UTC) - timedelta(days=40)).date())
    with owner.tenant("tenant-a") as tx:
        tx.execute("""
            insert into app.extension_execution_log (tenant_id, day, execution_id, install_id, extension_id, version_id,
              content_hash, request_id, trace_id, method, path, principal, state, accepted_at)
            select tenant_id, (now() at time zone 'UTC')::date - 40, gen_random_uuid(), install_id, extension_id,
              version_id, content_hash, request_id, trace_id, method, path, principal, state, now() - interval '40 days'
            from app.extension_execution_log""")
    before = rows_of(filled)
    assert (before["extension_execution_log"], min(before.values())) == (2, 1)
    erase(filled)

    sweep(filled, LATER)

    assert set(rows_of(filled).values()) == {0}
    shown = receipt(filled).body
    assert (shown["state"], shown["counts"]) == ("done", {**before, AUDIT: 1})


def test_another_tenant_keeps_its_rows(filled: RegistryWorld) -> None:
    before = rows_of(filled, "tenant-b")
    erase(filled)

    sweep(filled, LATER)

    assert rows_of(filled, "tenant-b") == before
    assert filled.rows("select actor from app.audit_event where tenant_id = 'tenant-b'") == [{"actor": "a"}]


def test_the_audit_trail_is_kept_without_persons(published: RegistryWorld) -> None:
    install_id = published.install()["install_id"]
    hers = {"users": {"eve@example.com": {"burst": 1, "per_second": 1}}}
    published.call("PUT", "/tenants/tenant-a/limits", published.tenant_admin(), hers)
    headers = {"x-request-id": "eve-was-here"}
    published.call("POST", f"/installs/{install_id}/pin", published.tenant_admin(), headers=headers)
    erase(published)

    sweep(published, LATER)

    trail = published.call("GET", "/audit", published.tenant_admin()).body["items"]
    assert [row["action"] for row in trail] == [
        "tenant.erased", "tenant.erase", "install.pin", "limits.set", "install.create",
    ]  # fmt: skip
    assert [row["actor"] for row in trail] == ["platform", "platform", "erased", "erased", "erased"]
    assert not any(name in str(trail) for name in ("eve@example.com", "eve-was-here", "admin@tenant-a"))
    assert trail[2]["after"] == {"pinned": True}
    assert set(trail[4]["after"]) == {
        "state", "version", "content_hash", "publisher", "publisher_key_id", "revived",
    }  # fmt: skip


def test_nothing_of_a_configuration_stays_in_the_audit_trail(world: RegistryWorld) -> None:
    world.register()
    schema = {"type": "object", "properties": {"version": {"type": "string"}}}
    world.publish(manifest_of(config=schema))
    install_id = world.install()["install_id"]
    config = {"config": {"version": "eve@example.com"}}
    assert world.call("PUT", f"/installs/{install_id}/config", world.tenant_admin(), config).status == 200
    erase(world)

    sweep(world, LATER)

    rows = world.rows("select before, after from app.audit_event where action = 'install.config'")
    assert rows == [{"before": None, "after": None}]


# The request


def test_an_erasure_stops_calls_at_once(published: RegistryWorld) -> None:
    published.install()

    answer = erase(published)

    assert (answer.status, answer.body["state"]) == (202, "running")
    assert published.rows("select state from app.tenant_extension_install") == [{"state": "uninstalled"}]


def test_the_answer_says_where_the_receipt_is(filled: RegistryWorld) -> None:
    answer = erase(filled)

    assert answer.headers["location"] == "/api/registry/v1/tenants/tenant-a/data"
    assert receipt(filled).body == answer.body


def test_a_repeated_request_gets_the_receipt_of_the_running_erasure(filled: RegistryWorld) -> None:
    assert erase(filled).body["erasure_id"] == erase(filled).body["erasure_id"]


def test_a_repeated_request_gets_the_receipt_of_an_erasure_that_is_done(filled: RegistryWorld) -> None:
    first = erase(filled).body["erasure_id"]
    sweep(filled, LATER)

    again = erase(filled)

    assert (again.body["erasure_id"], again.body["state"]) == (first, "done")


def test_what_came_after_an_erasure_can_be_erased_too(published: RegistryWorld) -> None:
    first = erase(published).body["erasure_id"]
    sweep(published, LATER)
    published.install()

    again = erase(published)

    assert (again.body["erasure_id"] != first, again.body["state"]) == (True, "running")


def test_a_receipt_that_nobody_asked_for_is_not_found(world: RegistryWorld) -> None:
    assert receipt(world).code == "erasure_not_found"


def test_an_erasure_with_the_tag_of_an_older_receipt_is_refused(filled: RegistryWorld) -> None:
    tag = receipt(filled).headers["etag"]
    erase(filled)

    assert erase(filled, **{"if-match": tag}).code == "precondition_failed"


def test_an_erasure_of_a_tenant_without_a_receipt_refuses_every_tag(published: RegistryWorld) -> None:
    published.install()

    assert erase(published, **{"if-match": '"0"'}).code == "precondition_failed"
    assert published.rows("select state from app.tenant_extension_install") == [{"state": "enabled"}]


def test_nothing_can_be_installed_while_a_tenant_is_being_erased(published: RegistryWorld) -> None:
    erase(published)
    wanted = {"extension": "com.acme.notes"}

    refused = published.call("POST", "/installs", published.tenant_admin(), wanted)

    assert (refused.status, refused.code) == (409, "tenant_being_erased")


# What arrives meanwhile


def test_an_erasure_does_not_end_before_everything_has_settled(filled: RegistryWorld) -> None:
    erase(filled)

    sweep(filled, timedelta(seconds=119))

    assert receipt(filled).body["state"] == "running"


def test_an_installation_that_was_in_progress_is_uninstalled_and_prolongs_the_erasure(
    published: RegistryWorld, owner: Database
) -> None:
    published.install()
    erase(published)
    with owner.system() as tx:
        tx.execute("update app.tenant_extension_install set state = 'enabled', uninstalled_at = null")

    sweep(published, LATER)
    assert receipt(published).body["state"] == "running"
    sweep(published, 2 * LATER)

    assert receipt(published).body["state"] == "done"
    assert published.rows("select count(*) as n from app.tenant_extension_install") == [{"n": 0}]


@pytest.mark.parametrize("is_done", [False, True], ids=["running", "done"])
def test_a_call_from_before_the_erasure_leaves_no_record(filled: RegistryWorld, is_done: bool) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    accepted, finished = call(1, at=before)
    messages = [accepted, msgspec.structs.replace(finished, logs_b64z=LINES)]
    erase(filled)
    sweep(filled, LATER)
    if not is_done:
        with filled.services.database.tenant("tenant-a") as tx:
            tx.execute(RUN_AGAIN)

    assert Recorder(filled.services.database, PRODUCT).record(messages) == {}

    assert set(rows_of(filled).values()) == {0}


def test_a_tenant_that_comes_back_is_recorded(filled: RegistryWorld) -> None:
    erase(filled)
    sweep(filled, LATER)

    assert Recorder(filled.services.database, PRODUCT).record(call(1, at=datetime.now(UTC) + 2 * LATER)) == {}

    assert rows_of(filled)["extension_execution_log"] == 1


def test_nothing_can_be_published_while_a_tenant_is_being_erased(filled: RegistryWorld) -> None:
    register_topic(filled)
    erase(filled)
    sweep(filled, timedelta(seconds=1))

    of_tenant = post(filled, event_of())
    of_platform = post(filled, event_of(algatenant="tenant-a"), publisher_of(filled, None))
    of_another = post(filled, event_of(), publisher_of(filled, "tenant-b"))

    assert (of_tenant.status, of_tenant.code, of_platform.code) == (409, "tenant_being_erased", "tenant_being_erased")
    assert of_another.status == 202
    assert rows_of(filled)["extension_event"] == 0
    assert filled.rows("select from app.audit_event where action = 'event.publish'") == []


@pytest.mark.parametrize("is_done", [False, True], ids=["running", "done"])
def test_an_event_from_the_bus_from_before_the_end_of_the_erasure_is_dropped(
    filled: RegistryWorld, capsys: pytest.CaptureFixture[str], is_done: bool
) -> None:
    register_topic(filled)
    erase(filled)
    sweep(filled, LATER if is_done else timedelta())
    capsys.readouterr()
    bodies = [bus_body(event_of(algatenant=of), time=datetime.now(UTC).isoformat()) for of in ("tenant-a", "tenant-b")]

    assert consumer_of(filled).handle([decode(body) for body in bodies]) == {}

    output = capsys.readouterr().out
    assert '"code": "tenant_being_erased"' in output
    assert (totals(output)["EventsRefused"], totals(output)["EventsReceived"]) == (1, 1)
    assert rows_of(filled)["extension_event"] == 0


def test_an_event_from_the_bus_from_after_the_erasure_is_stored(filled: RegistryWorld) -> None:
    register_topic(filled)
    erase(filled)
    sweep(filled, LATER)
    after = (datetime.now(UTC) + 2 * LATER).isoformat()

    assert consumer_of(filled).handle([decode(bus_body(event_of(algatenant="tenant-a"), time=after))]) == {}

    assert rows_of(filled)["extension_event"] == 1


# The sweeper


def test_an_erasure_goes_on_where_the_time_of_a_run_ended(
    filled: RegistryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_ROWS_PER_BATCH", 3)
    with filled.services.database.tenant("tenant-a") as tx:
        tx.execute("""insert into app.idempotency_record
            (tenant_id, principal, operation, key, body_sha256, status, response)
            select 'tenant-a', 'p', 'o', 'k' || i, 'b', 201, '{}' from generate_series(1, 395) i""")
    before = rows_of(filled)
    erase(filled)
    # Half a second for each batch, so that a look at every table, at the end, fits into the time of one run.
    halves, runs = itertools.count(), 0
    while receipt(filled).body["state"] == "running" and runs < 10:
        runs += 1
        now = filled.services.now() + LATER
        sweeping.do_jobs(filled.services.database, filled.services.objects, now, lambda: next(halves) / 2)

    assert 2 < runs < 10
    assert receipt(filled).body["counts"] == {**before, AUDIT: 1}


def test_an_erasure_ends_although_each_run_has_time_for_few_tables_only(filled: RegistryWorld) -> None:
    before = rows_of(filled)
    erase(filled)

    runs = 0
    while receipt(filled).body["state"] == "running" and runs < 20:
        runs += 1
        sweep(filled, LATER, batches=4)

    assert runs == -(-len([*ERASED, AUDIT]) // 4)
    assert (receipt(filled).body["counts"], set(rows_of(filled).values())) == ({**before, AUDIT: 1}, {0})


def test_a_pass_that_began_before_everything_had_settled_does_not_end_an_erasure(filled: RegistryWorld) -> None:
    erase(filled)
    sweep(filled, timedelta(seconds=119), batches=4)

    sweep(filled, LATER)
    assert (receipt(filled).body["state"], set(rows_of(filled).values())) == ("running", {0})

    sweep(filled, LATER)
    assert receipt(filled).body["state"] == "done"


def test_an_erasure_whose_place_is_no_table_any_more_begins_a_pass(filled: RegistryWorld, owner: Database) -> None:
    erase(filled)
    with owner.system() as tx:
        tx.execute("update app.tenant_erasure set next_table = 'gone', pass_began_at = now() - interval '1 day'")

    sweep(filled, LATER)

    assert (receipt(filled).body["state"], set(rows_of(filled).values())) == ("done", {0})


def test_a_large_erasure_does_not_keep_another_one_waiting(filled: RegistryWorld, owner: Database) -> None:
    with owner.tenant("tenant-a") as tx:
        tx.execute(ADD_CALLS)
    erase(filled)
    erase(filled, "tenant-b")

    sweep(filled, LATER, batches=12)

    assert receipt(filled).body["counts"]["extension_execution_log"] < 20_000
    assert receipt(filled, "tenant-b").body["counts"] != {}


def test_a_tenant_that_cannot_be_erased_does_not_stop_the_others(filled: RegistryWorld, owner: Database) -> None:
    erase(filled)
    erase(filled, "tenant-b")
    with owner.system() as tx:
        tx.script(FAILS_FOR_ONE)

    sweep(filled, LATER)

    assert (receipt(filled).body["state"], receipt(filled, "tenant-b").body["state"]) == ("running", "done")


def test_a_sweeper_that_is_killed_at_any_step_loses_no_count(world: RegistryWorld, owner: Database) -> None:
    """A sample of the steps, each on a tenant of its own."""
    step, killed = 0, True
    with RegistryProcess(world) as process:
        while killed and step < 2_000:
            step += 41
            tenant_id = f"tenant-{step}"
            fill_tenant(world.databases, tenant_id)
            before = rows_of(world, tenant_id)
            erase(world, tenant_id)
            with owner.system() as tx:
                tx.execute("update app.tenant_erasure set settles_at = requested_at")
                tx.execute("update app.call_rate set arrival_us = 1e16")  # else it is full, and swept before

            killed = process.answer({}, "sweeper", step) is None
            assert process.answer({}, "sweeper", 10_000) is not None

            shown = receipt(world, tenant_id).body
            assert (shown["state"], shown["counts"]) == ("done", {**before, AUDIT: 1})
            assert set(rows_of(world, tenant_id).values()) == {0}
    assert step > 100, "an erasure has more steps than these"


def test_many_records_are_erased_in_batches(filled: RegistryWorld, owner: Database) -> None:
    with owner.tenant("tenant-a") as tx:
        tx.execute(ADD_CALLS)
    erase(filled)
    database = CountedDatabase(filled.databases.registry)

    sweeping.do_jobs(database, filled.services.objects, filled.services.now() + LATER, lambda: 0.0)
    database.close()

    assert receipt(filled).body["counts"]["extension_execution_log"] == 20_000
    assert database.transactions > 20_000 / 2_000
