"""The bridge as it is published: served without a bundler, bundled again, and with a file that cannot be loaded."""

from typing import Any, Final

import pytest

from tests.browser.frame.conftest import Run
from tests.browser.frame.engines import ENGINES

FORMS: Final = ("bridge", "split")
"""Served as it is, and bundled again with code splitting."""


@pytest.fixture(scope="module", params=ENGINES)
def found(run: Run, request: pytest.FixtureRequest) -> Any:
    found = run(request.param, "published")
    assert "failed" not in found, found
    return found


@pytest.mark.parametrize("form", FORMS)
def test_everything_works_behind_a_policy_for_own_scripts_only(found: Any, form: str) -> None:
    reports = {name: found[form][name]["report"] for name in ("call", "confirm", "session", "old")}
    assert reports == {"call": 200, "confirm": True, "session": "of the host", "old": "POST"}


@pytest.mark.parametrize("form", FORMS)
def test_a_withdrawn_page_is_told_in_words(found: Any, form: str) -> None:
    assert found[form]["withdrawn"] == {"state": "withdrawn", "text": "Page is no longer available."}


@pytest.mark.parametrize("form", FORMS)
def test_calls_of_the_gateway_are_made(found: Any, form: str) -> None:
    assert found[form]["gateway"]["report"] == 404, "the host's server has no gateway"


def test_a_page_loads_what_it_needs_and_no_more(found: Any) -> None:
    assert found["bridge"]["loadedByACall"] == ["calls", "checks", "views"]
    assert found["bridge"]["loadedByTheRest"] == ["old-pages", "prompts", "session-keeper"]


@pytest.mark.parametrize(
    ("part", "report", "state"),
    [
        ("calls", "bad_gateway", "ready"),
        ("prompts", "not_shown", "ready"),
        ("session-keeper", "no report", "bridge_incomplete"),
        ("views", 200, "ready"),
    ],
)
def test_what_needs_a_file_that_is_missing_is_refused(found: Any, part: str, report: object, state: str) -> None:
    seen = found[f"without {part}"]
    assert (seen["report"], seen["state"]) == (report, state)


@pytest.mark.parametrize("part", ["calls", "prompts", "session-keeper", "views"])
def test_the_host_is_told_which_file_is_missing(found: Any, part: str) -> None:
    errors = found[f"without {part}"]["errors"]
    assert errors
    assert all("module" in error or part in error for error in errors)


def test_the_user_of_an_incomplete_bridge_can_try_again(found: Any) -> None:
    assert found["without session-keeper"]["text"] == "Page using cannot be shown right now.Try again"


@pytest.mark.parametrize("part", ["old-pages", "checks"])
def test_an_old_page_is_not_served_by_an_incomplete_bridge(found: Any, part: str) -> None:
    seen = found["without old-pages"] if part == "old-pages" else found["without checks"]["old"]
    assert (seen["report"], seen["state"]) == ("no report", "bridge_incomplete")
    assert seen["errors"] > 0


def test_a_page_of_todays_sdk_does_not_need_the_checks(found: Any) -> None:
    assert found["without checks"]["call"]["report"] == 200
