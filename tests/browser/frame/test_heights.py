"""A page that follows its height is as high as its document, within a pixel, in each browser engine."""

from typing import Any

import pytest

from tests.browser.frame.conftest import Run
from tests.browser.frame.engines import ENGINES


@pytest.fixture(scope="module", params=ENGINES)
def heights(run: Run, request: pytest.FixtureRequest) -> Any:
    return run(request.param, "heights")


def test_thirty_layouts_get_their_height_within_a_pixel(heights: Any) -> None:
    measured = [one for one in heights if not one["name"].startswith("endless")]
    wrong = [one for one in measured if abs(one["height"] - one["wanted"]) > 1]

    assert wrong == []
    assert len({one["name"] for one in measured}) >= 30


def test_they_get_it_in_frames_that_were_too_small_and_too_large(heights: Any) -> None:
    assert {one["start"] for one in heights} == {100, 1_500}


def test_a_page_that_is_higher_than_any_frame_comes_to_an_end(heights: Any) -> None:
    endless = [one for one in heights if one["name"].startswith("endless")]

    assert len(endless) == 4
    assert [one for one in endless if len(one["asked"]) > 4 or one["height"] > 600] == []
