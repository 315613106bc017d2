"""Bodies of four mebibytes through the host imports of a guest in WebAssembly text, and what lies beyond."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from alga_ext.calls.envelope import ExecuteResponse
from alga_ext.trust.signing import LocalSigner
from functions.runner.imports.application import ui_proxy
from functions.runner.imports.application.address import Address
from functions.runner.imports.application.client import Application
from functions.runner.imports.http import egress, fetch
from tests.security.guests import wat_snippets
from tests.support.answering import AnsweringServer, Asked, Reply, answering
from tests.support.runner_fixture import MIB, RunnerFixture, body_of, call, code_of

LIMIT: Final = 4 * MIB
INTERNAL: Final = 483
TRANSPORT: Final = 482
PATTERN: Final = bytes(number % 251 for number in range(LIMIT + 1))


def _answer(asked: Asked) -> Reply:
    """Answer as many bytes as the last segment of the path says."""
    return Reply(200, PATTERN[: int(asked.path.rpartition("/")[2])])


@pytest.fixture(scope="module")
def server() -> Iterator[AnsweringServer]:
    with answering(_answer) as made:
        yield made


@pytest.fixture(scope="module")
def house(server: AnsweringServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerFixture]:
    folder: Path = tmp_path_factory.mktemp("house")
    opened = egress.parse_networks("127.0.0.1/32")
    providers = {
        "http": fetch.provider(lambda _host, _port: ["127.0.0.1"], opened, ssl.create_default_context),
        "ui-proxy": ui_proxy.provider(
            Application(Address.of(server.url), "token-of-a-test", LocalSigner.generate(), time.time)
        ),
    }
    made = RunnerFixture(folder, providers)
    yield made
    made.close()


def fetched(house: RunnerFixture, server: AnsweringServer, size: int) -> ExecuteResponse:
    request = call(house.publish(wat_snippets.fetcher()), timeout_ms=10_000, memory_mb=256)
    wat_snippets.give_body(request, f"{server.url}/{size}")
    request.grants.egress = [server.url]
    return house.execute(request)


def routed(house: RunnerFixture, size: int) -> ExecuteResponse:
    request = call(house.publish(wat_snippets.caller()), timeout_ms=10_000, memory_mb=256)
    wat_snippets.give_body(request, f"/api/{size}")
    return house.execute(request)


@pytest.mark.parametrize("size", [0, 1, MIB + 1, LIMIT])
def test_a_fetched_body_of_up_to_four_mebibytes_arrives_whole(
    house: RunnerFixture, server: AnsweringServer, size: int
) -> None:
    response = fetched(house, server, size)

    assert (code_of(response), response.status, body_of(response) == PATTERN[:size]) == (None, 200, True)


def test_a_fetched_body_of_one_byte_more_is_a_failure_of_transport(
    house: RunnerFixture, server: AnsweringServer
) -> None:
    assert fetched(house, server, LIMIT + 1).status == TRANSPORT


@pytest.mark.parametrize("size", [0, 1, MIB + 1, LIMIT])
def test_a_routes_answer_of_up_to_four_mebibytes_arrives_whole(house: RunnerFixture, size: int) -> None:
    response = routed(house, size)

    assert (code_of(response), response.status, body_of(response) == PATTERN[:size]) == (None, 200, True)


def test_a_routes_answer_of_one_byte_more_is_internal(house: RunnerFixture) -> None:
    assert routed(house, LIMIT + 1).status == INTERNAL


def test_the_runner_serves_a_small_call_after_large_ones(house: RunnerFixture, server: AnsweringServer) -> None:
    fetched(house, server, LIMIT)

    assert body_of(routed(house, 5)) == PATTERN[:5]
