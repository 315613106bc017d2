"""The host page and the samples as people use them: with a keyboard, in both colour schemes, in a narrow window."""

from typing import Any

import pytest

from tests.browser.conftest import Site

VIEWS = ("sign-in", "hello", "notes", "withdrawn", "failed", "empty")
LOOKS = ("light", "dark", "narrow", "narrow-dark")
ALL = [f"{view} {look}" for view in VIEWS for look in LOOKS]


@pytest.fixture(scope="session")
def seen(site: Site) -> Any:
    return site.run("views.mjs", token=site.token("acme-admin"))


@pytest.mark.parametrize("view", ALL)
def test_axe_finds_nothing(seen: Any, view: str) -> None:
    assert seen["views"][view]["findings"] == []


def test_axe_finds_a_field_without_a_label(seen: Any) -> None:
    assert [finding.partition(":")[0] for finding in seen["broken"]] == ["label"]


@pytest.mark.parametrize("view", ALL)
def test_nothing_is_wider_than_the_window(seen: Any, view: str) -> None:
    found = seen["views"][view]
    assert (found["overflow"], found.get("overflow_of_frame", 0)) == (0, 0)


def test_each_entry_stands_under_its_hook(seen: Any) -> None:
    assert seen["hooks"] == [["Extensions", "Hello", "Notes"], ["Client portal", "My notes"]]


def test_every_task_is_possible_with_the_keyboard_alone(site: Site) -> None:
    found = site.run("keyboard.mjs", token=site.token("acme-admin"))

    assert {found["before"], found["after"]} == {"light", "dark"}
    assert found["inFrame"] == found["after"]
    assert set(found["outlines"]) == {"solid"}
