"""One world for all hostile guests of a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Databases
from tests.security.world import World, new_name
from tools.local.postgres import drop_database, make_database


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the soak out unless it was asked for, by its marker or its file."""
    if "soak" in config.option.markexpr or any("test_soak" in argument for argument in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("soak")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.fixture(scope="session")
def world(postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    name = new_name("hostile")
    databases = Databases(make_database(postgres_server, name, template_database))
    world = World(databases.owner, databases.runner, Path(tmp_path_factory.mktemp("hostile")))
    yield world
    world.close()
    drop_database(postgres_server, name)
