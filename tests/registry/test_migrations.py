"""Migrations on a real server: they apply, say what they did, refuse edits, and give the committed schema."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import migrate
from tests.conftest import MIGRATIONS, Databases
from tools.local.postgres import drop_database, make_database
from tools.schema_dump import SCHEMA, dump

NAMES = [path.name for path in sorted(MIGRATIONS.glob("0*.sql"))]


@pytest.fixture
def empty(postgres_server: str) -> Iterator[Database]:
    name = f"empty_{uuid.uuid4().hex[:8]}"
    database = Database(make_database(postgres_server, name), 60_000)
    yield database
    database.close()
    drop_database(postgres_server, name)


def test_an_empty_database_gets_every_migration_in_order(empty: Database) -> None:
    assert migrate(empty, MIGRATIONS, {}) == NAMES


def test_a_second_run_applies_nothing(empty: Database) -> None:
    migrate(empty, MIGRATIONS, {})

    assert migrate(empty, MIGRATIONS, {}) == []


def test_an_edited_migration_is_refused_before_anything_runs(empty: Database, tmp_path: Path) -> None:
    migrate(empty, MIGRATIONS, {})
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    with (tmp_path / NAMES[0]).open("a") as file:
        file.write("-- edited\n")

    with pytest.raises(PlatformError, match="migration_conflict"):
        migrate(empty, tmp_path, {})


def test_a_failing_migration_leaves_those_before_it_and_nothing_of_itself(empty: Database, tmp_path: Path) -> None:
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    bad = tmp_path / f"{len(NAMES) + 1:04}_break_halfway.sql"
    bad.write_text("create table app.half (a integer); select 1 / 0;")

    with pytest.raises(PlatformError):
        migrate(empty, tmp_path, {})

    with empty.system() as tx:
        applied = [row["name"] for row in tx.rows("select name from app.schema_migration order by 1")]
        half = tx.rows("select 1 from pg_tables where tablename = 'half'")
    assert (applied, half) == (NAMES, [])


def test_the_login_roles_get_their_passwords(databases: Databases) -> None:
    database = Database(databases.gateway)
    with database.system() as tx:
        assert tx.row("select current_user as me") == {"me": "fn_gateway"}
    database.close()


def test_the_committed_schema_is_what_the_migrations_give(databases: Databases) -> None:
    assert SCHEMA.read_text(encoding="utf-8") == dump(databases.owner), "run 'make schema' and commit the result"
