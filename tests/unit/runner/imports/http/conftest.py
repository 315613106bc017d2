"""Servers on loopback, which the operator opens for these tests only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.servers import Server as RawServer
from tests.support.fetching import Server
from tests.support.tls import Authority


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    """A server that answers what no library would."""
    made = RawServer("127.0.0.1")
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls_server(authority: Authority) -> Iterator[Server]:
    made = Server(authority.server_context("api.example.com"))
    yield made
    made.close()
