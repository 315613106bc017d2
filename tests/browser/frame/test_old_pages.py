"""Pages built for AlgaPSA's SDK, unmodified, work where frames are proved, and get nothing elsewhere."""

from typing import Any, Final

import pytest

from tests.browser.frame.conftest import Run
from tests.browser.frame.engines import ENGINES
from tests.browser.frame.servers import Scene

EXPECTED: Final[dict[str, object]] = {
    "says ready without a payload": ["", "string"],
    "says ready with an empty payload": "",
    "says ready only after it was loaded": "",
    "never says ready": "",
    "says ready twice": True,
    "reads its path": ["/notes/7", "/notes/7"],
    "reads its tenant and extension": ["acme", "com.acme.notes"],
    "hears its host alone": 0,
    "calls with POST when it names no method": "POST",
    "calls with GET": "/x?y=1",
    "calls with PUT and a body": ["PUT", '{"a":1}'],
    "calls with DELETE": "DELETE",
    "calls with GET and a body": "Proxy error 400: invalid_body",
    "calls before it says ready": "POST",
    "gets an empty answer": "nothing",
    "is refused by its handler": "Proxy error 404: no such note",
    "cannot be served by its host": "Proxy error 502: bad_gateway",
    "makes two calls at once": ["/slow", "/fast"],
    "gives up, and calls again": ["gave up", "/x"],
    "sets the theme": ["rgb(9, 9, 9)", "rgb(8, 8, 8)", "rgb(7, 7, 7)"],
    "hears that the theme has changed": "rgb(1, 2, 3)",
    "asks for a height": 345,
    "navigates": "sent",
    "goes to another of its pages": "POST",
}
NOT_PROVED: Final = ("none", "report-only", "wide", "self", "default-src")


@pytest.fixture(scope="module", params=ENGINES)
def old(run: Run, request: pytest.FixtureRequest) -> Any:
    return run(request.param, "old-pages")


@pytest.mark.parametrize("variant", EXPECTED)
def test_an_old_page_works(old: Any, variant: str) -> None:
    assert old["found"][variant]["report"] == EXPECTED[variant]


def test_there_are_at_least_sixteen_and_all_are_tried(old: Any) -> None:
    assert set(old["found"]) == set(EXPECTED)
    assert len(EXPECTED) >= 16


def test_no_old_page_is_refused(old: Any) -> None:
    assert {one["state"] for one in old["found"].values()} <= {"ready", "loading"}


def test_an_old_page_navigates(old: Any) -> None:
    assert old["found"]["navigates"]["paths"] == ["/notes/1"]


@pytest.mark.parametrize("policy", NOT_PROVED)
def test_without_the_proof_no_handler_is_reached(run: Run, policy: str) -> None:
    found = run("chromium", "old-pages", policy)["found"]

    assert [name for name, one in found.items() if one["calls"]] == []
    assert {found[name]["state"] for name in ("reads its path", "calls with GET")} == {"old_page_refused"}


@pytest.mark.parametrize("engine", ["firefox", "webkit"])
@pytest.mark.parametrize("policy", ["none", "report-only"])
def test_other_engines_refuse_as_well(run: Run, engine: str, policy: str) -> None:
    found = run(engine, "old-pages", policy)["found"]

    assert [name for name, one in found.items() if one["calls"]] == []


@pytest.mark.parametrize("policy", NOT_PROVED)
def test_the_console_says_which_header_to_send(run: Run, scene: Scene, policy: str) -> None:
    said = run("chromium", "old-pages", policy)["said"]
    header = f"Content-Security-Policy: frame-src {scene.addresses.ui}"

    assert [text for text in said if header in text and "built for AlgaPSA's SDK" in text]
    assert len([text for text in said if "can go to any address" in text]) == 1


def test_a_policy_that_holds_is_not_warned_of(old: Any) -> None:
    assert old["said"] == []
