"""What the host draws for a page: only after the user's answer, usable by keyboard alone, and accessible."""

from typing import Any

import pytest

from tests.browser.conftest import run_script
from tests.browser.frame.servers import Scene


@pytest.fixture(scope="module")
def seen(scene: Scene) -> Any:
    return run_script("frame/prompts.mjs", url=f"{scene.addresses.host}/strict/prompts")


def test_the_frame_has_the_label_as_its_name(seen: Any) -> None:
    assert seen["title"] == "Notes of the team"


def test_the_keyboard_goes_into_the_page_and_out_of_it(seen: Any) -> None:
    inside = [f"in the page: {name}" for name in ("delete", "export", "save")]
    assert [stop for stop in seen["focus"] if stop in (*inside, "after")] == [*inside, "after"]


def test_the_host_can_move_the_focus_into_the_page(seen: Any) -> None:
    assert seen["focusByHost"] is True


def test_a_question_has_the_extensions_name_and_its_text(seen: Any) -> None:
    assert (seen["heading"], seen["text"]) == ("Notes asks", "Delete the note?\nIt cannot be undone.")


def test_a_click_that_was_aimed_at_the_page_does_not_confirm(seen: Any) -> None:
    assert seen["disabledAtFirst"] is True


def test_the_question_is_answered_by_keyboard_alone(seen: Any) -> None:
    assert (seen["focusInDialog"], seen["escaped"], seen["confirmed"]) == ("Cancel", False, True)


def test_the_focus_goes_back_to_where_it_was(seen: Any) -> None:
    assert seen["focusAfterwards"] == "in the page: delete"


def test_a_file_is_saved_only_after_the_click_in_the_hosts_dialog(seen: Any) -> None:
    assert (seen["beforeTheClick"], seen["saved"]) == ("nothing", True)
    assert (seen["file"], seen["content"]) == ("notes.csv", "a,b\n")


def test_a_notice_can_be_dismissed(seen: Any) -> None:
    assert (seen["notice"], seen["noticeAfterwards"]) == ("Notes\nSavedDismiss", 0)


def test_axe_finds_nothing_in_either_scheme(seen: Any) -> None:
    assert {where: found for where, found in seen["axe"].items() if found} == {}
    assert len(seen["axe"]) == 8


def test_a_narrow_window_does_not_overflow(seen: Any) -> None:
    assert seen["overflow"] <= 0


def test_nothing_moves_for_those_who_want_less_motion(seen: Any) -> None:
    assert (seen["animations"], seen["animationsOtherwise"]) == (0, 1)
