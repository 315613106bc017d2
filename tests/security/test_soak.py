"""After ten thousand calls the runner holds no more than after one thousand, and has counted each exactly."""

import json
import subprocess
import sys
from typing import Any, Final

import pytest

from tests.conftest import Databases
from tests.security.soak import SLEEPS_EVERY
from tests.security.world import new_name
from tests.support.places import ROOT
from tools.local.postgres import drop_database, make_database

pytestmark = pytest.mark.soak

CALLS: Final = 10_000
GROWTH: Final = 1.10


@pytest.fixture(scope="module")
def soaked(postgres_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    name = new_name("soak")
    databases = Databases(make_database(postgres_server, name, template_database))
    folder = tmp_path_factory.mktemp("soak")
    command = [sys.executable, "-m", "tests.security.soak", str(CALLS), str(folder), databases.owner, databases.runner]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=1_800, check=True)
    drop_database(postgres_server, name)
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    print("\n", {name: found[name] for name in ("calls", "seconds", "kills", "made", "egress", "connections")})
    for point in ("early", "late", "end"):
        print(point, {name: value for name, value in found[point].items() if not name.endswith("descriptors")})
    return found


def test_every_call_has_its_own_outcome(soaked: dict[str, Any]) -> None:
    assert soaked["wrong"] == []


@pytest.mark.parametrize("point", ["late", "end"])
def test_the_runner_does_not_grow(soaked: dict[str, Any], point: str) -> None:
    assert soaked[point]["runner_kb"] <= soaked["early"]["runner_kb"] * GROWTH


def test_one_sandbox_serves_all_calls_of_a_kind_that_do_not_end_it(soaked: dict[str, Any]) -> None:
    assert soaked["late"]["sandboxes"] == soaked["early"]["sandboxes"]


def test_a_sandbox_does_not_grow(soaked: dict[str, Any]) -> None:
    assert soaked["late"]["sandbox_kb"] <= soaked["early"]["sandbox_kb"] * GROWTH


@pytest.mark.parametrize("point", ["late", "end"])
def test_no_descriptor_of_the_runner_is_left(soaked: dict[str, Any], point: str) -> None:
    assert soaked[point]["runner_descriptors"] == soaked["early"]["runner_descriptors"]


def test_no_descriptor_of_the_sandbox_is_left(soaked: dict[str, Any]) -> None:
    if soaked["early"]["sandbox_descriptors"] is None:
        pytest.skip("only root may see the descriptors of an undumpable process")
    assert soaked["late"]["sandbox_descriptors"] == soaked["early"]["sandbox_descriptors"]


def test_host_calls_are_counted_exactly(soaked: dict[str, Any]) -> None:
    assert soaked["told"] == soaked["expected"]


def test_every_kind_of_host_import_was_called(soaked: dict[str, Any]) -> None:
    interfaces = {name.partition(".")[0] for name in soaked["told"]}
    assert interfaces == {"config", "logging", "http", "storage", "secrets", "scheduler", "ui-proxy"}


def test_a_guest_uses_the_same_fuel_each_time(soaked: dict[str, Any]) -> None:
    assert soaked["fuel_differs"] == []


def test_egress_is_counted_to_the_byte(soaked: dict[str, Any]) -> None:
    assert soaked["egress"]["told"] == soaked["egress"]["expected"] > 0


@pytest.mark.parametrize("imported", ["http.fetch", "ui-proxy.call-route"])
def test_every_request_of_a_guest_arrived_once(soaked: dict[str, Any], imported: str) -> None:
    assert soaked["connections"][imported] == soaked["expected"][imported]


def test_no_server_was_reached_that_was_not_granted(soaked: dict[str, Any]) -> None:
    assert soaked["connections"]["stranger"] == 0


def test_only_sleeping_guests_cost_a_sandbox(soaked: dict[str, Any]) -> None:
    assert soaked["kills"] == soaked["made"]["sleep"] == CALLS // 10 // SLEEPS_EVERY
