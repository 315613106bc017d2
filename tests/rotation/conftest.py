"""Fixtures of the rotation tests: AWS as moto speaks it, and a registry over a real database."""

from collections.abc import Iterator

import pytest

from tests.conftest import Databases
from tests.contract.conftest import AWS_ENVIRONMENT
from tests.registry.conftest import registry
from tests.support.registry import RegistryWorld


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a function whose AWS is the moto server; gives the server's URL."""
    for name, value in {**AWS_ENVIRONMENT, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    return moto_url


@pytest.fixture
def world(databases: Databases, moto_url: str) -> Iterator[RegistryWorld]:
    with registry(databases, moto_url) as made:
        yield made
