"""Migrations in a cluster that is set up as Amazon RDS does it: an owner that is no superuser, and the role rds_iam.

Roles belong to a whole cluster, so these tests have one of their own.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import ROLES
from tests.conftest import MIGRATIONS, Databases
from tests.support.servers import Loop
from tools.local.postgres import Postgres, database_url, make_database

NAMES = [path.name for path in sorted(MIGRATIONS.glob("0*.sql"))]
OWNER_PASSWORD = "that-rds-has-made"
MEMBERS = "select m.rolname as name from pg_auth_members a join pg_roles m on m.oid = a.member where a.roleid = "


@pytest.fixture(scope="module")
def cluster(server_loop: Loop, server_folder: Path) -> Iterator[str]:
    """The URL of the cluster's superuser, which RDS keeps to itself."""
    server = Postgres(server_folder / "rds-data", server_folder / "rds.log")
    server_loop.run(server.create())
    server_loop.run(server.start())
    superuser = Database(server.url)
    with superuser.system() as tx:
        tx.script("create role rds_iam; create role postgres_owner login createrole createdb")
        tx.script("grant rds_iam to postgres_owner with admin option, inherit false")
        tx.set_role_password("postgres_owner", OWNER_PASSWORD)
    superuser.close()
    yield server.url
    server_loop.run(server.stop())


@pytest.fixture(scope="module")
def owner_url(cluster: str) -> str:
    """The URL, without a password, of the owner of an empty database."""
    owner = database_url(cluster, role="postgres_owner", password=OWNER_PASSWORD)
    return database_url(make_database(owner, "alga_ext"), role="postgres_owner").replace(":@", "@")


def rows(url: str, sql: str) -> list[dict[str, Any]]:
    database = Database(url)
    with database.system() as tx:
        found = tx.rows(sql)
    database.close()
    return found


@pytest.fixture
def migrate_function(owner_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """The migrate function, whose environment has no password of a login role."""
    environment = {"DATABASE_URL": owner_url, "DATABASE_PASSWORD": OWNER_PASSWORD, "MIGRATIONS_DIR": str(MIGRATIONS)}
    for name, value in environment.items():
        monkeypatch.setitem(os.environ, name, value)
    monkeypatch.delitem(sys.modules, "functions.registry.migrations.handler", raising=False)
    module = importlib.import_module("functions.registry.migrations.handler")
    return lambda: module.handler({}, None)


def test_migrate_signs_in_with_a_password_of_its_own_and_lets_the_login_roles_use_iam(
    cluster: str, migrate_function: Callable[[], Any]
) -> None:
    assert migrate_function() == {"applied": NAMES}
    assert {row["name"] for row in rows(cluster, f"{MEMBERS} 'rds_iam'::regrole")} == {*ROLES, "postgres_owner"}


def test_migrate_leaves_the_password_of_a_login_role_for_which_it_has_none(
    cluster: str, migrate_function: Callable[[], Any]
) -> None:
    migrate_function()
    superuser = Database(cluster)
    with superuser.system() as tx:
        tx.set_role_password("fn_gateway", "its-own")
    superuser.close()
    stored = rows(cluster, "select rolpassword from pg_authid where rolname = 'fn_gateway'")

    migrate_function()

    assert rows(cluster, "select rolpassword from pg_authid where rolname = 'fn_gateway'") == stored
    assert stored[0]["rolpassword"].startswith("SCRAM-SHA-256$")


def test_nothing_happens_where_there_is_no_such_role(databases: Databases) -> None:
    assert rows(databases.owner, "select rolname from pg_roles where rolname = 'rds_iam'") == []
    assert rows(databases.owner, "select max(name) as name from app.schema_migration") == [{"name": NAMES[-1]}]
    assert rows(databases.gateway, "select current_user as me") == [{"me": "fn_gateway"}]
