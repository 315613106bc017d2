"""The UI host's content security policy stops each kind of breach, in each browser engine."""

from typing import Any, Final

import pytest

from tests.browser.frame.conftest import Run
from tests.browser.frame.engines import ENGINES

DIRECTIVES: Final = {
    "a script in the page": "script-src",
    "text as a script": "script-src",
    "a script of the attacker": "script-src",
    "a handler in an attribute": "script-src",
    "a style sheet of the attacker": "style-src",
    "a picture of the attacker": "img-src",
    "a request to the attacker": "connect-src",
    "a font of the attacker": "font-src",
    "a video of the attacker": "media-src",
    "a frame of the attacker": "frame-src",
    "a plug-in of the attacker": "object-src",
    "another base of addresses": "base-uri",
}


SILENT: Final = {("firefox", "a plug-in of the attacker"), ("webkit", "text as a script")}
"""Breaches that an engine stops without an event."""


@pytest.fixture(scope="module", params=ENGINES)
def breaches(run: Run, request: pytest.FixtureRequest) -> Any:
    return {"engine": request.param, **run(request.param, "breaches")}


@pytest.mark.parametrize("breach", DIRECTIVES)
def test_a_breach_is_one_violation_of_its_directive(breaches: Any, breach: str) -> None:
    if (breaches["engine"], breach) in SILENT:
        pytest.skip(f"{breaches['engine']} stops it without an event")
    (violation,) = breaches["found"][breach]
    assert violation.startswith(f"enforce {DIRECTIVES[breach]}")


def test_every_breach_was_tried_and_a_page_without_one_has_no_violation(breaches: Any) -> None:
    assert breaches["found"].pop("no breach", []) == []
    assert set(breaches["found"]) == set(DIRECTIVES)
    assert len(DIRECTIVES) >= 10


def test_no_breach_reaches_the_attacker(breaches: Any) -> None:
    assert breaches["hits"] == []
