"""What fits into storage."""

import pytest

from functions.runner.imports.storage import rules

CONTROLS = ["\x00", "\n", "\x1f", "\x7f", "\x80", "\x9f", "\u2028", "\u2029"]
NOT_CONTROLS = [" ", "~", "\xa0", "\u2027", "\u202a", "ü", "😀"]


def test_the_limits_are_those_of_the_reference() -> None:
    assert (rules.NAMESPACE_CHARACTERS, rules.KEY_CHARACTERS, rules.VALUE_BYTES) == (128, 256, 65_536)
    assert (rules.BATCH_ITEMS, rules.BATCH_BYTES) == (20, 524_288)
    assert (rules.NAMESPACES, rules.KEYS_PER_NAMESPACE, rules.INSTALL_BYTES) == (32, 5_120, 268_435_456)
    assert (rules.PAGE_DEFAULT, rules.PAGE_LIMIT, rules.PAGE_BYTES) == (25, 100, 2_097_152)


def test_an_entry_lives_from_one_minute_to_thirty_days() -> None:
    assert [seconds in rules.TTL_SECONDS for seconds in (59, 60, 2_592_000, 2_592_001)] == [False, True, True, False]


@pytest.mark.parametrize(("size", "fits"), [(0, False), (1, True), (127, True), (128, True), (129, False)])
def test_a_namespace_has_1_to_128_characters(size: int, fits: bool) -> None:
    assert rules.namespace_fits("ü" * size) is fits


@pytest.mark.parametrize(("size", "fits"), [(0, False), (1, True), (255, True), (256, True), (257, False)])
def test_a_key_has_1_to_256_characters(size: int, fits: bool) -> None:
    assert rules.key_fits("ü" * size) is fits


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_control_characters_fit_nowhere(control: str) -> None:
    for text in (control, f"{control}a", f"a{control}", f"a{control}b"):
        assert (rules.namespace_fits(text), rules.key_fits(text)) == (False, False)


@pytest.mark.parametrize("character", NOT_CONTROLS, ids=ascii)
def test_every_other_character_fits(character: str) -> None:
    assert (rules.namespace_fits(character), rules.key_fits(character)) == (True, True)


@pytest.mark.parametrize(("key", "fits"), [("/", False), ("//", False), ("a/", True), ("/a", True), ("x", True)])
def test_a_key_is_more_than_slashes(key: str, fits: bool) -> None:
    assert rules.key_fits(key) is fits


@pytest.mark.parametrize(
    ("namespace", "key", "fits"), [("a", "k", True), ("", "k", False), ("a", "", False), ("", "", False)]
)
def test_a_place_is_a_namespace_and_a_key(namespace: str, key: str, fits: bool) -> None:
    assert rules.place_fits(namespace, key) is fits


@pytest.mark.parametrize(("size", "fits"), [(0, True), (65_535, True), (65_536, True), (65_537, False)])
def test_a_value_has_at_most_64_kib(size: int, fits: bool) -> None:
    assert rules.value_fits(bytes(size)) is fits


@pytest.mark.parametrize(
    ("counts", "fits"),
    [
        ((0, 0, 0), True),
        ((32, 5_120, 268_435_456), True),
        ((33, 1, 1), False),
        ((1, 5_121, 1), False),
        ((1, 1, 268_435_457), False),
    ],
)
def test_an_install_is_within_each_part_of_its_quota(counts: tuple[int, int, int], fits: bool) -> None:
    assert rules.within_quota(*counts) is fits
