"""Frames in real browsers: one scene for all tests, and each host page is run once an engine."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.frame.engines import opened
from tests.browser.frame.servers import Scene, scene

Run = Callable[..., Any]
RUN_WITHIN_S = 150


@pytest.fixture(scope="session", name="scene")
def running_scene() -> Iterator[Scene]:
    with scene() as made:
        yield made


@pytest.fixture(scope="session")
def run(scene: Scene) -> Run:
    """Run a host page in an engine and return what it posts; a page that was run before is not run again."""
    known: dict[tuple[str, ...], Any] = {}

    def run_page(engine: str, page: str, policy: str = "strict", origin: str = "host") -> Any:
        key = (engine, page, policy, origin)
        if key not in known:
            name = uuid.uuid4().hex
            url = f"{getattr(scene.addresses, origin)}/{policy}/{page}?run={name}"
            with opened(engine, url):
                known[key] = scene.result(name, RUN_WITHIN_S)
        return known[key]

    return run_page
