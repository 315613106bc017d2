"""A registry in this process, over a real database and a real object store server."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import Databases
from tests.support.registry import RegistryWorld
from tests.support.server_extension import publish_server


@contextmanager
def registry(databases: Databases, moto_url: str) -> Iterator[RegistryWorld]:
    """A fresh registry: empty database, own bucket and queue. Clients of AWS read the process's environment."""
    made = RegistryWorld(moto_url, f"bucket-{uuid.uuid4().hex[:12]}", databases)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in made.environment().items():
            if name.startswith("AWS_"):
                environment.setitem(os.environ, name, value)
        yield made
        made.close()


@pytest.fixture
def world(databases: Databases, moto_url: str) -> Iterator[RegistryWorld]:
    with registry(databases, moto_url) as made:
        yield made


@pytest.fixture
def published(world: RegistryWorld) -> RegistryWorld:
    world.register()
    publish_server(world)
    return world
