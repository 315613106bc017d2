"""Mounting and unmounting an extension leaves nothing behind."""

from typing import Any

import pytest

from tests.browser.conftest import run_script
from tests.browser.frame.servers import Scene

FEW = 20
"""What the browser itself may keep, however many mounts there were. A leak keeps something of each mount."""


def mounted(scene: Scene, count: int) -> Any:
    url = f"{scene.addresses.host}/strict/mounts"
    return run_script("frame/mounts.mjs", within_s=count, url=url, count=count)


def check(seen: Any) -> None:
    """Compare what the page and the browser count before and after."""
    assert seen["after"]["page"] == seen["before"]["page"]
    for name, before in seen["before"]["browser"].items():
        assert seen["after"]["browser"][name] <= before + FEW, name


def test_a_hundred_mounts_leave_no_listener_port_timer_or_node(scene: Scene) -> None:
    check(mounted(scene, 100))


@pytest.mark.mounts
def test_a_thousand_mounts_leave_no_listener_port_timer_or_node(scene: Scene) -> None:
    check(mounted(scene, 1_000))
