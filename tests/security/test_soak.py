"""After ten thousand calls the runner holds no more than after one thousand, and has counted each exactly."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = pytest.mark.soak

CALLS: Final = 10_000
GROWTH: Final = 1.10


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("soak")
    command = [sys.executable, "-m", "tests.security.soak", str(CALLS), str(folder)]
    made = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=900, check=True)
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return found


def test_every_call_has_its_own_outcome(soaked: dict[str, Any]) -> None:
    assert soaked["wrong"] == []


def test_the_runner_does_not_grow(soaked: dict[str, Any]) -> None:
    assert soaked["late"]["runner"] <= soaked["early"]["runner"] * GROWTH, soaked


def test_the_sandbox_does_not_grow(soaked: dict[str, Any]) -> None:
    assert soaked["late"]["sandbox"] <= soaked["early"]["sandbox"] * GROWTH, soaked


def test_no_descriptor_is_left(soaked: dict[str, Any]) -> None:
    assert soaked["late"]["descriptors"] == soaked["early"]["descriptors"]


def test_host_calls_are_counted_exactly(soaked: dict[str, Any]) -> None:
    assert soaked["told"] == soaked["expected"]


def test_a_guest_uses_the_same_fuel_each_time(soaked: dict[str, Any]) -> None:
    assert soaked["fuel_differs"] == []


def test_every_request_of_a_guest_arrived_once(soaked: dict[str, Any]) -> None:
    assert soaked["connections"] == soaked["expected"]["http.fetch"]


def test_only_sleeping_guests_cost_a_sandbox(soaked: dict[str, Any]) -> None:
    assert soaked["kills"] == CALLS // 250
