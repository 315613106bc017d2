"""Row-level security, read from the live catalogue: a new table without a policy fails here."""

from collections.abc import Iterator
from typing import Any

import pytest

from alga_ext.database import Database
from alga_ext.errors import PlatformError
from tests.conftest import ROLES, Databases
from tests.support.rows import fill_tenant

TABLES = """
select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
       exists (select from pg_policies p where p.schemaname = 'app' and p.tablename = c.relname) as has_policy,
       exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') as of_tenants,
       pg_get_userbyid(c.relowner) as owner
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'app' and c.relkind in ('r', 'p') order by 1
"""
INSERT = 'insert into app."{table}" select * from app."{table}"'
STATEMENTS = {
    "select": 'select 1 from app."{table}"',
    "update": 'update app."{table}" set {column} = {column}',
    "delete": 'delete from app."{table}"',
}


_open: dict[str, Database] = {}
"""Connections of the running test, by URL: signing in costs more than any statement here."""


class RolledBackError(Exception):
    """Ends a transaction without keeping what it did."""


@pytest.fixture(autouse=True)
def close_connections() -> Iterator[None]:
    yield
    while _open:
        _open.popitem()[1].close()


def rows(url: str, sql: str, tenant_id: str | None = None) -> list[dict[str, Any]]:
    """Run a statement in a transaction of its own that is rolled back."""
    database = _open.setdefault(url, Database(url))
    found: list[dict[str, Any]] = []
    try:
        with database.tenant(tenant_id) if tenant_id else database.system() as tx:
            found = tx.rows(sql)
            raise RolledBackError
    except RolledBackError:
        return found


@pytest.fixture
def filled(databases: Databases) -> Databases:
    """A database in which every tenant table has a row of tenant-a."""
    fill_tenant(databases, "tenant-a")
    return databases


def tenant_tables(databases: Databases) -> list[str]:
    return [table["name"] for table in rows(databases.owner, TABLES) if table["of_tenants"]]


def test_every_table_has_row_level_security_enabled_and_forced(databases: Databases) -> None:
    lax = [table["name"] for table in rows(databases.owner, TABLES) if not (table["enabled"] and table["forced"])]

    assert lax == []


def test_every_table_has_a_policy(databases: Databases) -> None:
    assert [table["name"] for table in rows(databases.owner, TABLES) if not table["has_policy"]] == []


def test_no_login_role_owns_a_table(databases: Databases) -> None:
    assert [table["name"] for table in rows(databases.owner, TABLES) if table["owner"] in ROLES] == []


def test_no_login_role_is_above_row_level_security(databases: Databases) -> None:
    above = rows(
        databases.owner,
        "select rolname from pg_roles where rolname in ('fn_gateway', 'fn_registry', 'fn_runner', 'app_owner') "
        "and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)",
    )

    assert above == []


def test_every_tenant_table_begins_its_primary_key_with_the_tenant(databases: Databases) -> None:
    wrong = rows(
        databases.owner,
        """
        select c.relname from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'app'
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
        left join pg_index i on i.indrelid = c.oid and i.indisprimary
        where c.relkind = 'r' and (i.indkey is null or i.indkey[0] <> a.attnum)
        """,
    )

    assert wrong == []


def test_the_filled_database_has_a_row_in_every_tenant_table(filled: Databases) -> None:
    empty = [t for t in tenant_tables(filled) if not rows(filled.owner, f'select 1 from app."{t}" limit 1')]

    assert empty == []


@pytest.mark.parametrize("tenant_id", ["tenant-b", None], ids=["another tenant set", "no tenant set"])
@pytest.mark.parametrize("role", ROLES)
def test_no_role_touches_rows_of_another_tenant(filled: Databases, role: str, tenant_id: str | None) -> None:
    touched = []
    for table in tenant_tables(filled):
        for verb, statement in STATEMENTS.items():
            column = rows(
                filled.owner,
                "select column_name from information_schema.column_privileges where table_schema = 'app' "
                f"and table_name = '{table}' and grantee = '{role}' and privilege_type = 'UPDATE' limit 1",
            )
            sql = statement.format(table=table, column=column[0]["column_name"] if column else "tenant_id")
            if verb != "select":
                sql += " returning 1"
            try:
                found = rows(filled.of(role), sql, tenant_id)
            except PlatformError as error:
                # 42501 is the database's refusal: no grant, or a row the policy does not admit.
                if error.context.get("sqlstate") != "42501":
                    raise
                continue
            if found:
                touched.append((table, verb))

    assert touched == []


@pytest.mark.parametrize("tenant_id", ["tenant-b", None], ids=["another tenant set", "no tenant set"])
@pytest.mark.parametrize("role", ROLES)
def test_no_role_inserts_a_row_for_another_tenant(filled: Databases, role: str, tenant_id: str | None) -> None:
    accepted = []
    for table in tenant_tables(filled):
        columns = rows(
            filled.owner,
            "select column_name as name from information_schema.columns where table_schema = 'app' "
            f"and table_name = '{table}' and is_identity = 'NO' order by ordinal_position",
        )
        (row,) = rows(filled.owner, f'select to_jsonb(t)::text as row from app."{table}" t limit 1')
        names = ", ".join(column["name"] for column in columns)
        sql = (
            f'insert into app."{table}" ({names}) select {names} '
            f'from jsonb_populate_record(null::app."{table}", $json${row["row"]}$json$) returning 1'
        )
        try:
            rows(filled.of(role), sql, tenant_id)
        except PlatformError as error:
            if error.context.get("sqlstate") != "42501":
                raise
            continue
        accepted.append(table)

    assert accepted == []


def test_the_right_tenant_sees_its_rows(filled: Databases) -> None:
    seen = [t for t in tenant_tables(filled) if _readable(filled, t) and not _rows_of(filled, t)]

    assert seen == []


def _readable(databases: Databases, table: str) -> bool:
    (answer,) = rows(databases.owner, f"select has_table_privilege('fn_registry', 'app.{table}', 'SELECT') as yes")
    return bool(answer["yes"])


def _rows_of(databases: Databases, table: str) -> list[dict[str, Any]]:
    return rows(databases.registry, f'select 1 from app."{table}"', "tenant-a")


def test_the_setting_of_one_transaction_is_gone_in_the_next(filled: Databases) -> None:
    database = Database(filled.registry)
    with database.tenant("tenant-a") as tx:
        assert tx.rows("select 1 from app.tenant_extension_install")

    with database.system() as tx:
        assert tx.rows("select 1 from app.tenant_extension_install") == []
    database.close()


def test_nobody_changes_or_deletes_an_audit_row(filled: Databases) -> None:
    for sql in ("update app.audit_event set action = 'x'", "delete from app.audit_event"):
        with pytest.raises(PlatformError) as refusal:
            rows(filled.registry, sql, "tenant-a")
        assert refusal.value.context["sqlstate"] == "42501"


def test_nobody_changes_or_deletes_a_leaf_of_the_log(filled: Databases) -> None:
    for sql in ("update app.transparency_leaf set entry = 'x'", "delete from app.transparency_leaf"):
        with pytest.raises(PlatformError) as refusal:
            rows(filled.registry, sql)
        assert refusal.value.context["sqlstate"] == "42501"
