"""Frames that try what they must not, each beside a good one. Each gets what is written here, and nothing more."""

import re
from typing import Any, Final

import pytest

from tests.browser.frame.conftest import Run

EXPECTED: Final[dict[str, object]] = {
    "reads the host's document": "SecurityError",
    "reads the host's address": "SecurityError",
    "writes a member of the host's window": "SecurityError",
    "navigates the host by its location": "SecurityError",
    "navigates the host by replacing": "SecurityError",
    "navigates the host by a link": "still here",
    "navigates the host to a script": "SecurityError",
    "opens a window": "null",
    "opens a window by a link": "still here",
    "submits a form": "still here",
    "reads cookies": "SecurityError",
    "writes cookies": "SecurityError",
    "uses local storage": "SecurityError",
    "uses session storage": "SecurityError",
    "opens a database": "SecurityError",
    "uses the cache": "SecurityError",
    "registers a service worker": "SecurityError",
    "fetches from the attacker": "TypeError",
    "fetches from the host": "TypeError",
    "sends a beacon": "sent nothing",
    "opens a web socket": "error",
    "listens to events of the attacker": "error",
    "shows a picture of the attacker": "error",
    "loads a script of the attacker": "error",
    "runs a script that stands in the page": False,
    "evaluates text": "EvalError",
    "frames the attacker": "still here",
    "goes to the attacker": "no report",  # its document is gone, and the browser shows an error in its place
    "starts a worker of the attacker": "SecurityError",
    "asks with a dialog of the browser": "false",
    "asks where the user is": "denied",
    "reads the clipboard": "NotAllowedError",
    "fills the screen": "TypeError",
    "speaks without the envelope": "undefined",
    "speaks another version": "undefined",
    "speaks as a frame inside it": "no report from inside",  # the page's own policy does not let it be framed by a page
    "speaks to the good frame as its host": "sent",
    "collects ports": '"no answer", 200',
    "gives its port to the good frame": "sent",
    "floods its port": "no report",  # the frame is emptied before it could report
    "floods the window": "sent",
    "calls above its extension": ", ".join(["no answer"] * 7),
    "sets the header authorization": "invalid_headers",
    "sends a body above the limit": "payload_too_large",
    "sends a body that is not base64": "invalid_body",
    "makes 40 calls at once": 24,
    "asks for impossible heights": "sent",
    "pollutes prototypes": 200,
    "draws HTML": "sent",
    "asks fifty questions": "TimeoutError, busy, rate_limited",
    "offers a file above the limit": "payload_too_large",
    "offers a file with a path": "sent",
    "calls and is removed": "sent",
    "speaks as an old page": "no report",
}
CALLS: Final = {
    "collects ports": ["GET /second"],
    "makes 40 calls at once": [f"GET /slow/{at}" for at in range(16)],
    "pollutes prototypes": ["GET /x"],
    "calls and is removed": ["GET /slow/removed"],
}
"""Calls that reach the host's callback: those a page may make."""
FLOODS: Final = ("floods its port", "floods the window")


@pytest.fixture(scope="module")
def seen(run: Run) -> Any:
    return run("chromium", "hostile-frames")


@pytest.mark.parametrize("attempt", EXPECTED)
def test_a_hostile_frame_gets_nothing(seen: Any, attempt: str) -> None:
    assert seen["found"][attempt]["report"] == EXPECTED[attempt]


def test_every_attempt_was_made(seen: Any) -> None:
    assert set(seen["found"]) == set(EXPECTED)
    assert len(EXPECTED) >= 25


@pytest.mark.parametrize("attempt", EXPECTED)
def test_the_good_frame_beside_it_keeps_working(seen: Any, attempt: str) -> None:
    assert seen["found"][attempt]["goodWorks"] is True


@pytest.mark.parametrize("attempt", EXPECTED)
def test_only_calls_that_a_page_may_make_reach_the_host(seen: Any, attempt: str) -> None:
    assert seen["found"][attempt]["routes"] == CALLS.get(attempt, [])


def test_the_attackers_server_got_no_request(seen: Any) -> None:
    assert seen["hits"] == []


def test_the_host_page_stayed_where_it_was_and_as_it_was(seen: Any) -> None:
    for one in seen["found"].values():
        assert (one["address"], one["stolen"], one["polluted"]) == ("/strict/hostile-frames", None, None)


def test_the_good_frame_takes_no_theme_from_another_frame(seen: Any) -> None:
    assert seen["goodTheme"] is False


@pytest.mark.parametrize("attempt", FLOODS)
def test_a_flood_ends_the_link(seen: Any, attempt: str) -> None:
    assert seen["found"][attempt]["state"] == "flooded"


def test_at_most_200_messages_of_a_flood_are_handled(seen: Any) -> None:
    assert 0 < seen["found"]["floods its port"]["paths"] <= 200


def test_at_most_sixteen_calls_are_under_way(seen: Any) -> None:
    assert seen["found"]["makes 40 calls at once"]["calls"] == 16


def test_heights_stay_within_100_and_4000_pixels(seen: Any) -> None:
    assert seen["found"]["asks for impossible heights"]["heights"] == [4000, 100]


def test_calls_of_a_removed_frame_are_aborted(seen: Any) -> None:
    assert seen["aborted"]["/slow/removed"] is True


def test_what_a_page_says_is_shown_as_text_below_its_extensions_name(seen: Any) -> None:
    (drawn,) = seen["found"]["draws HTML"]["drawn"]
    assert drawn["text"].startswith("Page hostile\n<img src=x onerror=alert(1)><b>bold</b>evil")
    assert drawn["elements"] == 0


def test_one_question_is_shown_at_a_time(seen: Any) -> None:
    assert max(one["questions"] for one in seen["found"].values()) == 1


def test_the_question_of_a_removed_frame_goes_with_it(seen: Any) -> None:
    assert {one["leftBehind"] for one in seen["found"].values()} == {0}


def test_a_file_is_offered_under_a_plain_name(seen: Any) -> None:
    (drawn,) = seen["found"]["offers a file with a path"]["drawn"]
    assert re.search(r"offers a file_\.\._gpj\.exe \(1 KiB\)", drawn["text"])


def test_an_old_page_is_refused_where_the_mount_forbids_it(seen: Any) -> None:
    assert seen["found"]["speaks as an old page"]["state"] == "old_page_refused"
