"""A registry in this process, over a real database and a real object store server."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from functions.registry import compose
from tests.conftest import Databases
from tests.support.registry import RegistryWorld
from tests.support.server_extension import publish_server

CACHED = (
    compose.settings,
    compose.assets_settings,
    compose.database,
    compose.objects,
    compose.prepare_queue,
    compose.uninstall_grace,
    compose.trust_source,
    compose.release_signer,
    compose.log_signer,
    compose.sealer,
    compose.token_verifier,
)


@contextmanager
def registry(databases: Databases, moto_url: str) -> Iterator[RegistryWorld]:
    """A fresh registry: empty database, own bucket and queue, handlers wired by their own composition root."""
    made = RegistryWorld(moto_url, f"bucket-{uuid.uuid4().hex[:12]}", databases)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in made.environment().items():
            environment.setitem(os.environ, name, value)
        for factory in CACHED:
            factory.cache_clear()
        yield made
        compose.database().close()
        for factory in CACHED:
            factory.cache_clear()


def sign_with_p256(world: RegistryWorld, environment: pytest.MonkeyPatch) -> None:
    """Have every key of a registry be P-256 from now on, the handlers' too."""
    world.use_p256_keys()
    for name, value in world.environment().items():
        environment.setenv(name, value)
    for factory in CACHED:
        factory.cache_clear()


@pytest.fixture
def world(databases: Databases, moto_url: str) -> Iterator[RegistryWorld]:
    with registry(databases, moto_url) as made:
        yield made


@pytest.fixture
def published(world: RegistryWorld) -> RegistryWorld:
    world.register()
    publish_server(world)
    return world
