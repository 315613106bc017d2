"""Fixtures of the conformance suite: the runner under test, what lies around it, and the guests."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import pytest

from tests.conformance.guest import Guest, JsonGuest
from tests.conformance.installs import Install, Installs
from tests.conformance.outside import Outside
from tests.conformance.port import RunnerPort
from tests.conformance.remote import RUNNER_URL, remote_surroundings
from tests.conformance.surroundings import Surroundings, local_surroundings
from tests.conformance.vault import Vault
from tests.conformance.wat_guest import WatGuest
from tests.conftest import Databases
from tests.support.fake_application import FakeApplication
from tests.support.wat import Layout
from tools.guests import Engine, build_component
from tools.local.postgres import drop_database, make_database

T = TypeVar("T")

SOURCES: Final = Path(__file__).parent / "guests"
ENGINES: Final[dict[str, tuple[str, Engine]]] = {
    "quickjs": ("js", "quickjs"),
    "starlingmonkey": ("js", "starlingmonkey"),
    "cpython": ("py", "cpython"),
}
STARLINGMONKEY: Final = pytest.param("starlingmonkey", marks=pytest.mark.slow)
LANGUAGES: Final = ("quickjs", "cpython", STARLINGMONKEY)
EVERY_GUEST: Final = ("wat", *LANGUAGES)
LAYOUTS: Final[dict[str, Layout]] = {
    "wat": "imports first",
    "wat-imports-late": "imports late",
    "wat-own-instance": "own instance first",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: needs the StarlingMonkey guest, whose build takes long")


class Guests:
    """Published guests by name, each made when it is first asked for."""

    def __init__(self, runner: RunnerPort) -> None:
        self._runner = runner
        self._made: dict[str, Guest] = {}

    def __getitem__(self, name: str) -> Guest:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Guest:
        if name in ENGINES:
            folder, engine = ENGINES[name]
            return JsonGuest(name, self._runner, build_component(SOURCES / folder, engine=engine).read_bytes())
        return WatGuest(name, self._runner, layout=LAYOUTS[name])


@pytest.fixture(scope="session")
def surroundings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    if os.environ.get(RUNNER_URL):
        with remote_surroundings(os.environ) as found:
            yield found
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"conformance_{uuid.uuid4().hex[:12]}"
    databases = Databases(make_database(server, name, request.getfixturevalue("template_database")))
    with local_surroundings(tmp_path_factory.mktemp("conformance"), databases.runner, databases.owner) as found:
        yield found
    drop_database(server, name)


@pytest.fixture(scope="session")
def runner(surroundings: Surroundings) -> RunnerPort:
    return surroundings.runner


@pytest.fixture(scope="session")
def guests(runner: RunnerPort) -> Guests:
    return Guests(runner)


@pytest.fixture(scope="session", params=EVERY_GUEST)
def guest(request: pytest.FixtureRequest, guests: Guests) -> Guest:
    """Each guest in turn; ``indirect`` parameters choose others."""
    return guests[request.param]


@pytest.fixture(scope="session")
def any_guest(guests: Guests) -> Guest:
    """One guest, for what is the runner's alone and would only be repeated."""
    return guests["wat"]


@pytest.fixture
def install(installs: Installs) -> Install:
    """A fresh install."""
    return installs.make()


@pytest.fixture(scope="session")
def installs(surroundings: Surroundings) -> Installs:
    return _had(surroundings.installs, "the runner's database is not known")


@pytest.fixture(scope="session")
def vault(surroundings: Surroundings) -> Vault:
    return _had(surroundings.vault, "the key that seals secrets is not known")


@pytest.fixture
def outside(surroundings: Surroundings) -> Outside:
    return _fresh(_had(surroundings.outside, "the runner reaches no server of ours"))


@pytest.fixture
def secure(surroundings: Surroundings) -> Outside:
    return _fresh(_had(surroundings.secure, "the runner trusts no certificate of ours"))


@pytest.fixture
def stranger(surroundings: Surroundings) -> Outside:
    return _fresh(_had(surroundings.stranger, "the runner reaches no server of ours"))


@pytest.fixture
def host(surroundings: Surroundings) -> Outside:
    return _fresh(_had(surroundings.host, "the runner's host application is not ours"))


@pytest.fixture
def records(surroundings: Surroundings) -> FakeApplication:
    """The host application with clients, services and invoices. It has been asked nothing yet."""
    found = _had(surroundings.records, "the runner's host application is not ours")
    found.asked.clear()
    found.invoices.clear()
    return found


def _had(found: T | None, reason: str) -> T:
    if found is None:
        pytest.skip(reason)
    return found


def _fresh(server: Outside) -> Outside:
    server.asked.clear()
    return server
