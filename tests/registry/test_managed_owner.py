"""Migrations by an owner as managed databases have it: it may create roles, and is not a superuser."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import ROLES, migrate
from tests.conftest import MIGRATIONS, PASSWORD
from tests.registry.test_migrations import NAMES
from tests.support.servers import Loop, start_postgres
from tools.local.postgres import database_url, make_database


@pytest.fixture(scope="module")
def owner(server_loop: Loop) -> Iterator[str]:
    """URL of a new server's database, as a role with the rights that Amazon RDS gives its master user."""
    folder = Path(tempfile.mkdtemp(prefix="alga-tests-"))
    folder.chmod(0o755)  # PostgreSQL's own account must reach it
    server = start_postgres(server_loop, folder)
    admin = Database(server.url, 60_000)
    with admin.system() as tx:
        tx.script(f"create role alga_owner login createrole createdb password '{PASSWORD}'")
        tx.script("create role rds_iam nologin; grant rds_iam to alga_owner with admin option")
    admin.close()
    created = Database(make_database(server.url, "alga_ext"), 60_000)
    with created.system() as tx:
        tx.script("alter database alga_ext owner to alga_owner")
    created.close()
    parts = urlsplit(server.url)
    yield database_url(urlunsplit(parts._replace(path="/alga_ext")), role="alga_owner", password=PASSWORD)
    server_loop.run(server.stop())
    shutil.rmtree(folder, ignore_errors=True)


def test_an_owner_that_is_no_superuser_applies_every_migration(owner: str) -> None:
    database = Database(owner, 60_000)
    try:
        assert migrate(database, MIGRATIONS, dict.fromkeys(ROLES, PASSWORD)) == NAMES
    finally:
        database.close()
