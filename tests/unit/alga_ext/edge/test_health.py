"""The health answer: ok or not ok for everyone, the parts for the platform role, checks at most once in ten seconds."""

import json
from collections.abc import Mapping
from typing import Any

from alga_ext.edge.health import Health
from alga_ext.errors import PlatformError
from tests.support.clock import Clock


class Part:
    """A part that is there or missing, and counts how often it was checked."""

    def __init__(self) -> None:
        self.checks = 0
        self.is_missing = False

    def __call__(self) -> Mapping[str, Any]:
        self.checks += 1
        if self.is_missing:
            raise PlatformError("object_store_unavailable", "The object store cannot be reached.", key="secret/key")
        return {"size_bytes": 7}


def shown(health: Health, *, detailed: bool = False) -> tuple[int, dict[str, Any]]:
    answer = health.answer(detailed=detailed)
    assert answer["headers"]["cache-control"] == "no-store"
    return answer["statusCode"], json.loads(answer["body"])


def test_with_every_part_there_it_is_ok() -> None:
    assert shown(Health({"store": Part()}, Clock())) == (200, {"status": "ok"})


def test_with_one_part_missing_it_is_unavailable() -> None:
    missing = Part()
    missing.is_missing = True

    assert shown(Health({"queue": Part(), "store": missing}, Clock())) == (503, {"status": "unavailable"})


def test_parts_are_shown_in_detail_without_the_context_of_errors() -> None:
    missing = Part()
    missing.is_missing = True
    status, document = shown(Health({"queue": Part(), "store": missing}, Clock()), detailed=True)

    assert status == 503
    assert document["checks"] == {
        "queue": {"ok": True, "size_bytes": 7},
        "store": {
            "ok": False,
            "code": "object_store_unavailable",
            "detail": "The object store cannot be reached.",
        },
    }


def test_parts_are_checked_once_in_ten_seconds_whoever_asks() -> None:
    part, clock = Part(), Clock()
    health = Health({"store": part}, clock)
    shown(health)
    clock.now_s += 9.9
    part.is_missing = True
    assert shown(health, detailed=True)[0] == 200
    assert part.checks == 1


def test_after_ten_seconds_parts_are_checked_again() -> None:
    part, clock = Part(), Clock()
    health = Health({"store": part}, clock)
    shown(health)
    clock.now_s += 10.0
    part.is_missing = True

    assert shown(health)[0] == 503


def test_warnings_are_shown_in_detail_and_change_no_status() -> None:
    found: list[str] = []
    health = Health({"store": Part()}, Clock(), lambda: found)
    without = shown(health, detailed=True)[1]
    found.append("The release key is old.")

    assert "warnings" not in without
    assert shown(health, detailed=True) == (200, {**without, "warnings": ["The release key is old."]})
    assert shown(health) == (200, {"status": "ok"})
