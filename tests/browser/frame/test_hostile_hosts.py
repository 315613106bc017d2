"""Host pages that misuse a good page: none reads it, takes its link, or makes it fetch."""

from typing import Any, Final

import pytest

from tests.browser.frame.conftest import Run

NEVER_RAN: Final = "the page never ran"
EXPECTED: Final[dict[str, object]] = {
    "reads the page": ["null", "SecurityError", "SecurityError"],
    "gives the page an origin": ["null", "null", "SecurityError"],
    "sends no port": "timeout",
    "sends two ports": "timeout",
    "sends another envelope": "timeout",
    "sends a port from another window": "timeout",
    "is not the host that the page expects": "timeout",
    "sends the first message again": [False, True],
    "answers what was not asked": True,
    "answers with a body that is not base64": "invalid_answer",
    "never answers": "timeout",
    "closes the port": "timeout",
    "speaks as a frame": True,
    "hides an address in the theme": ["", True],
    "pollutes prototypes": None,
    "is of an origin that may not frame": [NEVER_RAN, True],
    "stands between the host and the page": [NEVER_RAN, True],
    "has no origin": [NEVER_RAN, "opaque_host"],
}


@pytest.fixture(scope="module")
def seen(run: Run) -> Any:
    found = run("chromium", "hostile-hosts", "none")
    assert "failed" not in found, found
    return found


@pytest.mark.parametrize("attempt", EXPECTED)
def test_a_hostile_host_gets_nothing(seen: Any, attempt: str) -> None:
    assert seen["found"][attempt] == EXPECTED[attempt]


def test_every_attempt_was_made(seen: Any) -> None:
    assert set(seen["found"]) == set(EXPECTED)
    assert len(EXPECTED) >= 10


def test_the_attackers_server_got_no_request(seen: Any) -> None:
    assert [hit for hit in seen["hits"] if "theme" in hit] == []
