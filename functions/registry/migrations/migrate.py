"""Migrate a database to the newest schema.

An advisory lock prevents two runs from applying files at the same time. Each file is applied in one transaction,
together with its row in ``app.schema_migration``. So after a crash every file is applied either completely or not at
all.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry.migrations.plan import Migration, plan, read_migration

_LOCK_KEY = 7_210_433
ROLES: Final = ("fn_gateway", "fn_registry", "fn_runner")

_CREATE_LEDGER = """
create schema if not exists app;
create table if not exists app.schema_migration (
  name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default now()
);
alter table app.schema_migration enable row level security;
alter table app.schema_migration force row level security;
do $$
begin
  -- Only the migrating role, which owns the ledger, has a right on it at all.
  if not exists (select from pg_policies where schemaname = 'app' and tablename = 'schema_migration') then
    create policy migrator_all on app.schema_migration using (true) with check (true);
  end if;
end
$$;
"""


def migrate(
    database: Database, folder: Path, passwords: dict[str, str], names: Collection[str] | None = None
) -> list[str]:
    """Apply the files of ``folder`` that are not applied yet, and set the login roles' passwords.

    Args:
        database: signed in as the role that owns the schema.
        folder: of the files.
        passwords: login role → password.
        names: of the files to apply; the folder may have more. None for all.

    Returns:
        The names of the files that this call applied.

    Raises:
        PlatformError: ``migration_conflict``, before any file is applied. When a file fails with another error, the
            files before it stay applied.
    """
    paths = {path.name: path for path in sorted(folder.glob("[0-9]*.sql"))}
    wanted = sorted(paths if names is None else names)
    if absent := [name for name in wanted if name not in paths]:
        message = f"This code has no migration {', '.join(absent)}; build it again (make build), and deploy."
        raise PlatformError("migration_conflict", message)
    available = [read_migration(name, paths[name].read_bytes()) for name in wanted]
    _create_ledger(database)
    done: list[str] = []
    while (name := _apply_next(database, available)) is not None:
        done.append(name)
    with database.system() as tx:
        tx.execute("select pg_advisory_xact_lock(:key)", key=_LOCK_KEY)
        for role, password in passwords.items():
            tx.set_role_password(role, password)
    return done


def applied(database: Database) -> list[str]:
    """Return the names of the migrations that a database has, in order; its ledger is created if it is missing."""
    _create_ledger(database)
    with database.system() as tx:
        return [row["name"] for row in tx.rows("select name from app.schema_migration order by name")]


def _create_ledger(database: Database) -> None:
    with database.system() as tx:
        tx.execute("select pg_advisory_xact_lock(:key)", key=_LOCK_KEY)
        tx.script(_CREATE_LEDGER)


def _apply_next(database: Database, available: list[Migration]) -> str | None:
    with database.system() as tx:
        tx.execute("select pg_advisory_xact_lock(:key)", key=_LOCK_KEY)
        applied = {row["name"]: row["sha256"] for row in tx.rows("select name, sha256 from app.schema_migration")}
        missing = plan(available, applied)
        if not missing:
            return None
        migration = missing[0]
        tx.script("set local lock_timeout = '4s'; set local statement_timeout = '30s'")
        tx.script(migration.sql)
        tx.script("reset role")
        tx.execute(
            "insert into app.schema_migration (name, sha256) values (:name, :sha256)",
            name=migration.name,
            sha256=migration.sha256,
        )
    return migration.name
