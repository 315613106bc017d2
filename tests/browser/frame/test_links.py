"""A frame has one live link whatever happens to it, and its state is told, in each browser engine."""

from typing import Any

import pytest

from tests.browser.frame.conftest import Run
from tests.browser.frame.engines import ENGINES

LINKED = (
    "two connections at once",
    "a host that mounts twice, as React's strict mode does",
    "a frame that is moved in the document",
    "a page that reloads itself",
    "a page that goes to another page of its extension",
    "a frame that its host reloads",
    "three frames of one install",
    "the path that the host shows",
)


@pytest.fixture(scope="module", params=ENGINES)
def links(run: Run, request: pytest.FixtureRequest) -> Any:
    found = run(request.param, "links")
    assert "failed" not in found, found
    return found


@pytest.mark.parametrize("case", LINKED)
def test_exactly_one_link_is_live(links: Any, case: str) -> None:
    assert (links[case]["links"], links[case]["state"]) == (1, "ready")


@pytest.mark.parametrize("case", [case for case in LINKED if case != "three frames of one install"])
def test_a_new_document_connects_once(links: Any, case: str) -> None:
    assert links[case].get("report", "connected") == "connected"


def test_frames_of_one_install_do_not_hear_each_other(links: Any) -> None:
    assert links["three frames of one install"]["mixed"] == 0


def test_mounting_twice_leaves_one_frame(links: Any) -> None:
    assert links["a host that mounts twice, as React's strict mode does"]["frames"] == 1


def test_a_second_bootstrap_of_an_element_ends_the_first(links: Any) -> None:
    seen = links["a frame of the host's own, bootstrapped twice"]
    assert (seen["callers"], seen["state"]) == (["second"], "ready")


def test_a_closed_frame_is_empty(links: Any) -> None:
    assert links["a frame that is closed"] == {"before": True, "afterwards": 0}


def test_the_page_hears_the_path_that_the_host_shows(links: Any) -> None:
    assert links["the path that the host shows"]["heard"] is True


def test_hooks_work_in_strict_mode(links: Any) -> None:
    seen = links["components of React in strict mode"]
    assert (seen["report"]["connected"], seen["report"]["none"], seen["report"]["error"]) == (True, False, None)
    assert any("theme=%23112233" in call for call in seen["calls"])
    assert any("theme=%23445566" in call for call in seen["calls"])


def test_a_hook_never_returns_the_answer_of_another_call(links: Any) -> None:
    assert links["components of React in strict mode"]["changed"]["stale"] == 0


def test_a_page_that_goes_silent_is_found(links: Any) -> None:
    assert links["a page that goes to one that does not connect"]["failure"] == "no_answer"


def test_a_page_that_does_not_connect_is_said_to(links: Any) -> None:
    seen = links["a page that does not connect"]
    assert seen["states"] == ["loading", "no_answer"]
    assert seen["text"] == "Page silent cannot be shown right now.Try again"


def test_a_withdrawn_page_is_told_in_words_and_not_as_json(links: Any) -> None:
    seen = links["a page that is withdrawn"]
    assert seen["states"] == ["loading", "withdrawn"]
    assert seen["text"] == "Page is no longer available."
    assert seen["src"] is None


def test_an_answer_that_is_an_error_is_unavailable(links: Any) -> None:
    assert links["a page whose address is not one"]["failure"] == "unavailable"


def test_the_hosts_own_policy_is_named_when_it_forbids_the_frame(links: Any) -> None:
    seen = links["a page of an origin that the host's policy forbids"]
    assert (seen["failure"], seen["shown"]) == ("frame_blocked", "frame_blocked")


def test_a_user_whom_trying_again_does_not_help_is_sent_to_the_administrator(links: Any) -> None:
    seen = links["a page of an origin that the host's policy forbids"]
    assert seen["text"] == "Page cannot be shown here. Please tell the administrator of this application."


def test_a_script_is_not_an_address(links: Any) -> None:
    assert links["a script as the address"]["refused"] == "TypeError"
