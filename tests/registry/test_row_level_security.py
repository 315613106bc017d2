"""Row-level security, read from the live catalogue: a new table, role, view or function is judged without a list."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database, Tx
from tests.conftest import PASSWORD, ROLES, Databases
from tests.support.catalogue import Catalogue, Definer, catalogue
from tests.support.rows import fill_tenant

REFUSED = "42501"
"""The database's refusal: no grant, or a row the policy does not admit."""

PLATFORM_TABLES = {
    "event_topic",
    "extension_artifact", "extension_bundle", "extension_registry", "extension_upload", "extension_version",
    "platform_call_total", "platform_delivery_total", "platform_extension_total", "platform_idempotency_record",
    "platform_unknown_total",
    "publisher", "publisher_key", "publisher_prefix", "schema_migration",
    "transparency_leaf", "transparency_node", "transparency_size",
}  # fmt: skip
"""Tables that hold nothing of a tenant. A new one is added here after a look at its columns."""

EXCEPTIONS = {
    ("tenant_extension_install", "app_owner", "SELECT", "true"),
    ("extension_install_disabling", "app_owner", "SELECT", "true"),
    # app.tenants_with_due, app.tenants_with_deliveries_due
    ("extension_metric_total", "app_owner", "SELECT", "true"),
    ("call_idempotency", "app_owner", "SELECT", "true"),
    ("call_rate", "app_owner", "SELECT", "true"),
    ("extension_delivery", "app_owner", "SELECT", "true"),
    ("extension_event", "app_owner", "SELECT", "true"),
    ("extension_execution_log", "app_owner", "SELECT", "true"),
    ("extension_install_secret", "app_owner", "SELECT", "true"),
    ("extension_storage_entry", "app_owner", "SELECT", "true"),
    ("idempotency_record", "app_owner", "SELECT", "true"),
    # app.tenants_with_jobs
    ("tenant_erasure", "app_owner", "SELECT", "true"),
    ("tenant_export", "app_owner", "SELECT", "true"),
    # app.claim_due_schedules, which returns ids and times, and locks rows
    ("extension_schedule", "app_owner", "SELECT", "true"),
    ("extension_schedule", "app_owner", "UPDATE", "true"),
    # app.count_active_tenants
    ("tenant_activity", "app_owner", "SELECT", "true"),
}
"""Policies of tenants' tables beside the isolation: what functions with their owner's rights read, which return ids of
tenants or a number."""

DEFINERS = {
    # Ids and times of schedules that are due; whoever holds the lock moves them in the tenants' own transactions.
    "app.claim_due_schedules(timestamp with time zone,integer)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "49bf0162d8cdaa44"
    ),
    # One number about all tenants.
    "app.count_active_tenants(timestamp with time zone)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "87ad3e7010b05b5a"
    ),
    # One number about a version, over all tenants.
    "app.count_installs(uuid)": Definer("app_owner", ("fn_registry",), "search_path=app, pg_temp", "47402424b7d7c989"),
    # A trigger: called by hand it refuses, whoever asks.
    "app.count_storage()": Definer("app_owner", (), "search_path=app, pg_temp; enable_seqscan=off", "2f67315004262d1d"),
    "app.install_endpoints(uuid)": Definer("app_owner", ("fn_runner",), "search_path=app, pg_temp", "699292ee98d7345a"),
    "app.list_tenants(text,integer)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "516a39e56064cfba"
    ),
    # Of the transaction's own tenant only.
    "app.note_schedule_run(text,uuid,uuid,text,text)": Definer(
        "app_owner", ("fn_gateway",), "search_path=app, pg_temp; enable_seqscan=off", "7c78ee87e9596b84"
    ),
    # Partitions of records: made near today, removed after 14 days at least. Nothing is granted on them.
    "app.make_day(date)": Definer("app_owner", ("fn_registry",), "search_path=app, pg_temp", "0228bb70f497c643"),
    "app.remove_day(text,date)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp; lock_timeout=50ms", "799f830d16f05a25"
    ),
    # Of the transaction's tenant alone, and only while an erasure or an export of it is recorded as running.
    "app.blank_audit(integer)": Definer("app_owner", ("fn_registry",), "search_path=app, pg_temp", "caafd1d323105a4a"),
    "app.erase_rows(text,integer)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "f278b4777a2f630c"
    ),
    "app.export_rows(text,jsonb,integer)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "36ee30e95656a1cd"
    ),
    "app.tenants_with_jobs(integer)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "0164099a157f2e94"
    ),
    "app.tenants_with_deliveries_due(timestamp with time zone,integer)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "9015a90b00b90199"
    ),
    "app.tenants_with_due(timestamp with time zone,timestamp with time zone,integer)": Definer(
        "app_owner", ("fn_registry",), "search_path=app, pg_temp", "220a9b3066238449"
    ),
}
"""Functions with their owner's rights. A new or changed one is pinned after a review of what its callers see."""

_open: dict[str, Database] = {}
"""Connections of the running test, by URL: signing in costs more than any statement here."""


class RolledBackError(Exception):
    """Ends a transaction without keeping what it did."""


@pytest.fixture(autouse=True)
def close_connections() -> Iterator[None]:
    yield
    while _open:
        _open.popitem()[1].close()


def in_transaction(url: str, work: Callable[[Tx], Any], tenant_id: str | None = None) -> Any:
    """Do something in a transaction of its own that is rolled back; return what it returned."""
    database = _open.setdefault(url, Database(url))
    found: Any = None
    try:
        with database.tenant(tenant_id) if tenant_id else database.system() as tx:
            found = work(tx)
            raise RolledBackError
    except RolledBackError:
        return found


def rows(url: str, sql: str, tenant_id: str | None = None) -> list[dict[str, Any]]:
    """Run a statement in a transaction of its own that is rolled back."""
    found: list[dict[str, Any]] = in_transaction(url, lambda tx: tx.rows(sql), tenant_id)
    return found


def touched(url: str, sql: str, tenant_id: str | None) -> int | str:
    """Return how many rows a statement touches; a refusal touches none, any other error is returned as its state.

    A constraint that is violated was reached by way of a row, so that error counts as touching.
    """
    try:
        count: int = in_transaction(url, lambda tx: tx.execute(sql), tenant_id)
    except PlatformError as error:
        state = str(error.context.get("sqlstate"))
        return 0 if state == REFUSED else state
    return count


@pytest.fixture
def filled(databases: Databases) -> Databases:
    """A database in which every tenant table has a row of tenant-a."""
    fill_tenant(databases, "tenant-a")
    return databases


def signed_in(databases: Databases) -> dict[str, str]:
    """Return a URL for every login role of the platform."""
    roles = list(catalogue(databases.owner).login_roles)
    database = Database(databases.owner)
    with database.system() as tx:
        for role in roles:
            tx.set_role_password(role, PASSWORD)
    database.close()
    return {role: databases.of(role) for role in roles}


# The catalogue


def test_every_function_signs_in_as_a_role_of_the_catalogue(databases: Databases) -> None:
    assert set(ROLES) <= set(catalogue(databases.owner).login_roles)


def test_no_login_role_is_above_row_level_security(databases: Databases) -> None:
    assert [role for role, above in catalogue(databases.owner).login_roles.items() if above] == []


def test_no_login_role_may_act_as_the_owner(databases: Databases) -> None:
    roles = catalogue(databases.owner).login_roles
    members = rows(
        databases.owner, "select rolname as name from pg_roles where pg_has_role(rolname, 'app_owner', 'member')"
    )

    assert [row["name"] for row in members if row["name"] in roles] == []


def test_every_table_forces_row_level_security_and_every_tenants_table_isolates_tenants(databases: Databases) -> None:
    assert catalogue(databases.owner).faults() == []


def test_a_table_without_a_tenant_is_one_that_was_looked_at(databases: Databases) -> None:
    found = catalogue(databases.owner)

    assert set(found.tables) - set(found.tenant_tables) == PLATFORM_TABLES


def test_policies_beside_the_isolation_were_looked_at(databases: Databases) -> None:
    assert catalogue(databases.owner).exceptions() == EXCEPTIONS


def test_there_is_no_view(databases: Databases) -> None:
    assert catalogue(databases.owner).views == []


def test_functions_with_their_owners_rights_were_looked_at(databases: Databases) -> None:
    assert catalogue(databases.owner).definers == DEFINERS


# The catalogue check itself

NEW_TABLE = """
create table app.novelty (tenant_id text not null, name text not null, primary key (tenant_id, name));
alter table app.novelty owner to app_owner;
alter table app.novelty enable row level security;
alter table app.novelty force row level security;
create policy tenant_isolation on app.novelty using (tenant_id = app.current_tenant())
  with check (tenant_id = app.current_tenant());
"""


def seen_after(databases: Databases, script: str) -> Catalogue:
    """Return the catalogue after a migration that is not kept."""

    def look(tx: Tx) -> Catalogue:
        tx.script(script)
        return Catalogue(tx)

    found: Catalogue = in_transaction(databases.owner, look)
    return found


def test_a_new_tenants_table_by_the_rules_passes_unlisted(databases: Databases) -> None:
    found = seen_after(databases, NEW_TABLE)

    assert ("novelty" in found.tenant_tables, found.faults(), found.exceptions()) == (True, [], EXCEPTIONS)


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (
            "drop policy tenant_isolation on app.novelty",
            ["has no policy", "has no policy that isolates tenants"],
        ),
        ("alter table app.novelty disable row level security", ["has row-level security off"]),
        ("alter table app.novelty no force row level security", ["does not force row-level security"]),
        ("alter policy tenant_isolation on app.novelty using (true)", ["has no policy that isolates tenants"]),
        ("alter policy tenant_isolation on app.novelty with check (true)", ["has no policy that isolates tenants"]),
        ("alter policy tenant_isolation on app.novelty to fn_registry", ["has no policy that isolates tenants"]),
        (
            "alter table app.novelty drop constraint novelty_pkey, add primary key (name, tenant_id)",
            ["does not begin its primary key with tenant_id"],
        ),
        ("alter table app.novelty drop constraint novelty_pkey", ["does not begin its primary key with tenant_id"]),
        ("alter table app.novelty owner to fn_registry", ["is owned by a role that signs in"]),
        ("alter table app.novelty set schema public", ["is not in schema app", "has no policy",
                                                       "has no policy that isolates tenants"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_new_tenants_table_that_breaks_a_rule_fails_the_check(
    databases: Databases, change: str, faults: list[str]
) -> None:
    assert seen_after(databases, NEW_TABLE + change).faults() == [f"novelty: {fault}" for fault in faults]


def test_a_second_policy_on_a_tenants_table_fails_until_it_is_looked_at(databases: Databases) -> None:
    found = seen_after(databases, "create policy more on app.audit_event for select to fn_gateway using (true)")

    assert found.exceptions() - EXCEPTIONS == {("audit_event", "fn_gateway", "SELECT", "true")}


def test_a_new_table_without_a_tenant_fails_until_it_is_looked_at(databases: Databases) -> None:
    found = seen_after(databases, "create table app.novelty (name text primary key)")

    assert set(found.tables) - set(found.tenant_tables) - PLATFORM_TABLES == {"novelty"}


@pytest.mark.parametrize("kind", ["view", "materialized view"])
def test_a_new_view_fails_until_it_is_looked_at(databases: Databases, kind: str) -> None:
    assert seen_after(databases, f"create {kind} app.novelty as select 1 as one").views == ["app.novelty"]


def test_a_new_function_with_its_owners_rights_fails_until_it_is_looked_at(databases: Databases) -> None:
    found = seen_after(databases, "create function app.novelty() returns int language sql security definer return 1")

    assert set(found.definers) - set(DEFINERS) == {"app.novelty()"}


def test_another_body_of_such_a_function_fails_until_it_is_looked_at(databases: Databases) -> None:
    change = """
        create or replace function app.list_tenants(after_tenant text, page_size integer) returns setof text
        language sql stable security definer set search_path = app, pg_temp as 'select config::text from
        app.tenant_extension_install'
    """

    assert seen_after(databases, change).definers != DEFINERS


def test_a_new_login_role_is_tried_like_the_others(databases: Databases) -> None:
    found = seen_after(databases, "create role fn_novelty login; grant usage on schema app to fn_novelty")

    assert "fn_novelty" in found.login_roles


# Every table, verb and role


def test_the_filled_database_has_a_row_in_every_tenant_table(filled: Databases) -> None:
    tables = catalogue(filled.owner).tenant_tables

    assert [t for t in tables if not rows(filled.owner, f'select 1 from app."{t}" limit 1')] == []


def select(databases: Databases, table: str, role: str) -> list[str]:
    return [f'select 1 from app."{table}"']


def update(databases: Databases, table: str, role: str) -> list[str]:
    """Each column, those the role may set first; by default, so that nothing of the row is read under its policies."""
    return [
        f'update app."{table}" set "{name}" = default'
        for name in columns(databases, table, f"true order by {may(role, 'update')} desc")
    ]


def delete(databases: Databases, table: str, role: str) -> list[str]:
    return [f'delete from app."{table}"']


def insert(databases: Databases, table: str, role: str) -> list[str]:
    """The other tenant's row once more, in the columns the role may choose."""
    (row,) = rows(databases.owner, f'select to_jsonb(t)::text as row from app."{table}" t limit 1')
    names = ", ".join(f'"{name}"' for name in columns(databases, table, may(role, "insert"))) or "tenant_id"
    populated = f'jsonb_populate_record(null::app."{table}", $json${row["row"]}$json$)'
    return [f'insert into app."{table}" ({names}) select {names} from {populated}']


def may(role: str, what: str) -> str:
    return f"has_column_privilege('{role}', attrelid, attnum, '{what}')"


def columns(databases: Databases, table: str, condition: str) -> list[str]:
    found = rows(
        databases.owner,
        f"select attname as name from pg_attribute where attrelid = 'app.\"{table}\"'::regclass and attnum > 0 "
        f"and not attisdropped and attidentity = '' and {condition}",
    )
    return [column["name"] for column in found]


def touching(
    databases: Databases, tenant_id: str | None, statements: Callable[[Databases, str, str], list[str]]
) -> list[tuple[str, str, int | str]]:
    """Try statements about every tenant table as every login role; return role, statement and what was touched."""
    tables = catalogue(databases.owner).tenant_tables
    tried = [
        (role, sql, touched(url, sql, tenant_id))
        for role, url in signed_in(databases).items()
        for table in tables
        for sql in statements(databases, table, role)
    ]
    assert len(tried) >= len(ROLES) * len(tables)
    return [attempt for attempt in tried if attempt[2] != 0]


VERBS = pytest.mark.parametrize("verb", [select, update, delete, insert], ids=lambda verb: verb.__name__)


@pytest.mark.parametrize("tenant_id", ["tenant-b", None], ids=["another tenant set", "no tenant set"])
@VERBS
def test_no_role_touches_a_row_of_another_tenant(filled: Databases, verb: Any, tenant_id: str | None) -> None:
    assert touching(filled, tenant_id, verb) == []


@VERBS
def test_a_policy_that_lets_every_tenant_in_is_noticed(filled: Databases, verb: Any) -> None:
    database = Database(filled.owner)
    with database.system() as tx:
        tx.script("alter policy tenant_isolation on app.extension_schedule using (true) with check (true)")
    database.close()

    assert {sql.partition("app.")[2][:20] for _, sql, _ in touching(filled, "tenant-b", verb)} == {
        '"extension_schedule"'
    }


# What a tenant itself sees, and the functions with their owner's rights


def test_the_right_tenant_sees_its_rows(filled: Databases) -> None:
    seen = [
        table
        for table in catalogue(filled.owner).tenant_tables
        if _readable(filled, table) and not rows(filled.registry, f'select 1 from app."{table}"', "tenant-a")
    ]

    assert seen == []


def _readable(databases: Databases, table: str) -> bool:
    (answer,) = rows(databases.owner, f"select has_table_privilege('fn_registry', 'app.{table}', 'SELECT') as yes")
    return bool(answer["yes"])


@pytest.mark.parametrize(
    ("tenant_id", "disabled", "endpoints"),
    [("tenant-a", False, 1), ("tenant-a", True, 0), ("tenant-b", False, 0), (None, False, 0)],
    ids=["its own", "its own, disabled", "another", "none"],
)
def test_endpoints_are_of_the_tenants_own_installs_that_are_not_disabled(
    filled: Databases, tenant_id: str | None, disabled: bool, endpoints: int
) -> None:
    database = Database(filled.owner)
    with database.system() as tx:
        tx.execute("""update app.extension_version set manifest = '{"api": {"endpoints": [{"method": "GET"}]}}'""")
        if not disabled:
            tx.execute("delete from app.extension_install_disabling")
    database.close()
    sql = "select * from app.install_endpoints('00000000-0000-0000-0000-0000000000a1')"

    assert len(rows(filled.runner, sql, tenant_id)) == endpoints


def test_the_list_of_tenants_has_ids_and_nothing_else(filled: Databases) -> None:
    (row,) = rows(filled.registry, "select * from app.list_tenants('', 10)")

    assert list(row.values()) == ["tenant-a"]


@pytest.mark.parametrize(
    ("role", "call"),
    [
        ("fn_gateway", "app.list_tenants('', 10)"),
        ("fn_runner", "app.list_tenants('', 10)"),
        ("fn_gateway", "app.count_installs('00000000-0000-0000-0000-0000000000a1')"),
        ("fn_runner", "app.count_installs('00000000-0000-0000-0000-0000000000a1')"),
        ("fn_gateway", "app.install_endpoints('00000000-0000-0000-0000-0000000000a1')"),
        ("fn_registry", "app.install_endpoints('00000000-0000-0000-0000-0000000000a1')"),
    ],
)
def test_a_function_with_its_owners_rights_is_refused_to_other_roles(filled: Databases, role: str, call: str) -> None:
    with pytest.raises(PlatformError) as refusal:
        rows(filled.of(role), f"select * from {call}", "tenant-a")

    assert refusal.value.context["sqlstate"] == REFUSED


def test_the_setting_of_one_transaction_is_gone_in_the_next(filled: Databases) -> None:
    database = Database(filled.registry)
    with database.tenant("tenant-a") as tx:
        assert tx.rows("select 1 from app.tenant_extension_install")

    with database.system() as tx:
        assert tx.rows("select 1 from app.tenant_extension_install") == []
    database.close()


@pytest.mark.parametrize(
    "change", ["update app.{table} set {column} = {column}", "delete from app.{table}", "truncate app.{table}"]
)
@pytest.mark.parametrize(
    ("table", "column"), [("audit_event", "action"), ("transparency_leaf", "entry"), ("transparency_node", "hash")]
)
def test_nobody_changes_or_deletes_what_was_recorded(filled: Databases, table: str, column: str, change: str) -> None:
    sql = change.format(table=table, column=column)
    for role, url in signed_in(filled).items():
        for tenant_id in ("tenant-a", None):
            with pytest.raises(PlatformError) as refusal:
                in_transaction(url, lambda tx: tx.execute(sql), tenant_id)
            assert refusal.value.context["sqlstate"] == REFUSED, (role, tenant_id)
