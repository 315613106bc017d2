"""Fixtures of all suites: servers are started once a session and only when a test asks for them.

The mutants' runs (tests/mutants) share servers, which the environment names.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alga_ext import telemetry
from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import migrate
from tests.support.places import ROOT
from tests.support.servers import Loop, data_parent, start_moto, start_postgres
from tools.local.postgres import database_url, drop_database, make_database

ROLES = ("fn_gateway", "fn_registry", "fn_runner")
PASSWORD = "for-tests"
MIGRATIONS = ROOT / "migrations"
BEGAN_ON = datetime.now(UTC).date()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests of one day when it is over: rows that they made or expect are of the day before."""
    if item.get_closest_marker("one_day") and datetime.now(UTC).date() != BEGAN_ON:
        pytest.skip("the UTC day on which the run began is over")


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """pytest's fixture, which sees what the functions log too."""
    telemetry.PARENT.addHandler(caplog.handler)
    yield caplog
    telemetry.PARENT.removeHandler(caplog.handler)


@pytest.fixture(scope="session")
def server_loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder the database's own account can reach, which pytest's private one is not."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="alga-tests-", dir=data_parent()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_loop: Loop, server_folder: Path) -> Iterator[str]:
    """URL of a server's superuser; its database ``template`` is migrated."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    server = start_postgres(server_loop, server_folder)
    yield server.url
    server_loop.run(server.stop())


@pytest.fixture(scope="session")
def template_database(postgres_server: str) -> str:
    """Name of a migrated database to copy."""
    return os.environ.get("TEMPLATE_DATABASE") or migrated_database(postgres_server)


def migrated_database(server_url: str) -> str:
    """Make a database with all tables and roles, and return its name."""
    name = f"template_{uuid.uuid4().hex[:8]}"
    database = Database(make_database(server_url, name), 60_000)
    migrate(database, MIGRATIONS, dict.fromkeys(ROLES, PASSWORD))
    database.close()
    return name


class Databases:
    """URLs of one fresh, migrated database, by role; ``owner`` is the superuser's."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.gateway, self.registry, self.runner = (database_url(owner, role=role, password=PASSWORD) for role in ROLES)

    def of(self, role: str) -> str:
        return database_url(self.owner, role=role, password=PASSWORD)


@pytest.fixture
def databases(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with fresh_databases(postgres_server, template_database) as made:
        yield made


@contextmanager
def fresh_databases(postgres_server: str, template_database: str) -> Iterator[Databases]:
    """A database of its own for as long as the block lasts."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield Databases(make_database(postgres_server, name, template_database))
    drop_database(postgres_server, name)


@pytest.fixture(scope="session")
def moto_url(server_loop: Loop, server_folder: Path) -> Iterator[str]:
    """Endpoint of a moto server (S3, SQS, KMS)."""
    if given := os.environ.get("MOTO_URL"):
        yield given
        return
    server = start_moto(server_loop, server_folder)
    yield server.url
    server_loop.run(server.stop())
